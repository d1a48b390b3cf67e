"""Another server answers in Stripe's place, or Stripe's answer is garbled: both count as an outage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from builders import KEY, LINK, the_example
from qwoty_integrations_host import Attempt
from qwoty_stripe_invoice.gateway import Gateway, stripes_answer
from qwoty_stripe_invoice.stripe_errors import NotStripe
from stripe_simulator import StripeSimulator
from stripe_simulator.faults import ELSEWHERE, ODD_ANSWERS


@pytest.fixture
def stripe(stripe_simulator: StripeSimulator, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", stripe_simulator.url)
    return Gateway(KEY, workspace="ws-1", pace=lambda *_, **__: None)


def an_attempt() -> Attempt:
    return Attempt(1, 1, datetime.now(UTC))


def make_a_customer(stripe: Gateway, attempt: Attempt) -> dict[str, Any]:
    return stripe.write(
        attempt, "cus", "c-1", {"name": "Ada"}, lambda v1, p, o: v1.customers.create(params=p, options=o)
    )


@pytest.mark.parametrize("odd", sorted(ODD_ANSWERS))
def test_a_write_with_an_odd_answer_is_repeated_with_the_same_key(
    stripe: Gateway, stripe_simulator: StripeSimulator, odd: str
) -> None:
    stripe_simulator.faults.add("odd_after", code=odd)

    with pytest.raises(NotStripe) as caught:
        make_a_customer(stripe, an_attempt())
    made = make_a_customer(stripe, an_attempt())

    assert (caught.value.code, caught.value.answered) == ("stripe_answer", False)
    assert str(ODD_ANSWERS[odd][0]) in caught.value.title
    assert [one["id"] for one in stripe_simulator.objects("customers")] == [made["id"]]
    assert not [request for request in stripe_simulator.requests if request.path == ELSEWHERE]


@pytest.mark.parametrize("odd", sorted(ODD_ANSWERS))
def test_an_odd_answer_to_a_read_is_an_outage(stripe: Gateway, stripe_simulator: StripeSimulator, odd: str) -> None:
    stripe_simulator.faults.add("odd_before", code=odd)

    with pytest.raises(NotStripe):
        stripe.read(an_attempt(), lambda v1: v1.customers.list(params={}))

    assert [request.path for request in stripe_simulator.requests] == ["/v1/customers"]


def test_a_proxys_retry_after_is_respected(stripe: Gateway, stripe_simulator: StripeSimulator) -> None:
    stripe_simulator.faults.add("odd_before", code="502", headers={"Retry-After": "17"})

    with pytest.raises(NotStripe) as caught:
        stripe.read(an_attempt(), lambda v1: v1.customers.list(params={}))

    assert caught.value.retry_after == 17


@pytest.mark.parametrize(
    ("status", "body", "is_stripes"),
    [
        pytest.param(200, b'{"id": "cus_1", "object": "customer"}', True, id="an object"),
        pytest.param(200, b'{"object": "list", "data": []}', True, id="a list"),
        pytest.param(200, b'{"id": "cus_1", "object": "customer", "deleted": true}', True, id="a deleted object"),
        pytest.param(402, b'{"error": {"type": "card_error", "message": "No."}}', True, id="a refusal"),
        pytest.param(500, b'{"error": {"type": "api_error"}}', True, id="trouble of its own"),
        pytest.param(200, b'{"error": {"type": "api_error"}}', False, id="an error that calls itself good"),
        pytest.param(200, b'{"object": {"id": 1}}', False, id="another kind of object"),
        pytest.param(304, b'{"error": {"type": "api_error"}}', False, id="no error and no answer"),
        pytest.param(400, b'{"id": "cus_1", "object": "customer"}', False, id="an object that calls itself wrong"),
        pytest.param(403, b'{"error": {"message": "Forbidden"}}', False, id="an error without a type"),
        pytest.param(200, b"\xff\xfe{}", False, id="no text"),
        pytest.param(200, b"[" * 100_000, False, id="nested without end"),
    ],
)
def test_stripes_answers_are_recognized_by_their_form(status: int, body: bytes, is_stripes: bool) -> None:
    assert (stripes_answer(status, body) is not None) == is_stripes


# -- a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", ["html", "truncated", "403_page", "407"])
def test_a_run_with_an_odd_answer_waits_and_makes_nothing_twice(bench: Any, odd: str) -> None:
    bench.stripe.faults.add("odd_after", path="/v1/invoices", code=odd, times=500)
    bench.enable(**LINK)
    run = bench.accept(the_example())
    assert (run["status"], run["error"]["code"]) == ("waiting", "stripe_answer"), run
    assert "proxy" in run["error"]["hint"]
    bench.stripe.faults.reset()

    bench.clock.advance(90)
    bench.work()

    assert bench.run(run["id"])["status"] == "succeeded"
    assert [invoice["total"] for invoice in bench.stripe.objects("invoices")] == [910200]
    assert len(bench.mails()) == 1


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        pytest.param("403_account", "access_refused", "access to its account", id="of an account"),
        pytest.param("403_address", "access_refused", "IP address", id="of an IP address"),
        pytest.param("403", "permission_missing", "permission", id="of a permission without a name"),
    ],
)
def test_a_403_names_what_is_refused_and_a_later_retry_succeeds(bench: Any, fault: str, code: str, says: str) -> None:
    bench.stripe.faults.add(fault, path="^/v1/customers", times=500)
    bench.enable()
    run = bench.accept(the_example())
    error = run["error"]
    assert (run["status"], error["code"]) == ("needs_attention", code)
    assert says in error["title"]
    assert "unspecified" not in repr(run)
    assert ("permission" in error["title"] + error["hint"]) == (code == "permission_missing")
    bench.stripe.faults.reset()

    assert bench.retry(run["id"])["status"] == "succeeded"


# -- testing the connection --------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", ["html", "403_page"])
def test_a_connection_test_behind_a_login_page_does_not_blame_the_key(bench: Any, odd: str) -> None:
    bench.enable()
    bench.stripe.faults.add("odd_before", code=odd, times=500)

    report = bench.host.connections.test("ws-1", "stripe_invoice")

    assert [key["status"] for key in report["keys"]] == ["unreachable"]
    assert "other than Stripe" in report["keys"][0]["title"]


def test_a_connection_test_names_the_ip_address_that_is_refused(bench: Any) -> None:
    bench.enable()
    bench.stripe.faults.add("403_address", times=500)

    (key,) = bench.host.connections.test("ws-1", "stripe_invoice")["keys"]

    assert (key["status"], key["code"]) == ("refused", "access_refused")
    assert "IP address" in key["hint"]


@pytest.mark.parametrize("odd", ["html", "redirect", "401_page"])
def test_stripe_is_unreachable_when_somebody_else_answers(bench: Any, odd: str) -> None:
    bench.enable()
    bench.stripe.faults.add("odd_before", code=odd)

    (service,) = bench.host.connections.services()["data"]

    assert (service["reachable"], "other than Stripe" in service["detail"]) == (False, True)
