"""Decides from the record which installment may be sent now."""

from __future__ import annotations

from datetime import date, datetime

from ..errors import ActionRefused
from .record import QuoteRecord


def pick_installment(record: QuoteRecord, number: int | None, now: datetime) -> int:
    """Return the installment that may be sent now: the requested one, or else the lowest unpaid one.

    Raises: ActionRefused with the reason why none may be sent.
    """
    _refuse_unless_open(record)
    unpaid = [part.number for part in record.installments if part.status != "paid"]
    if number is None and not unpaid:
        raise ActionRefused("Every installment is paid already.", hint="There is nothing left to send.")
    wanted = number if number is not None else min(unpaid)
    part = record.installment(wanted)
    if part is None:
        raise _no_such(record, wanted)
    if part.status == "paid":
        raise ActionRefused(f"Installment {wanted} is paid already.", hint="Send the next one, if there is one.")
    for other in record.installments:
        if other.status == "processing":
            raise ActionRefused(
                f"The payment of installment {other.number} is being processed.",
                hint="Wait for it to end, then send the installment.",
            )
        if other.number != wanted and other.is_open(now):
            raise ActionRefused(
                f"The link of installment {other.number} can still be paid.",
                hint="Two payable links could be paid twice. Send this one when that link is paid or has ended.",
            )
    return wanted


def due_installment(record: QuoteRecord, today: date) -> int | None:
    """Return the installment after the first that is due today and not yet requested; None when there is none."""
    return next(
        (
            part.number
            for part in record.installments
            if part.number > 1 and part.status == "scheduled" and part.due_date and part.due_date <= today
        ),
        None,
    )


def may_be_asked_for(record: QuoteRecord, number: int | None, now: datetime) -> None:
    """Refuse an installment that can never be sent; the run checks at the service whether it can be sent now.

    Raises: ActionRefused.
    """
    if record.invoice is None or record.invoice.status in {"paid", "void"} or not record.installments:
        _refuse_unless_open(record)
    if number is not None and record.installment(number) is None:
        raise _no_such(record, number)


def _refuse_unless_open(record: QuoteRecord) -> None:
    status = record.invoice.status if record.invoice else None
    if status != "open":
        raise ActionRefused(
            "There is no invoice yet." if status is None else f"The invoice is {status}, not open.",
            hint="Links are sent for open invoices only.",
        )
    if not record.installments:
        raise ActionRefused(
            "The quote has no payment terms, so there is no installment to send.",
            hint="Send the invoice from the service that made it.",
        )


def _no_such(record: QuoteRecord, number: int) -> ActionRefused:
    there = len(record.installments)
    return ActionRefused(
        f"The quote has no installment {number}; it has {there}.", hint="The quote shows its installments by number."
    )
