"""Installments that are sent by themselves on their due date."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from builders import EMAIL, LINK, ON_DUE_DATE, on_terms
from qwoty_integrations_host.contract.installments import due_installment
from qwoty_integrations_host.contract.record import InstallmentRecord, InvoiceRecord, QuoteRecord
from stripe_invoice.conftest import days_later, parts
from upkept import DAY


def tick(bench: Any) -> list[str]:
    """Let the schedule request the due installments and work them; give how their runs end."""
    asked: list[str] = bench.host.runs.installments.request_due()
    bench.work()
    return [bench.run(run_id)["status"] for run_id in asked]


def pay_open_link(bench: Any) -> None:
    (session,) = [found for found in bench.stripe.objects("sessions") if found["status"] == "open"]
    bench.pay(session["id"])


def test_each_installment_is_sent_once_on_its_day(bench: Any) -> None:
    bench.enable(**ON_DUE_DATE)
    bench.accept(on_terms("due_now", "net30", "net60"))
    pay_open_link(bench)

    assert tick(bench) == []
    days_later(bench, 29)
    assert tick(bench) == []
    days_later(bench, 1)
    assert (tick(bench), tick(bench)) == (["succeeded"], [])
    assert parts(bench, "status") == ["paid", "sent", "scheduled"]
    pay_open_link(bench)
    days_later(bench, 30)
    assert tick(bench) == ["succeeded"]
    assert parts(bench, "status") == ["paid", "paid", "sent"]
    assert len(bench.mails()) == 3


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(LINK, id="by default somebody has to ask"),
        pytest.param({**LINK, "send_next_installments": "manual"}, id="set to manual nothing goes out by itself"),
        pytest.param(
            {**EMAIL, "send_next_installments": "on_due_date"}, id="without payment links there is nothing to send"
        ),
    ],
)
def test_no_installment_is_sent_unless_the_settings_ask_for_it(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)
    bench.accept(on_terms("due_now", "net30"))
    days_later(bench, 40)

    assert tick(bench) == []


def test_switching_the_schedule_on_applies_to_earlier_invoices(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(on_terms("due_now", "net30"))
    days_later(bench, 40)
    bench.enable(**ON_DUE_DATE)

    assert tick(bench) == ["succeeded"]


def test_no_installment_is_sent_while_the_integration_is_switched_off(bench: Any) -> None:
    bench.enable(**ON_DUE_DATE)
    bench.accept(on_terms("due_now", "net30"))
    days_later(bench, 40)
    bench.host.settings.disable("ws-1", "stripe_invoice")

    assert tick(bench) == []


def test_an_installment_waits_while_another_link_can_be_paid(bench: Any) -> None:
    bench.enable(**ON_DUE_DATE)
    bench.accept(on_terms("due_now", "due_now"))

    assert tick(bench) == []
    days_later(bench, 2)  # the first link has expired
    assert tick(bench) == ["succeeded"]
    assert parts(bench, "status") == ["expired", "sent"]


def test_installments_without_a_date_are_not_sent_by_themselves(bench: Any) -> None:
    bench.enable(**ON_DUE_DATE)
    bench.accept(on_terms("due_now", "po_received", "custom", "someday"))
    pay_open_link(bench)
    days_later(bench, 1000)

    assert tick(bench) == []
    assert [part["due_date"] for part in bench.quote("q-7")["installments"][1:]] == [None] * 3


def test_an_installment_that_failed_is_left_to_a_person(bench: Any) -> None:
    bench.enable(**ON_DUE_DATE)
    bench.accept(on_terms("due_now", "net30"))
    pay_open_link(bench)
    days_later(bench, 30)
    bench.stripe.faults.add("500_before", path=r"/checkout/sessions$", times=50)

    assert tick(bench) == ["waiting"]
    days_later(bench, 1)
    assert tick(bench) == [], "the waiting run will send it"
    days_later(bench, 3)
    bench.work()
    bench.stripe.faults.reset()
    days_later(bench, 1)
    assert tick(bench) == []
    assert bench.send_installment("q-7", 2)["status"] == "succeeded"


def test_an_installment_behind_a_pending_payment_is_tried_again_the_next_day(bench: Any) -> None:
    bench.enable(**ON_DUE_DATE)
    bench.accept(on_terms("due_now", "net30"))
    # The record says that the first link has expired. At Stripe its payment is under way, and the run finds that out.
    bench.stripe.config.update(webhooks_held=True)
    (session,) = bench.stripe.objects("sessions")
    bench.stripe.pay_later(session["id"])
    bench.clock.advance(30 * DAY)

    assert tick(bench) == ["skipped"]
    bench.stripe.settle(session["id"])
    bench.stripe.clock.advance(30 * DAY)
    days_later(bench, 1)
    assert tick(bench) == ["succeeded"]
    assert parts(bench, "status") == ["paid", "sent"]


def test_the_installment_shows_when_its_link_was_made_and_mailed(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(on_terms("due_now", "net30"))

    first, second = bench.quote("q-7")["installments"]

    made, mailed = (datetime.fromisoformat(first[name]) for name in ("linked_at", "mailed_at"))
    assert abs(made - bench.clock.now()) < timedelta(minutes=1)
    assert mailed == bench.clock.now()
    assert (second["linked_at"], second["mailed_at"]) == (None, None)


@pytest.mark.parametrize(
    ("status", "changes", "number"),
    [
        pytest.param("open", {}, 2, id="the day has come"),
        pytest.param("open", {"due_date": date(2026, 4, 2)}, None, id="the day has not come"),
        pytest.param("open", {"due_date": None}, None, id="it has no day"),
        pytest.param("open", {"status": "expired"}, None, id="it was sent, and its link has expired"),
        pytest.param("open", {"status": "failed"}, None, id="it was sent, and the payment failed"),
        pytest.param("open", {"number": 1}, None, id="the first goes with the invoice"),
        pytest.param("paid", {}, None, id="the invoice is paid"),
    ],
)
def test_an_installment_is_due_on_its_day_while_its_invoice_is_open(
    status: str, changes: dict[str, Any], number: int | None
) -> None:
    part = {"number": 2, "amount": 1, "due_date": date(2026, 4, 1), **changes}
    record = QuoteRecord(
        currency="EUR",
        invoice=InvoiceRecord(id="in_1", status=status, account="a"),
        installments=(InstallmentRecord(**part),),
    )
    today = date(2026, 4, 1)

    assert (record.next_due is not None and record.next_due <= today) == (number is not None)
    if status == "open":
        assert due_installment(record, today) == number
