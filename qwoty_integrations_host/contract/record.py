"""What is remembered of one quote at one plugin: the invoice, its installments, the links and payments.

Money is ``Decimal`` in major units with the currency's own number of decimals. The record is the single
source for ``quote show``, ``installment list`` and every run's outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRecord:
    """The remote invoice. ``status`` is the service's own word; ``account`` tells keys apart, never a key."""

    id: str
    status: str
    account: str
    number: str | None = None
    customer_id: str | None = None
    #: The version of the quote that it was made from; another one needs another draft.
    version: str = ""
    #: The last day on which all of it is to be paid; None where the service told none, and in earlier records.
    due_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallmentRecord:
    """One part of the payment. ``status``: scheduled, sent, processing, paid, failed, expired or closed.

    Closed: nobody is to pay it any more, since the invoice was settled outside the service.
    """

    number: int
    amount: Decimal
    due_date: date | None = None
    status: str = "scheduled"
    url: str | None = None
    session_id: str | None = None
    expires_at: datetime | None = None
    #: The customer's payment, also one that the service did not credit to the invoice.
    payment_id: str | None = None
    #: What of that payment was given back so far.
    amount_refunded: Decimal | None = None
    #: How many links were made for it so far; the next one is counted on, never reused.
    links: int = 0
    #: When the newest link was made, and when it was mailed.
    linked_at: datetime | None = None
    mailed_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether a customer can still pay by its link."""
        return self.status == "sent" and (self.expires_at is None or now < self.expires_at)

    @property
    def is_unmailed(self) -> bool:
        """Whether its link was made and not mailed; of links of the first release that is not known."""
        return self.status == "sent" and self.linked_at is not None and self.mailed_at is None

    def seen_at(self, now: datetime) -> InstallmentRecord:
        """The same, with a link whose time is over shown as expired."""
        return self if self.status != "sent" or self.is_open(now) else replace(self, status="expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRecord:
    """Everything known about the quote's invoice; money is None until there is one."""

    currency: str
    #: The name that people know the service by; empty also in what earlier releases recorded.
    service: str = ""
    invoice: InvoiceRecord | None = None
    total: Decimal | None = None
    #: The total without its taxes; None also in what earlier releases recorded.
    net: Decimal | None = None
    #: In whichever way it was paid.
    amount_paid: Decimal | None = None
    #: What of it was settled outside the service, by bank transfer for instance; None while that is not known.
    amount_paid_outside: Decimal | None = None
    amount_remaining: Decimal | None = None
    #: What was paid beyond what was due.
    amount_overpaid: Decimal | None = None
    installments: tuple[InstallmentRecord, ...] = ()

    @property
    def tax(self) -> Decimal | None:
        """What of the total is tax; None where the net is not known."""
        return None if self.total is None or self.net is None else self.total - self.net

    @property
    def is_final(self) -> bool:
        """Whether there is an invoice that can no longer be deleted and made anew."""
        return self.invoice is not None and self.invoice.status != "draft"

    @property
    def payment_status(self) -> str | None:
        """draft, unpaid, processing, partially_paid, paid, void or uncollectible; None without an invoice."""
        if self.invoice is None:
            return None
        if self.invoice.status != "open":
            return self.invoice.status
        if self.amount_paid:
            return "partially_paid" if self.amount_remaining else "paid"
        return "processing" if any(part.status == "processing" for part in self.installments) else "unpaid"

    @property
    def is_voidable(self) -> bool:
        """Whether there is a final invoice of which nobody has paid anything, or is about to."""
        return self.payment_status in {"unpaid", "uncollectible"}

    @property
    def awaits_payment(self) -> bool:
        """Whether there is an invoice that can still be paid; a draft can, once somebody makes it final."""
        return self.invoice is not None and self.invoice.status in {"draft", "open"}

    @property
    def next_due(self) -> date | None:
        """The first day on which an installment after the first is to be asked for; None when none is waiting."""
        if self.invoice is None or self.invoice.status != "open":
            return None
        later = (part for part in self.installments if part.number > 1 and part.status == "scheduled")
        return min((part.due_date for part in later if part.due_date), default=None)

    def installment(self, number: int) -> InstallmentRecord | None:
        """Find an installment by its number (1 is the first)."""
        return next((part for part in self.installments if part.number == number), None)

    def with_installment(self, changed: InstallmentRecord) -> QuoteRecord:
        """The same record with one installment replaced."""
        parts = tuple(changed if part.number == changed.number else part for part in self.installments)
        return replace(self, installments=parts)

    def closed(self) -> QuoteRecord:
        """The record of a paid invoice: nothing remains of it, and no installment is to be paid any more.

        What the service itself did not take of it was settled outside: such an invoice may still say that it remains.
        """
        remaining = self.amount_remaining or Decimal(0)
        outside = remaining or self.amount_paid_outside
        parts = (
            replace(part, status="closed" if outside and part.payment_id is None else "paid", url=None)
            for part in self.installments
        )
        return replace(
            self,
            amount_paid=None if self.amount_paid is None else self.amount_paid + remaining,
            amount_paid_outside=outside,
            amount_remaining=None if self.amount_remaining is None else self.amount_remaining - remaining,
            installments=tuple(parts),
        )

    def open_link(self, now: datetime) -> InstallmentRecord | None:
        """The installment whose link can be paid now; there is one at most."""
        if self.invoice is None or self.invoice.status != "open":
            return None
        return next((part for part in self.installments if part.is_open(now)), None)


_TIMES = ("expires_at", "linked_at", "mailed_at")
_AMOUNTS = ("total", "net", "amount_paid", "amount_paid_outside", "amount_remaining", "amount_overpaid")


def to_document(record: QuoteRecord) -> dict[str, Any]:
    """Give the JSON form, in which money is a decimal string."""
    return {
        "currency": record.currency,
        "service": record.service,
        "invoice": _plain(record.invoice) if record.invoice else None,
        **{name: _text(getattr(record, name)) for name in _AMOUNTS},
        "installments": [_plain(part) for part in record.installments],
    }


def from_document(found: Mapping[str, Any]) -> QuoteRecord:
    """Rebuild the record from its JSON form."""
    record = QuoteRecord(
        currency=found["currency"],
        service=found.get("service", ""),
        invoice=_invoice(found["invoice"]) if found["invoice"] else None,
        # Records that were stored before a field came lack it.
        **{name: _money(found.get(name)) for name in _AMOUNTS},
        installments=tuple(_installments(found["installments"])),
    )
    # Earlier releases kept what was settled outside as remaining.
    return record.closed() if record.invoice and record.invoice.status == "paid" else record


def _invoice(found: Mapping[str, Any]) -> InvoiceRecord:
    due = found.get("due_date")
    return InvoiceRecord(**{**found, "due_date": date.fromisoformat(due) if due else None})


def _installments(found: Iterable[Mapping[str, Any]]) -> Iterable[InstallmentRecord]:
    for part in found:
        due, times = part["due_date"], {name: part.get(name) for name in _TIMES}
        yield InstallmentRecord(
            **{
                **part,
                "amount": Decimal(part["amount"]),
                "amount_refunded": _money(part.get("amount_refunded")),
                "due_date": date.fromisoformat(due) if due else None,
                **{name: datetime.fromisoformat(text) if text else None for name, text in times.items()},
            }
        )


def _plain(part: InvoiceRecord | InstallmentRecord) -> dict[str, Any]:
    return {name: _text(getattr(part, name)) for name in part.__dataclass_fields__}


def _text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
