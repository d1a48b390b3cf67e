"""Build the quote's record from Stripe's objects. Pure; the only place that converts their amounts to major units."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from qwoty_integrations_host import Installment, InstallmentRecord, InvoiceRecord, Quote, QuoteRecord

from .money import split, to_major, to_minor

_DEFAULT_DAYS_UNTIL_DUE = 30


def record_or_new(record: QuoteRecord | None, thing: Mapping[str, Any]) -> QuoteRecord:
    """Return the record, or a new one in the object's currency: a payment may arrive before our answer is stored."""
    return record or QuoteRecord(currency=str(thing.get("currency") or "").upper())


def invoice_seen(
    record: QuoteRecord | None,
    invoice: Mapping[str, Any],
    account: str,
    quote: Quote | None = None,
    today: date | None = None,
    version: str = "",
) -> QuoteRecord:
    """Return the record with the invoice as Stripe shows it.

    With ``quote`` and ``today``, the installments are computed again, unless one of them has a link.
    """
    currency = invoice["currency"].upper()
    known = record or QuoteRecord(currency=currency)
    if known.invoice is not None and known.invoice.id == invoice["id"]:
        version = version or known.invoice.version
    seen = replace(
        known,
        currency=currency,
        service="Stripe",
        invoice=InvoiceRecord(
            id=invoice["id"],
            status=invoice["status"],
            account=account,
            number=invoice.get("number"),
            customer_id=invoice.get("customer"),
            version=version,
            due_date=_due_on(invoice, quote, known),
        ),
        total=to_major(invoice["total"], currency),
        net=to_major(_net(invoice), currency),
        amount_paid=to_major(invoice["amount_paid"], currency),
        amount_remaining=to_major(_remaining(invoice), currency),
    )
    if quote is not None and today is not None:
        seen = replace(seen, installments=_installments(seen, quote, invoice, _invoiced_on(invoice, quote, today)))
    elif invoice["status"] != "draft":
        seen = replace(seen, installments=_shares_of_due(seen, invoice))
    return seen.closed() if invoice["status"] == "paid" else seen


def _due_on(invoice: Mapping[str, Any], quote: Quote | None, known: QuoteRecord) -> date | None:
    """Return the invoice's due date in the quote's time zone; without the quote, the recorded date, or that in UTC."""
    moment: int | None = invoice.get("due_date")
    if moment is None:
        return None
    if quote is None and known.invoice is not None and known.invoice.due_date is not None:
        return known.invoice.due_date
    return datetime.fromtimestamp(moment, quote.timezone if quote else UTC).date()


def without_invoice(record: QuoteRecord) -> QuoteRecord:
    """Return the record without its invoice."""
    return replace(record, invoice=None, total=None, amount_paid=None, amount_remaining=None, installments=())


def _net(invoice: Mapping[str, Any]) -> int:
    # The subtotal leaves out a discount that somebody adds to the invoice by hand. The net includes it.
    net: int | None = invoice.get("total_excluding_tax")
    return invoice["subtotal"] if net is None else net


def _remaining(invoice: Mapping[str, Any]) -> int:
    # A draft has nothing due yet. All of its total will be due.
    amount: int = invoice["total"] if invoice["status"] == "draft" else invoice["amount_remaining"]
    return amount


def _invoiced_on(invoice: Mapping[str, Any], quote: Quote, today: date) -> date:
    """Return the day from which due dates count: the day of finalizing if the invoice is final, else today."""
    finalized: int | None = (invoice.get("status_transitions") or {}).get("finalized_at")
    return today if finalized is None else datetime.fromtimestamp(finalized, quote.timezone).date()


def _installments(
    record: QuoteRecord, quote: Quote, invoice: Mapping[str, Any], invoiced: date
) -> tuple[InstallmentRecord, ...]:
    """Return the installments, which share the amount due. After the first link, they no longer change.

    A credit balance makes the amount due lower than the total.
    """
    if any(part.links for part in record.installments):
        return record.installments
    terms = quote.installments
    due = invoice["total"] if invoice["status"] == "draft" else invoice["amount_due"]
    shares = split(due, [term.percentage for term in terms], record.currency) if terms else []
    return tuple(
        InstallmentRecord(
            number=number,
            amount=to_major(share, record.currency),
            due_date=due_date(term, accepted=quote.accepted_on, invoiced=invoiced),
        )
        for number, (term, share) in enumerate(zip(terms, shares, strict=True), start=1)
    )


def _shares_of_due(record: QuoteRecord, invoice: Mapping[str, Any]) -> tuple[InstallmentRecord, ...]:
    """Return the installments as shares of the amount due.

    They are shares of the draft's total if somebody has made the invoice final in the Dashboard.
    """
    parts = record.installments
    shares = [to_minor(part.amount, record.currency, "The installment") for part in parts]
    if any(part.links for part in parts) or not sum(shares) or sum(shares) == invoice["amount_due"]:
        return parts
    due = split(invoice["amount_due"], shares, record.currency)
    return tuple(replace(part, amount=to_major(share, record.currency)) for part, share in zip(parts, due, strict=True))


def outside_unknown(record: QuoteRecord) -> bool:
    """Whether more is paid than came by our links, so that the invoice's payments have to be read."""
    is_paid = record.invoice is not None and record.invoice.status == "paid"
    if not is_paid or record.amount_paid_outside is not None:
        return False
    return (record.amount_paid or 0) > sum(part.amount for part in record.installments if part.payment_id)


def outside_seen(record: QuoteRecord, payments: Iterable[Mapping[str, Any]]) -> QuoteRecord:
    """Return the record of a paid invoice, with the amount that was paid outside Stripe.

    This is the part that ``payments``, those at Stripe, do not explain. Since 2025-03-31, Stripe counts this part as
    paid; in older objects it remains (ADR 0065).
    """
    own = (one["amount_paid"] or 0 for one in payments if one["status"] == "paid" and _is_own(one))
    outside = (record.amount_paid or Decimal(0)) - to_major(sum(own), record.currency)
    return replace(record, amount_paid_outside=max(outside, Decimal(0))).closed()


def _is_own(payment: Mapping[str, Any]) -> bool:
    return str(payment["payment"]["type"]) != "payment_record"


def due_date(term: Installment, *, accepted: date, invoiced: date) -> date | None:
    """Return the date when an installment is due; None if only a person can tell (docs/settings.md)."""
    name = (term.term or "").lower()
    if name == "due_now":
        return accepted
    if name == "due_on_receipt":
        return invoiced
    if name.startswith("net") and name[3:].isdigit():
        return invoiced + timedelta(days=int(name[3:]))
    if name.startswith("eom") and name[3:].isdigit():
        last = invoiced.replace(day=monthrange(invoiced.year, invoiced.month)[1])
        return last + timedelta(days=int(name[3:]))
    return None


def days_until_due(quote: Quote, today: date) -> int:
    """Return the days until the whole invoice is due: until its latest installment, or 30 if no date is known."""
    dates = [due_date(term, accepted=quote.accepted_on, invoiced=today) for term in quote.installments]
    known = [found for found in dates if found]
    return max((max(known) - today).days, 0) if known else _DEFAULT_DAYS_UNTIL_DUE


def link_made(record: QuoteRecord, number: int, session: Mapping[str, Any]) -> QuoteRecord:
    """Return the record with a new payment link for an installment."""
    part = record.installment(number)
    assert part is not None, "a link is only made for an installment of the record"
    if part.session_id == session["id"]:
        return record
    changed = replace(
        part,
        status="sent",
        # The amount of the link is less than the share if less remains to pay of the invoice.
        amount=to_major(session["amount_total"], record.currency),
        url=session["url"],
        session_id=session["id"],
        expires_at=datetime.fromtimestamp(session["expires_at"], UTC),
        links=part.links + 1,
        linked_at=datetime.fromtimestamp(session["created"], UTC),
        mailed_at=None,
    )
    return record.with_installment(changed)


def link_mailed(record: QuoteRecord, number: int, now: datetime) -> QuoteRecord:
    """Return the record after an installment's link was mailed; a repeated call keeps the first time."""
    part = record.installment(number)
    assert part is not None, "only a link of the record is mailed"
    return record.with_installment(replace(part, mailed_at=part.mailed_at or now))


def session_seen(record: QuoteRecord, number: int, session: Mapping[str, Any]) -> QuoteRecord:
    """Return the record with a session's state; only an installment's newest session changes it."""
    part = record.installment(number)
    if part is None or part.status in {"paid", "closed"} or part.session_id not in (None, session["id"]):
        return record
    status = _status(session)
    if part.status == "failed" and status == "processing":
        return record  # a failed payment looks like a pending one, and events come out of order
    return record.with_installment(replace(part, status=status, session_id=session["id"]))


def _status(session: Mapping[str, Any]) -> str:
    if session["payment_status"] == "paid":
        return "paid"
    return {"open": "sent", "expired": "expired"}.get(session["status"], "processing")


def payment_seen(record: QuoteRecord, number: int, session: Mapping[str, Any]) -> QuoteRecord:
    """Return the record after the customer paid an installment, by any of its sessions.

    It is paid even if Stripe does not credit the payment to the invoice: the customer must not be asked again.
    """
    part = record.installment(number)
    if part is None:
        return record
    changed = replace(part, status="paid", url=None, session_id=session["id"], payment_id=session["payment_intent"])
    return record.with_installment(changed)


def payment_failed(record: QuoteRecord, number: int, session: Mapping[str, Any]) -> QuoteRecord:
    """Return the record after a delayed payment failed: the installment needs a new link."""
    part = record.installment(number)
    if part is None or part.status in {"paid", "closed"} or part.session_id != session["id"]:
        return record
    return record.with_installment(replace(part, status="failed", url=None))


def overpayment_seen(record: QuoteRecord, invoice: Mapping[str, Any]) -> QuoteRecord:
    """Return the record with the amount that was paid in excess."""
    return replace(record, amount_overpaid=to_major(invoice["amount_overpaid"], record.currency) or None)


def refund_seen(record: QuoteRecord, number: int, payment: str, refunded: int) -> QuoteRecord:
    """Return the record after a refund; ``refunded`` is the sum of the payment's refunds, in minor units."""
    part = record.installment(number)
    if part is None:
        return record
    amount = to_major(refunded, record.currency)
    # Events come twice and out of order: a smaller sum is older.
    known = part.amount_refunded or amount
    return record.with_installment(replace(part, payment_id=payment, amount_refunded=max(known, amount)))
