"""Secrets in a recording are found and scrubbed, and a cassette that still holds one is not written."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from vcr.request import Request

import cassette_rules as rules
from cassette_honesty.conftest import LIVE_KEY
from cassette_kit import _Persister, write_cassette
from qwoty_stripe_invoice import gateway
from stripe_test_mode import RecordingRefused

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


def test_redacted_values_do_not_count_as_secrets() -> None:
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


def test_the_pdf_and_its_secret_address_are_removed() -> None:
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


def test_a_failed_test_writes_no_cassette(tmp_path: Path) -> None:
    persister = _Persister(rules.TEST_MODE, recording=True, keep=lambda: False)
    path = tmp_path / "new.yaml"

    persister.save_cassette(str(path), a_cassette({"object": "customer"}), None)
    persister.write()

    assert not path.exists()
