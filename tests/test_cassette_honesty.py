"""Cassettes are what they say, hold no secret, and cannot be replayed by code that asks for something else."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
import stripe
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.request import Request

import cassette_kit
import cassette_rules as rules
from builders import KEY
from cassette_kit import How, Misses, Tape, _Persister, offline, recorder, staged, write_cassette
from qwoty_integrations_host.testing.cassettes import same_form
from qwoty_stripe_invoice import gateway
from stripe_simulator import StripeSimulator
from stripe_test_mode import RecordingRefused, Wire, require_test_key, require_test_mode, wait_for_payer

ROOT = Path(__file__).resolve().parent.parent
ALL = [*rules.cassettes(rules.SIMULATED), *rules.cassettes(rules.TEST_MODE)]
DRAFT, LINK = "draft_has_the_lines_and_the_signed_total", "payment_link_is_made_and_mailed"
#: Made of two halves, so that no file of this repository holds what looks like a key.
LIVE_KEY = "sk_" + "live_" + "F4keF4keF4keF4ke"


def a_text(name: str = DRAFT) -> str:
    return (rules.FOLDER / rules.SIMULATED / f"{name}.yaml").read_text("utf-8")


def as_if_genuine(text: str) -> str:
    """What a recording from Stripe would look like. It is none, and is never written anywhere."""
    text = text.replace(rules.STATEMENTS[rules.SIMULATED], rules.STATEMENTS[rules.TEST_MODE])
    text = text.replace("kind: simulated", "kind: stripe_test_mode")
    text = text.replace(f"http://{rules.SIMULATED_HOST}", f"https://{rules.STRIPE_HOST}").replace("req_sim_", "req_")
    return text.replace("      X-Simulated:\n      - stripe-simulator\n", "")


# -- the files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_cassette_is_of_its_folder_and_holds_no_secret(path: Path) -> None:
    text = path.read_text("utf-8")

    assert rules.problems(text, rules.kind_of(path)) == []
    # The version family that the plugin pins; another one means: record again.
    assert f"api_version: {gateway.API_VERSION}\n" in text


def test_each_behavior_has_its_cassette_and_each_cassette_its_behavior() -> None:
    tests = (ROOT / "tests" / "stripe_invoice" / "test_cassettes.py").read_text("utf-8")
    behaviors = set(re.findall(r"^def test_(\w+)\(", tests, re.MULTILINE))

    assert {path.stem for path in rules.cassettes(rules.SIMULATED)} == behaviors
    assert {path.stem for path in rules.cassettes(rules.TEST_MODE)} <= behaviors
    assert 8 <= len(behaviors) <= 12


def test_folders_hold_nothing_else() -> None:
    files = {path.relative_to(rules.FOLDER) for path in rules.FOLDER.rglob("*") if path.is_file()}
    known = {path.relative_to(rules.FOLDER) for path in ALL}

    assert files - known == {Path("README.md"), Path("stripe_test_mode/.gitkeep")}


# -- either kind is refused in the other's folder -----------------------------------------------------


def test_simulated_cassette_is_refused_among_the_genuine() -> None:
    found = rules.problems(a_text(), rules.TEST_MODE)

    assert "interaction 1: it is a simulated answer" in found
    assert "interaction 1: Stripe's answers come from stripe.com only" in found
    assert "it does not say that it is of kind stripe_test_mode" in found


def test_genuine_cassette_is_refused_among_the_simulated() -> None:
    genuine = as_if_genuine(a_text())

    assert rules.problems(genuine, rules.TEST_MODE) == []
    assert "interaction 1: a simulated answer carries X-Simulated" in rules.problems(genuine, rules.SIMULATED)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("req_[A-Za-z0-9]{14}", "req_short", "a Request-Id of req_ and 14 characters"),
        (r"      Date:\n      - .*\n", "", "carry Stripe-Version and Date"),
        (r"https://api\.stripe\.com", "https://api.stripe.example", "come from stripe.com only"),
        ('"livemode": false', '"livemode": true', "it comes from live mode"),
        (r"      Date:\n", "      Server:\n      - a-machine\n      Date:\n", "the header server was not scrubbed"),
        (r"name=Ana\+Diaz", "colour=red", "does not fit the SDK's types"),
        ('"object": "customer"', '"object": "customer", "colour": "red"', "fields that the SDK does not know"),
    ],
)
def test_what_is_not_quite_genuine_is_refused(old: str, new: str, problem: str) -> None:
    changed, times = re.subn(old, new, as_if_genuine(a_text()))

    found = rules.problems(changed, rules.TEST_MODE)

    assert times > 0
    assert any(problem in one for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (r"\A# .*\n", "", "it does not state what it is"),
        (r"    simulator_version: .*\n", "", "its provenance lacks one of"),
        ("req_sim_", "req_", "a simulated answer carries Request-Id"),
        (r"stripe-simulator\.invalid", "127.0.0.1:4242", "a simulated answer comes from"),
    ],
)
def test_what_does_not_own_up_to_being_simulated_is_refused(old: str, new: str, problem: str) -> None:
    found = rules.problems(re.sub(old, new, a_text()), rules.SIMULATED)

    assert any(problem in one for one in found), found


# -- secrets ------------------------------------------------------------------------------------------

SECRETS = [
    ("an API key", "sk_" + "test_F4keF4keF4ke"),
    ("an API key", "rk_" + "test_********F4ke"),
    ("an API key", LIVE_KEY),
    ("a webhook secret", "whsec_" + "F4keF4keF4ke"),
    ("a client secret", "pi_1F4ke_" + "secret_F4keF4keF4ke"),
    ("a link to an invoice", '"invoice_pdf": "https://pay.example/invoice/F4ke"'),
    ("a link to an invoice", '"hosted_invoice_url": "https://invoice.example/i/F4ke"'),
    ("a link to a payment page or a file", "https://checkout.stripe.com/c/pay/cs_test_F4ke"),
    ("a path or an address of a machine", "/Users/" + "somebody/recordings"),
    ("a path or an address of a machine", "http://127.0.0.1:4242/pay"),
]


@pytest.mark.parametrize(("kind", "secret"), SECRETS)
def test_secret_in_a_cassette_is_found_and_not_repeated(kind: str, secret: str) -> None:
    found = rules.secrets_in(f"string: '{secret}'")

    assert kind in found
    assert secret not in "".join(found)


def test_name_of_this_machine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "desk-of-somebody")

    assert rules.secrets_in("host: desk-of-somebody") == ["the name of this machine or its user"]


def test_redacted_places_are_no_secrets() -> None:
    harmless = (
        'Bearer sk_test_REDACTED whsec_REDACTED pi_1_secret_REDACTED "invoice_pdf": "https://a.example/x/REDACTED"'
    )

    assert rules.secrets_in(harmless) == []


def an_exchange(answer: dict[str, Any], **headers: str) -> tuple[Request, dict[str, Any]]:
    """A request and an answer as vcrpy hands them over."""
    sent = {
        "Authorization": f"Bearer {LIVE_KEY}",
        "User-Agent": "Stripe/v1",
        "X-Stripe-Client-User-Agent": "a machine",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    request = Request("POST", "https://api.stripe.com/v1/customers", b"name=Ana", sent)
    came = {"Request-Id": "req_" + "F4ke" * 3 + "ab", "Stripe-Version": gateway.API_VERSION, "Date": "today", **headers}
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": {name: [value] for name, value in came.items()},
        "body": {"string": json.dumps(answer).encode()},
    }
    return request, response


def test_scrubbing_leaves_listed_headers_and_no_secret() -> None:
    answer = {
        "object": "checkout.session",
        "url": "https://checkout.stripe.com/c/pay/cs_test_F4ke#F4ke",
        "client_secret": "cs_test_F4ke_" + "secret_F4ke",
        "secret": "whsec_" + "F4keF4ke",
        "message": f"The key {LIVE_KEY} is known.",
        "invoice": {"object": "invoice", "invoice_pdf": "https://pay.stripe.com/invoice/acct_1/F4ke/pdf?s=ap"},
    }
    request, response = an_exchange(answer, Server="nginx", **{"Set-Cookie": "machine=1", "X-Amz-Id": "F4ke"})

    sent, came = rules.scrub_request(request), rules.scrub_response(response)

    assert set(sent.headers) == {"Authorization", "Content-Type"}
    assert sent.headers["Authorization"] == "Bearer sk_test_REDACTED"
    assert set(came["headers"]) == {"Request-Id", "Stripe-Version", "Date"}
    assert rules.secrets_in(came["body"]["string"].decode()) == []
    assert b"F4ke" not in came["body"]["string"].replace(b"cs_test_F4ke", b"")


def test_pdf_is_taken_out_and_the_way_to_it_opens_nothing() -> None:
    _, response = an_exchange(
        {}, location="https://files.stripe.com/links/F4keF4ke", **{"Content-Type": "application/pdf"}
    )
    request = Request("GET", "https://pay.stripe.com/invoice/acct_1/F4ke/pdf?s=ap", None, {})

    came = rules.scrub_response(response)

    assert rules.scrub_request(request).uri == "https://pay.stripe.com/invoice/REDACTED"
    assert came["headers"]["Location"] == ["https://files.stripe.com/links/REDACTED"]
    assert came["body"]["string"] == rules.PLACEHOLDER_PDF


def a_cassette(answer: dict[str, Any]) -> dict[str, Any]:
    request, response = an_exchange(answer)
    return {"requests": [rules.scrub_request(request)], "responses": [response]}


def test_cassette_with_a_secret_left_in_it_is_not_written(tmp_path: Path) -> None:
    customer = {"id": "cus_1", "object": "customer", "livemode": False, "description": "whsec_" + "F4keF4ke"}
    path = tmp_path / "new.yaml"

    with pytest.raises(RecordingRefused, match="was not written: a webhook secret") as refused:
        write_cassette(path, a_cassette(customer), rules.TEST_MODE)

    assert not path.exists()
    assert "F4ke" not in str(refused.value)


def test_cassette_with_the_recorders_own_key_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_TEST_KEY", "something-else-entirely")
    customer = {"id": "cus_1", "object": "customer", "livemode": False, "description": "something-else-entirely"}

    with pytest.raises(RecordingRefused, match="a secret of this environment"):
        write_cassette(tmp_path / "new.yaml", a_cassette(customer), rules.TEST_MODE)


def test_clean_cassette_is_written_with_its_provenance_first(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"

    write_cassette(path, a_cassette({"id": "cus_1", "object": "customer", "livemode": False}), rules.TEST_MODE)

    text = path.read_text("utf-8")
    assert text.startswith(f"# {rules.STATEMENTS[rules.TEST_MODE]}\nversion: 1\nmetadata:\n  provenance:\n")
    assert rules.problems(text, rules.TEST_MODE) == []


def test_test_that_failed_writes_nothing(tmp_path: Path) -> None:
    persister = _Persister(rules.TEST_MODE, recording=True, keep=lambda: False)
    path = tmp_path / "new.yaml"

    persister.save_cassette(str(path), a_cassette({"object": "customer"}), None)

    assert not path.exists()


# -- replaying ----------------------------------------------------------------------------------------


def test_another_amount_is_not_answered_by_the_recording(tmp_path: Path) -> None:
    def replay() -> None:
        with staged(DRAFT, rules.SIMULATED, How(), tmp_path) as stage:
            stage.enable(invoice_status="draft", send_invoice_email=True)
            quote = stage.a_quote()
            training = quote["pricing_table"]["sections"][0]["phases"][0]["line_items"][1]
            training["amounts"] = {"gross": "766.00", "discount": "0.00", "net": "766.00"}
            del quote["summary"]
            run = stage.accept(quote)
            # To the plugin it is a network that does not answer: this alone would prove nothing.
            assert (run["status"], run["error"]["code"]) == ("waiting", "stripe_unreachable")

    with pytest.raises(Misses, match=r"not in the cassette: POST /v1/invoices"):
        replay()


def test_request_that_is_left_out_is_noticed(tmp_path: Path) -> None:
    def replay() -> None:
        with staged(DRAFT, rules.SIMULATED, How(), tmp_path) as stage:
            stage.enable()

    with pytest.raises(Misses, match="never asked for: 8 of 8 requests"):
        replay()


def test_answer_is_replayed_only_as_often_as_it_came(tmp_path: Path) -> None:
    def replay() -> None:
        with staged(DRAFT, rules.SIMULATED, How(), tmp_path) as stage, requests.Session() as http:
            search = f"http://{rules.SIMULATED_HOST}/v1/customers/search"
            query = {"query": f"metadata['qwoty_contact']:'contact-{stage.tag}'"}
            assert http.get(search, params=query).json()["data"] == []
            with pytest.raises(CannotOverwriteExistingCassetteException):
                http.get(search, params=query)

    with pytest.raises(Misses, match="not in the cassette: GET /v1/customers/search"):
        replay()


def test_genuine_cassette_would_replay_without_a_network_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = as_if_genuine(a_text(LINK))
    for place, host in (("pdf", "pay"), ("files", "files")):
        text = text.replace(f"https://{rules.STRIPE_HOST}/{place}/", f"https://{host}.stripe.com/{place}/")
    path = tmp_path / rules.TEST_MODE / f"{LINK}.yaml"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    monkeypatch.setattr(rules, "FOLDER", tmp_path)

    with staged(LINK, rules.TEST_MODE, How(), tmp_path / "data") as stage:
        stage.enable(invoice_status="open", send_payment_link=True)
        run = stage.accept(stage.a_quote())

    assert rules.problems(text, rules.TEST_MODE) == []
    assert run["status"] == "succeeded", run
    assert How().kinds(LINK) == [rules.SIMULATED, rules.TEST_MODE]


def test_missing_cassette_says_how_to_record_it(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"tools/record_cassettes\.py --simulated"),
        staged("nothing_like_it", rules.SIMULATED, How(), tmp_path),
    ):
        pass


def test_sockets_are_refused_during_a_replay_and_noted() -> None:
    tape = Tape(None, recording=False)

    with offline(tape, rules.SIMULATED):
        with pytest.raises(OSError, match="blocked"):
            socket.create_connection(("127.0.0.1", 9))
        with socket.socket() as one, pytest.raises(OSError, match="blocked"):
            one.connect(("127.0.0.1", 9))

    with pytest.raises(Misses, match="a socket"):
        tape.verify()


def test_order_of_a_form_does_not_matter_but_every_value_does() -> None:
    def a_form(text: str) -> Request:
        return Request(
            "POST", "https://api.stripe.com/v1/x", text, {"Content-Type": "application/x-www-form-urlencoded"}
        )

    assert same_form(a_form("a=1&b[0]=2"), a_form("b[0]=2&a=1"))
    assert not same_form(a_form("amount=999"), a_form("amount=1000"))
    # vcrpy's own matcher takes these two for the same.
    assert not same_form(a_form("a=1&discounts="), a_form("a=1"))


def test_requests_from_before_the_behavior_stay_off_the_cassette(
    tmp_path: Path, stripe_simulator: StripeSimulator
) -> None:
    tape, path = Tape(None, recording=True), tmp_path / "new.yaml"
    url, headers = f"{stripe_simulator.url}/v1/customers", {"Authorization": f"Bearer {KEY}"}
    persister = _Persister(rules.SIMULATED, recording=True)

    with (
        recorder(tape, persister).use_cassette(str(path), record_mode="all") as tape.cassette,
        requests.Session() as http,
    ):
        tape.given("before", lambda: http.get(url, headers=headers).status_code)
        http.get(f"{url}?limit=1", headers=headers)

    text = path.read_text("utf-8")
    assert re.findall(r"uri: (.*)", text) == [f"http://{rules.SIMULATED_HOST}/v1/customers?limit=1"]
    assert "  before: 200\n" in text


# -- recording from Stripe: what is refused -----------------------------------------------------------


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
def test_test_key_is_accepted(prefix: str) -> None:
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


def test_recording_from_stripe_looks_at_the_mode_before_anything_else(
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
    """Walks the whole way of a recording from Stripe, with the simulator in Stripe's place."""
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
    # Nothing of it is left behind.
    assert [one["deleted"] for one in stripe_simulator.objects("customers")] == [True, True]
    assert [one["active"] for one in stripe_simulator.objects("tax_rates")] == [False]
    assert stripe_simulator.objects("invoices") == []


def test_only_stripe_is_called_while_recording_from_stripe(stripe_simulator: StripeSimulator) -> None:
    with Wire().watched(), pytest.raises(RecordingRefused, match="Something else than Stripe"):
        requests.get(stripe_simulator.url)

    assert list(stripe_simulator.requests) == []


@pytest.mark.parametrize("url", ["http://api.stripe.com/v1", "https://stripe.com.example/v1", "https://notstripe.com"])
def test_what_only_looks_like_stripe_is_not_called(url: str) -> None:
    with pytest.raises(RecordingRefused):
        Wire().pass_through(url)


def test_recording_sends_at_most_25_requests_a_second() -> None:
    now = [100.0]
    wire = Wire(clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))

    for _ in range(51):
        wire.pass_through("https://api.stripe.com/v1/customers")

    assert now[0] - 100.0 == pytest.approx(2.0)


def test_payer_is_shown_the_page_and_waited_for(stripe_simulator: StripeSimulator) -> None:
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
