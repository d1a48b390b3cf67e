"""Days are counted in the workspace's time zone, else in the offset in which the quote was accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from builders import LINK, OPEN, a_quote, loaded, on_terms
from qwoty_integrations_host import InstallmentRecord
from qwoty_integrations_host.reports.previews import preview
from qwoty_integrations_host.workspaces.workspace import set_timezone
from qwoty_stripe_invoice import wording
from qwoty_stripe_invoice.payment_mail import payment_mail

#: The invoice is made at an hour at which Paris (UTC+2 in summer) already has the next day, and New York (UTC-4) not.
ACCEPTED, INVOICED = "2028-03-30T10:00:00Z", "2028-03-31T22:30:00+00:00"


def at(bench: Any, moment: str) -> None:
    """Move both clocks to a later moment."""
    there = datetime.fromisoformat(moment)
    bench.clock.advance((there - bench.clock.now()).total_seconds())
    bench.stripe.clock.advance(int(there.timestamp()) - bench.stripe.clock.now())


def zone(bench: Any, name: str | None) -> None:
    set_timezone(bench.host.store, bench.clock, "ws-1", name)


def due_dates(bench: Any) -> list[str | None]:
    return [part["due_date"] for part in bench.quote("q-7")["installments"]]


@pytest.mark.parametrize(
    ("timezone", "accepted", "term", "due"),
    [
        # The day of the invoice: 22:30 UTC on 31 March.
        ("Europe/Paris", ACCEPTED, "due_on_receipt", "2028-04-01"),
        ("Europe/Paris", ACCEPTED, "net30", "2028-05-01"),
        ("Europe/Paris", ACCEPTED, "eom0", "2028-04-30"),
        ("Europe/Paris", ACCEPTED, "eom30", "2028-05-30"),
        ("America/New_York", ACCEPTED, "due_on_receipt", "2028-03-31"),
        ("America/New_York", ACCEPTED, "eom30", "2028-04-30"),
        ("UTC", ACCEPTED, "eom0", "2028-03-31"),
        (None, ACCEPTED, "eom0", "2028-03-31"),
        # Without a zone the quote's own offset counts, for the invoice's day as well.
        (None, "2028-03-30T12:00:00+02:00", "eom0", "2028-04-30"),
        (None, "2028-03-30T12:00:00-05:00", "eom0", "2028-03-31"),
        (None, "2028-03-30T12:00:00", "eom0", "2028-03-31"),
        (None, None, "eom0", "2028-03-31"),
        # The day of acceptance, around midnight and the turn of the month.
        (None, "2028-03-31T23:30:00+02:00", "due_now", "2028-03-31"),
        (None, "2028-04-01T00:30:00+02:00", "due_now", "2028-04-01"),
        (None, "2028-03-30T23:30:00-05:00", "due_now", "2028-03-30"),
        (None, "2028-03-31T00:00:00+05:30", "due_now", "2028-03-31"),
        ("Europe/Paris", "2028-03-30T22:30:00Z", "due_now", "2028-03-31"),
        ("America/New_York", "2028-03-31T02:30:00+00:00", "due_now", "2028-03-30"),
        # The workspace's zone comes first, and a zone knows summer and winter.
        ("UTC", "2028-03-31T00:30:00+02:00", "due_now", "2028-03-30"),
        ("Europe/Paris", "2028-01-15T22:30:00Z", "due_now", "2028-01-15"),
        ("Europe/Paris", "2028-03-27T22:30:00Z", "due_now", "2028-03-28"),
        ("Pacific/Kiritimati", ACCEPTED, "due_on_receipt", "2028-04-01"),
    ],
)
def test_an_installments_due_date_is_counted_in_the_right_time_zone(
    bench: Any, timezone: str | None, accepted: str | None, term: str, due: str
) -> None:
    zone(bench, timezone)
    at(bench, INVOICED)
    bench.enable(**OPEN)

    bench.accept(on_terms(term, accepted_at=accepted))

    assert due_dates(bench) == [due]


def test_a_final_invoice_keeps_its_due_dates_when_an_attempt_begins_anew_on_another_day(bench: Any) -> None:
    zone(bench, "Europe/Paris")
    at(bench, "2028-01-31T22:30:00+00:00")  # half past eleven in Paris
    bench.stripe.faults.add("500_before", path="^/v1/checkout/sessions$", times=50)
    bench.enable(**LINK)
    run = bench.accept(on_terms("due_now", "eom30", accepted_at="2028-01-31T10:00:00Z"))
    assert (run["status"], due_dates(bench)[1]) == ("waiting", "2028-03-01")
    bench.stripe.faults.reset()
    at(bench, "2028-02-01T00:30:00+00:00")
    bench.enable(**LINK, rounding_line=False)  # a changed setting makes the next attempt begin anew

    bench.retry(run["id"])

    assert due_dates(bench)[1] == "2028-03-01"


@pytest.mark.parametrize(
    ("timezone", "days"), [("Europe/Paris", 29), ("America/New_York", 0), (None, 0)], ids=["Paris", "New York", "UTC"]
)
def test_stripes_due_date_is_counted_in_the_same_days(bench: Any, timezone: str | None, days: int) -> None:
    zone(bench, timezone)
    at(bench, INVOICED)
    bench.enable()

    bench.accept(on_terms("eom0", accepted_at=ACCEPTED))

    (create,) = [r for r in bench.stripe.requests if r.method == "POST" and r.path == "/v1/invoices"]
    assert create.params["days_until_due"] == str(days)


@pytest.mark.parametrize(
    ("timezone", "accepted", "too_early", "comes_at"),
    [
        ("Europe/Paris", ACCEPTED, "2028-04-29T21:59:00+00:00", "2028-04-29T22:00:00+00:00"),
        ("America/New_York", ACCEPTED, "2028-04-30T03:59:00+00:00", "2028-04-30T04:00:00+00:00"),
        ("Pacific/Kiritimati", ACCEPTED, "2028-04-29T09:59:00+00:00", "2028-04-29T10:00:00+00:00"),
        (None, "2028-03-30T12:00:00-05:00", "2028-04-30T04:59:00+00:00", "2028-04-30T05:00:00+00:00"),
        (None, ACCEPTED, "2028-04-29T23:59:00+00:00", "2028-04-30T00:00:00+00:00"),
    ],
)
def test_the_next_installment_goes_out_when_its_day_begins_in_the_workspaces_zone(
    bench: Any, timezone: str | None, accepted: str, too_early: str, comes_at: str
) -> None:
    zone(bench, timezone)
    at(bench, "2028-03-31T12:00:00+00:00")
    bench.enable(**LINK, send_next_installments="on_due_date")
    # In each of these zones the second installment is due on 30 April.
    bench.accept(on_terms("due_now", "net30" if timezone != "Pacific/Kiritimati" else "net29", accepted_at=accepted))
    bench.pay(bench.stripe.objects("sessions")[0]["id"])
    assert due_dates(bench)[1] == "2028-04-30"

    at(bench, too_early)
    early = bench.host.runs.installments.request_due()
    at(bench, comes_at)
    asked = bench.host.runs.installments.request_due()

    assert (early, len(asked)) == ([], 1)


def the_mail(language: str, where: Any) -> Any:
    quote = replace(loaded(a_quote(installments=2, language=language)), timezone=where)
    part = InstallmentRecord(
        number=1,
        amount=Decimal("60.00"),
        due_date=date(2026, 7, 1),
        status="sent",
        url="https://checkout.example/1",
        expires_at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC),
    )
    contact = quote.customer.contacts[0]
    return payment_mail(quote, contact, part, invoice_number="R-1", total=Decimal(60), pdf=b"")


@pytest.mark.parametrize("language", list(wording.MAIL))
@pytest.mark.parametrize(
    ("where", "offset"),
    [(ZoneInfo("Europe/Paris"), "UTC+2"), (ZoneInfo("Asia/Kolkata"), "UTC+5:30"), (ZoneInfo("America/St_Johns"), "UTC-2:30"), (UTC, "UTC")],
    ids=["Paris", "Kolkata", "St John's", "UTC"],
)  # fmt: skip
def test_the_mail_says_when_the_link_ends_in_the_workspaces_zone(language: str, where: Any, offset: str) -> None:
    text = the_mail(language, where).text
    end = datetime(2026, 7, 1, 22, 30, tzinfo=UTC).astimezone(where)

    assert offset in text and f"{offset}+" not in text
    assert any(f"{hour}:{end:%M}" in text for hour in (end.hour, end.hour % 12 or 12))
    assert str(end.day) in text


def test_the_sent_mail_has_the_workspaces_time(bench: Any) -> None:
    zone(bench, "Europe/Paris")
    bench.enable(**LINK)

    bench.accept(a_quote(installments=2))

    (mail,) = bench.outbox.mails
    end = (bench.clock.now() + timedelta(days=1)).astimezone(ZoneInfo("Europe/Paris"))
    assert f"UTC+{int(end.utcoffset().total_seconds() // 3600)}." in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_the_preview_counts_days_as_the_run_does(bench: Any) -> None:
    zone(bench, "Europe/Paris")
    at(bench, INVOICED)
    bench.enable(**OPEN)
    host = bench.host

    quote = on_terms("due_now", "eom0", accepted_at="2028-03-30T22:30:00Z")
    (plan,) = preview("ws-1", quote, host.integrations)["previews"]

    assert [part["due_date"] for part in plan["installments"]] == ["2028-03-31", "2028-04-30"]
