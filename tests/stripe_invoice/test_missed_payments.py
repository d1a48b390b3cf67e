"""Payments whose webhooks never came: the upkeep finds them among undelivered events or in open invoices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from builders import LINK, RESTRICTED, a_quote
from qwoty_integrations_host.store import tables
from stripe_invoice.conftest import first_link, notes
from stripe_simulator import DOCUMENTED_PERMISSIONS
from upkept import (
    DAY,
    HOUR,
    assert_told_again,
    attached,
    deleted,
    disabled,
    disabled_and_of_another_version,
    held,
    later,
    look_after,
    unsubscribed,
)


@pytest.fixture(params=["events", "sessions"])
def deaf(bench: Any, request: pytest.FixtureRequest) -> Any:
    """A bench that gets no webhooks any more, once with a key that may read events and once without."""
    extra = {"event_read"} if request.param == "events" else set()
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS | extra)
    bench.enable(**LINK, workspace_api_token=RESTRICTED)
    assert bench.accept(a_quote(installments=2))["status"] == "succeeded"
    assert look_after(bench)["status"] == "skipped"
    later(bench, HOUR)
    return held(bench)


def paid(bench: Any) -> None:
    bench.stripe.pay(first_link(bench))


def paid_later(bench: Any) -> None:
    bench.stripe.pay_later(first_link(bench))


def paid_and_settled(bench: Any) -> None:
    bench.stripe.pay_later(first_link(bench))
    bench.stripe.settle(first_link(bench))


def expired(bench: Any) -> None:
    bench.stripe.expire(first_link(bench))


def paid_on_the_page(bench: Any) -> None:
    bench.stripe.pay_hosted(bench.stripe.objects("invoices")[0]["id"])


@pytest.mark.parametrize(
    ("happened", "payment_status", "first"),
    [
        pytest.param(paid, "partially_paid", "paid", id="paid by card"),
        pytest.param(paid_later, "processing", "processing", id="a bank debit under way"),
        pytest.param(paid_and_settled, "partially_paid", "paid", id="a bank debit that succeeded"),
        pytest.param(expired, "unpaid", "expired", id="the link ran out"),
        pytest.param(paid_on_the_page, "paid", "paid", id="paid on Stripe's page"),
    ],
)
def test_the_upkeep_finds_what_no_webhook_told(
    deaf: Any, happened: Callable[[Any], None], payment_status: str, first: str
) -> None:
    happened(deaf)

    run = look_after(deaf)

    assert (run["status"], run["error"]) == ("succeeded", None), run
    assert "Nobody had told us of" in notes(run)
    quote = deaf.quote("q-7")
    assert (quote["payment_status"], quote["installments"][0]["status"]) == (payment_status, first)
    assert all(run["status"] in {"succeeded", "skipped"} for run in quote["runs"])
    # Our own changes make new events at Stripe. The next upkeep finds those, and then there are none left.
    later(deaf, HOUR)
    look_after(deaf)
    again = look_after(deaf)
    assert again["status"] == "skipped", notes(again)


def test_a_found_payment_is_attached_once_when_its_webhook_comes_later(deaf: Any) -> None:
    paid(deaf)
    look_after(deaf)

    deaf.webhooks()

    assert attached(deaf) == [6000]
    assert deaf.quote("q-7")["amount_paid"] == "60.00"


def test_a_refund_is_found_when_the_key_may_read_events(deaf: Any) -> None:
    paid(deaf)
    look_after(deaf)
    deaf.stripe.refund(deaf.stripe.objects("sessions")[0]["payment_intent"], 100)
    later(deaf, HOUR)

    run = look_after(deaf)

    readable = any(r.path == "/v1/events" and r.status == 200 for r in deaf.stripe.requests)
    assert run["status"] == ("succeeded" if readable else "skipped")
    assert deaf.quote("q-7")["installments"][0]["amount_refunded"] == ("1.00" if readable else None)


@pytest.mark.parametrize("gap", [deleted, disabled, unsubscribed, disabled_and_of_another_version])
def test_a_payment_during_a_gap_of_the_endpoint_is_found(bench: Any, v1: Any, gap: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    look_after(bench)
    gap(bench, v1)
    paid(bench)

    run = look_after(bench)

    assert "checkout.session.completed" in notes(run)
    assert attached(bench) == [6000]


def test_payments_and_refunds_are_found_while_and_after_the_endpoint_cannot_be_repaired(bench: Any, v1: Any) -> None:
    may_not_mend = (DOCUMENTED_PERMISSIONS | {"event_read", "webhook_read"}) - {"webhook_write"}
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS | {"event_read"})
    bench.enable(**LINK, workspace_api_token=RESTRICTED)
    bench.accept(a_quote(installments=2))
    disabled(bench, v1)
    bench.stripe.add_key(RESTRICTED, permissions=may_not_mend)
    paid(bench)

    assert look_after(bench)["error"]["code"] == "permission_missing"
    assert attached(bench) == [6000]
    bench.stripe.refund(bench.stripe.objects("sessions")[0]["payment_intent"], 100)
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS | {"event_read"})
    assert look_after(bench)["status"] == "succeeded"
    assert bench.quote("q-7")["installments"][0]["amount_refunded"] == "1.00"
    assert_told_again(bench)


def test_a_payment_older_than_what_stripe_lists_is_found_by_its_session(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    held(bench)
    paid(bench)
    later(bench, 40 * DAY)

    look_after(bench)

    assert attached(bench) == [6000]


def test_a_payment_that_no_webhook_reports_any_more_is_reported_when_the_invoice_is_closed(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    held(bench)
    paid(bench)
    later(bench, 40 * DAY)
    bench.stripe.mark_paid(bench.stripe.objects("invoices")[0]["id"])

    look_after(bench)

    (run,) = [run for run in bench.quote("q-7")["runs"] if run["status"] == "needs_attention"]
    assert run["error"]["code"] == "payment_not_attached"
    assert "60.00 EUR" in run["error"]["title"]
    first, _ = bench.quote("q-7")["installments"]
    assert first["payment_id"] == bench.stripe.objects("sessions")[0]["payment_intent"]


def test_a_long_backlog_is_worked_in_several_runs(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwoty_stripe_invoice.missed_events.EVENTS_A_RUN", 2)
    monkeypatch.setattr("qwoty_stripe_invoice.upkeep.INVOICES_BESIDE_EVENTS", 0)
    bench.enable(**LINK)
    for number in range(3):
        bench.accept(a_quote(id=f"q-{number}", installments=2))
        later(bench, 1)
    held(bench)
    for session in bench.stripe.objects("sessions"):
        bench.stripe.pay(session["id"])
        later(bench, 1)

    found = []
    for _ in range(6):
        look_after(bench)
        found.append(len(attached(bench)))
        later(bench, HOUR)

    assert found[0] < 3
    assert found[-1] == 3
    assert look_after(bench)["status"] == "skipped"


def test_a_gap_during_a_backlog_is_searched_too(bench: Any, v1: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwoty_stripe_invoice.missed_events.EVENTS_A_RUN", 3)
    monkeypatch.setattr("qwoty_stripe_invoice.upkeep.INVOICES_BESIDE_EVENTS", 0)
    bench.enable(**LINK)
    for number in range(5):
        bench.accept(a_quote(id=f"q-{number}", installments=2))
        later(bench, 1)
    *before, last = (session["id"] for session in bench.stripe.objects("sessions"))
    for session_id in before:
        held(bench).stripe.pay(session_id)
        later(bench, 1)
    look_after(bench)
    deleted(bench, v1)
    bench.stripe.pay(last)
    later(bench, 1)

    for _ in range(8):
        look_after(bench)
        later(bench, HOUR)

    assert len(attached(bench)) == 5


def test_open_invoices_are_read_a_few_at_a_time_and_in_turn(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwoty_stripe_invoice.upkeep.INVOICES_A_RUN", 2)
    bench.stripe.add_key(RESTRICTED, permissions=DOCUMENTED_PERMISSIONS)
    bench.enable(**LINK, workspace_api_token=RESTRICTED)
    for number in range(3):
        bench.accept(a_quote(id=f"q-{number}", installments=2))
    held(bench)
    for session in bench.stripe.objects("sessions"):
        bench.stripe.pay(session["id"])

    look_after(bench)
    assert len(attached(bench)) == 2
    look_after(bench)

    assert len(attached(bench)) == 3


def test_a_strangers_events_are_not_stored(linked: Any, v1: Any) -> None:
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 900, "product_data": {"name": "x"}}}
    session = v1.checkout.sessions.create(
        params={"mode": "payment", "line_items": [line], "success_url": "https://x.example"}
    )
    held(linked).stripe.pay(session.id)
    with linked.host.store.read() as db:
        before = db.execute(tables.webhook_deliveries.select()).all()

    assert look_after(linked)["status"] == "skipped"

    with linked.host.store.read() as db:
        assert db.execute(tables.webhook_deliveries.select()).all() == before
