"""The record that a plugin keeps for a quote: the invoice, its installments, their links and payments.

Money is ``Decimal`` in major units with the currency's own number of decimals. ``quote show``, ``installment list`` and
every run's outcome take their figures from the record only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRecord:
    """The remote invoice. ``status`` is the service's own word; ``account`` names the account, never a key."""

    id: str
    status: str
    account: str
    number: str | None = None
    customer_id: str | None = None
    #: The version of the quote from which the invoice was created. Another version needs another draft.
    version: str = ""
    #: The due date of the whole invoice; None when the service has none, and in records of earlier releases.
    due_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallmentRecord:
    """One part of the payment. ``status``: scheduled, sent, processing, paid, failed, expired or closed.

    A closed installment need not be paid any more, because the invoice was settled outside the service.
    """

    number: int
    amount: Decimal
    due_date: date | None = None
    status: str = "scheduled"
    url: str | None = None
    session_id: str | None = None
    expires_at: datetime | None = None
    #: The customer's payment, even if the service did not credit it to the invoice.
    payment_id: str | None = None
    #: The refunded part of that payment.
    amount_refunded: Decimal | None = None
    #: How many links were created for it; numbers are never reused.
    links: int = 0
    #: When the newest link was created, and when it was mailed.
    linked_at: datetime | None = None
    mailed_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether the customer can still pay by its link."""
        return self.status == "sent" and (self.expires_at is None or now < self.expires_at)

    @property
    def is_unmailed(self) -> bool:
        """Whether its link was created but not mailed; False for links of the first release, where it is unknown."""
        return self.status == "sent" and self.linked_at is not None and self.mailed_at is None

    def seen_at(self, now: datetime) -> InstallmentRecord:
        """Return the installment as it is at ``now``: ``expired`` once its link has expired."""
        return self if self.status != "sent" or self.is_open(now) else replace(self, status="expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRecord:
    """Everything known about the quote's invoice. Amounts are None until there is an invoice."""

    currency: str
    #: The service's name, to show to people; empty in records of earlier releases.
    service: str = ""
    invoice: InvoiceRecord | None = None
    total: Decimal | None = None
    #: The total without taxes; None in records of earlier releases.
    net: Decimal | None = None
    #: The amount that was paid, in any way.
    amount_paid: Decimal | None = None
    #: The part that was settled outside the service, such as by bank transfer; None while that is unknown.
    amount_paid_outside: Decimal | None = None
    amount_remaining: Decimal | None = None
    #: The part that was paid beyond the amount due.
    amount_overpaid: Decimal | None = None
    installments: tuple[InstallmentRecord, ...] = ()

    @property
    def tax(self) -> Decimal | None:
        """The tax in the total; None when the net is unknown."""
        return None if self.total is None or self.net is None else self.total - self.net

    @property
    def is_final(self) -> bool:
        """Whether there is an invoice that can no longer be deleted and created again."""
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
        """Whether there is a final invoice without any payment, finished or in progress."""
        return self.payment_status in {"unpaid", "uncollectible"}

    @property
    def awaits_payment(self) -> bool:
        """Whether there is an invoice that can still be paid; a draft counts, because it can be finalized."""
        return self.invoice is not None and self.invoice.status in {"draft", "open"}

    @property
    def next_due(self) -> date | None:
        """The due date of the next installment after the first that was not sent; None when there is none."""
        if self.invoice is None or self.invoice.status != "open":
            return None
        later = (part for part in self.installments if part.number > 1 and part.status == "scheduled")
        return min((part.due_date for part in later if part.due_date), default=None)

    def installment(self, number: int) -> InstallmentRecord | None:
        """Find an installment by its number (1 is the first)."""
        return next((part for part in self.installments if part.number == number), None)

    def with_installment(self, changed: InstallmentRecord) -> QuoteRecord:
        """Return the record with one installment replaced."""
        parts = tuple(changed if part.number == changed.number else part for part in self.installments)
        return replace(self, installments=parts)

    def closed(self) -> QuoteRecord:
        """Return the record of a paid invoice: nothing remains due, and unpaid installments are closed.

        An amount that the service did not receive was settled outside it. The service may still call it remaining.
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
        """Return the installment whose link can be paid now; there is at most one."""
        if self.invoice is None or self.invoice.status != "open":
            return None
        return next((part for part in self.installments if part.is_open(now)), None)


_TIMES = ("expires_at", "linked_at", "mailed_at")
_AMOUNTS = ("total", "net", "amount_paid", "amount_paid_outside", "amount_remaining", "amount_overpaid")


def to_document(record: QuoteRecord) -> dict[str, Any]:
    """Return the JSON form, in which money is a decimal string."""
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
        # Records of earlier releases lack newer fields.
        **{name: _money(found.get(name)) for name in _AMOUNTS},
        installments=tuple(_installments(found["installments"])),
    )
    # Earlier releases stored an amount that was settled outside as remaining.
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
