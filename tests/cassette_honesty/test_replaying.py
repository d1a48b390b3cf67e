"""A replay answers only the requests that were recorded, each as often as it was recorded, and without a network."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import requests
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.request import Request

import cassette_rules as rules
from builders import KEY
from cassette_honesty.conftest import DRAFT, LINK, a_text, as_if_genuine
from cassette_kit import How, Misses, Tape, _Persister, offline, recorder, staged
from qwoty_integrations_host.testing.cassettes import same_form
from stripe_simulator import StripeSimulator


def test_a_request_with_another_amount_gets_no_recorded_answer(tmp_path: Path) -> None:
    def replay() -> None:
        with staged(DRAFT, rules.SIMULATED, How(), tmp_path) as stage:
            stage.enable(invoice_status="draft", send_invoice_email=True)
            quote = stage.a_quote()
            training = quote["pricing_table"]["sections"][0]["phases"][0]["line_items"][1]
            training["amounts"] = {"gross": "766.00", "discount": "0.00", "net": "766.00"}
            del quote["summary"]
            run = stage.accept(quote)
            # The plugin sees a network error, which alone would prove nothing.
            assert (run["status"], run["error"]["code"]) == ("waiting", "stripe_unreachable")

    with pytest.raises(Misses, match=r"not in the cassette: POST /v1/invoices"):
        replay()


def test_a_recorded_request_that_is_not_sent_is_noticed(tmp_path: Path) -> None:
    def replay() -> None:
        with staged(DRAFT, rules.SIMULATED, How(), tmp_path) as stage:
            stage.enable()

    with pytest.raises(Misses, match="never asked for: 8 of 8 requests"):
        replay()


def test_an_answer_is_replayed_only_as_often_as_it_was_recorded(tmp_path: Path) -> None:
    def replay() -> None:
        with staged(DRAFT, rules.SIMULATED, How(), tmp_path) as stage, requests.Session() as http:
            search = f"http://{rules.SIMULATED_HOST}/v1/customers/search"
            query = {"query": f"metadata['qwoty_contact']:'contact-{stage.tag}'"}
            assert http.get(search, params=query).json()["data"] == []
            with pytest.raises(CannotOverwriteExistingCassetteException):
                http.get(search, params=query)

    with pytest.raises(Misses, match="not in the cassette: GET /v1/customers/search"):
        replay()


def test_a_genuine_cassette_also_replays_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    # vcrpy's own matcher treats these two as equal.
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
    persister.write()

    text = path.read_text("utf-8")
    assert re.findall(r"uri: (.*)", text) == [f"http://{rules.SIMULATED_HOST}/v1/customers?limit=1"]
    assert "  before: 200\n" in text
