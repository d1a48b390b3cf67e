"""Recording from Stripe: it needs a test key, calls Stripe only, and refuses live mode and simulated answers."""

from __future__ import annotations

import importlib.util
import re
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
import stripe

import cassette_kit
import cassette_rules as rules
from builders import KEY
from cassette_honesty.conftest import DRAFT, LIVE_KEY, ROOT
from cassette_kit import How, staged
from qwoty_stripe_invoice import gateway
from stripe_simulator import StripeSimulator
from stripe_test_mode import RecordingRefused, Wire, require_test_key, require_test_mode, wait_for_payer


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_cassettes", ROOT / "tools" / "record_cassettes.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, "Set STRIPE_TEST_KEY to a Stripe test key"),
        ({"STRIPE_TEST_KEY": "  "}, "Set STRIPE_TEST_KEY to a Stripe test key"),
        ({"STRIPE_TEST_KEY": LIVE_KEY}, "holds a live key"),
        ({"STRIPE_TEST_KEY": "rk_" + "live_F4keF4keF4ke"}, "holds a live key"),
        ({"STRIPE_TEST_KEY": "pk_" + "test_F4keF4keF4ke"}, "a publishable key"),
        ({"STRIPE_TEST_KEY": "whsec_F4keF4keF4ke"}, "does not look like"),
        ({"STRIPE_TEST_KEY": "sk_test_F4keF4keF4ke\nX-Other: 1"}, "does not look like"),
    ],
)
def test_recording_is_refused_without_a_test_key(
    tool: ModuleType, env: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Any] = []

    code = tool.main([], env, lambda *call: ran.append(call) or 0)

    said = capsys.readouterr()
    assert (code, ran, said.out) == (2, [], "")
    assert words in said.err
    assert "F4ke" not in said.err


@pytest.mark.parametrize("prefix", ["sk", "rk"])
def test_a_test_key_is_accepted(prefix: str) -> None:
    key = f"{prefix}_test_F4keF4keF4ke"

    assert require_test_key({"STRIPE_TEST_KEY": f" {key}\n"}) == key


def test_recording_from_stripe_runs_the_same_tests_then_replays_them_without_the_key(tool: ModuleType) -> None:
    env, ran = {"STRIPE_TEST_KEY": KEY, "PATH": "p"}, []

    code = tool.main([], env, lambda arguments, given: ran.append((arguments, "STRIPE_TEST_KEY" in given)) or 0)

    assert code == 0
    assert ran == [
        ([tool.BEHAVIORS, "--stripe=live", "--record-mode=rewrite", "-x", "-rs"], True),
        ([tool.BEHAVIORS, tool.HONESTY, "--stripe=cassette"], False),
    ]


def test_recording_from_the_simulator_never_sees_a_key(tool: ModuleType) -> None:
    env, ran = {"STRIPE_TEST_KEY": LIVE_KEY}, []

    code = tool.main(["--simulated"], env, lambda arguments, given: ran.append((arguments[1:], dict(given))) or 1)

    assert code == 1
    assert ran == [(["--stripe=simulated", "--record-mode=rewrite"], {})]


def the_client(simulator: StripeSimulator, key: str) -> Any:
    return stripe.StripeClient(key, base_addresses={"api": simulator.url}, http_client=stripe.RequestsClient())


def test_recording_stops_when_the_first_object_is_live(stripe_simulator: StripeSimulator) -> None:
    client = the_client(stripe_simulator, LIVE_KEY)

    with pytest.raises(RecordingRefused, match="does not say livemode: false"):
        require_test_mode(client.v1)

    assert [(r.method, r.path) for r in stripe_simulator.requests] == [("POST", "/v1/customers")]
    client._requestor._client.close()


def test_recording_goes_on_when_the_first_object_is_of_test_mode(stripe_simulator: StripeSimulator) -> None:
    client = the_client(stripe_simulator, KEY)

    require_test_mode(client.v1)

    assert [r.method for r in stripe_simulator.requests] == ["POST", "DELETE"]
    client._requestor._client.close()


def test_recording_from_stripe_checks_the_mode_first(
    tmp_path: Path, stripe_simulator: StripeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_TEST_KEY", "sk_test_F4keF4keF4ke")
    monkeypatch.setattr(cassette_kit, "require_test_mode", lambda _: (_ for _ in ()).throw(RecordingRefused("stop")))

    with (
        pytest.raises(RecordingRefused, match="stop"),
        staged(DRAFT, rules.TEST_MODE, How("live", record=True), tmp_path / "data"),
    ):
        pass

    assert not (tmp_path / "data").exists()
    assert not (rules.FOLDER / rules.TEST_MODE / f"{DRAFT}.yaml").exists()


def test_live_recording_with_a_live_key_is_refused_by_the_tests_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_TEST_KEY", LIVE_KEY)

    with (
        pytest.raises(RecordingRefused, match="live key"),
        staged(DRAFT, rules.TEST_MODE, How("live", record=True), tmp_path),
    ):
        pass


def test_recording_that_turns_out_to_be_simulated_is_not_written(
    tmp_path: Path, stripe_simulator: StripeSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Perform a whole recording from Stripe, with the simulator in Stripe's place."""
    at_stripe = cassette_kit._stripe
    monkeypatch.setenv("STRIPE_TEST_KEY", "sk_test_F4keF4keF4ke2")
    monkeypatch.setattr(gateway, "DEFAULT_API_BASE", stripe_simulator.url)
    monkeypatch.setattr(cassette_kit, "_stripe", lambda key, _: at_stripe(key, stripe_simulator.url))
    monkeypatch.setattr(Wire, "watched", lambda _: nullcontext())

    runs: list[dict[str, Any]] = []

    def record() -> None:
        with staged(DRAFT, rules.TEST_MODE, How("live", record=True), tmp_path / "data") as stage:
            stage.enable()
            runs.append(stage.accept(stage.a_quote()))

    with pytest.raises(RecordingRefused, match=r"was not written: .*it is a simulated answer") as refused:
        record()

    assert runs[0]["status"] == "succeeded", runs
    assert re.fullmatch(r"q-[0-9a-f]{8}", runs[0]["quote_id"])
    assert "F4ke" not in str(refused.value)
    assert not (rules.FOLDER / rules.TEST_MODE / f"{DRAFT}.yaml").exists()
    # The recording deleted its objects.
    assert [one["deleted"] for one in stripe_simulator.objects("customers")] == [True, True]
    assert [one["active"] for one in stripe_simulator.objects("tax_rates")] == [False]
    assert stripe_simulator.objects("invoices") == []


def test_only_stripe_is_called_while_recording_from_stripe(stripe_simulator: StripeSimulator) -> None:
    with Wire().watched(), pytest.raises(RecordingRefused, match="Something else than Stripe"):
        requests.get(stripe_simulator.url)

    assert list(stripe_simulator.requests) == []


@pytest.mark.parametrize("url", ["http://api.stripe.com/v1", "https://stripe.com.example/v1", "https://notstripe.com"])
def test_an_address_that_resembles_stripes_is_not_called(url: str) -> None:
    with pytest.raises(RecordingRefused):
        Wire().pass_through(url)


def test_recording_sends_at_most_25_requests_a_second() -> None:
    now = [100.0]
    wire = Wire(clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))

    for _ in range(51):
        wire.pass_through("https://api.stripe.com/v1/customers")

    assert now[0] - 100.0 == pytest.approx(2.0)


def test_the_payer_is_shown_the_page_and_the_recorder_waits_for_the_payment(stripe_simulator: StripeSimulator) -> None:
    client = the_client(stripe_simulator, KEY)
    price = {"currency": "eur", "unit_amount": 500, "product_data": {"name": "Deposit"}}
    session = client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": [{"quantity": 1, "price_data": price}], "success_url": "https://a.example"}
    )
    shown: list[str] = []

    def a_person_who_pays(text: str) -> None:
        shown.append(text)
        stripe_simulator.pay(session["id"])

    wait_for_payer(client.v1, session["id"], a_person_who_pays)

    assert session["url"] in shown[0]
    client._requestor._client.close()
