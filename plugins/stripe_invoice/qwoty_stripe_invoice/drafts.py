"""A draft that was made from another version of the quote, or for another customer, is thrown away.

Once an invoice is final it stays: Stripe has no way back, and neither have we (Stripe page, section 10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from qwoty_integrations_host import (
    AlreadyFinal,
    Attempt,
    HookContext,
    InvoiceRecord,
    NeedsAttention,
    PermissionMissing,
    Quote,
    QuoteRecord,
)

from .check import line_differences
from .gateway import Gateway, StripeRefused
from .invoices import find_by_metadata, retrieve_invoice, taxes_told
from .ledger import invoice_seen, without_invoice
from .planned import InvoicePlan
from .ways import Way, as_made


def refuse_other_version(invoice: InvoiceRecord | None, quote: Quote) -> None:
    """Raise AlreadyFinal when the quote's final invoice was made from another version of it."""
    if invoice is not None and invoice.status != "draft" and invoice.version != quote.version:
        raise _too_late(invoice, invoice.status)


def _too_late(invoice: InvoiceRecord, status: str) -> AlreadyFinal:
    return AlreadyFinal(
        f"Invoice {invoice.id} is {status} already.",
        hint="A final invoice is not changed by this integration: correct it in Stripe, or make a new quote.",
        code="invoice_final",
    )


@dataclass(frozen=True, slots=True)
class Drafts:
    """The drafts of one quote."""

    ctx: HookContext
    stripe: Gateway
    quote_id: str

    def discard_unless(
        self, version: str, customer: str = "", sequence: Sequence[Way] = (), plan: InvoicePlan | None = None
    ) -> list[str]:
        """Delete the draft unless it is of this version, for this customer and in one of these ways; give a note.

        Any customer and way will do when none is given. Raises: AlreadyFinal when an invoice of another version has
        become final; NeedsAttention when the draft is only to be made in another way, and somebody has worked on it.
        """
        return self._throw_away(version, customer, sequence, plan)

    def discard(self) -> list[str]:
        """Delete the draft, whatever it was made from; give a note. What is no draft any more stays."""
        return self._throw_away(None)

    def _throw_away(
        self, version: str | None, customer: str = "", sequence: Sequence[Way] = (), plan: InvoicePlan | None = None
    ) -> list[str]:
        gone = self.ctx.step("draft.discard", lambda attempt: self._discard(attempt, version, customer, sequence, plan))
        if not gone:
            return []
        for item in self.ctx.step("draft.items", lambda attempt: self._left_behind(attempt, gone)):
            self.ctx.step(f"draft.item:{item}", partial(self._delete_item, item=item))
        which = "that was made before " if version is not None else ""
        return [f"The draft {gone} {which}is deleted."]

    def _discard(
        self,
        attempt: Attempt,
        version: str | None,
        customer: str,
        sequence: Sequence[Way],
        plan: InvoicePlan | None,
    ) -> str:
        record = self.ctx.records.get(self.quote_id)
        known = (record.invoice if record else None) or self._never_answered(attempt, version)
        if known is None:
            return self._last.get("invoice", "") if attempt.repeated and not self._last.get("void") else ""
        if known.status != "draft" and self._is_void_and_given_up(attempt, known):
            return ""
        other_version = version is not None and known.version != version
        if version is not None and not other_version:
            made = self._taxes_of(known)
            in_a_way = not sequence or made in [way.name for way in sequence]
            is_theirs = customer in {"", known.customer_id}
            if known.status != "draft" or (is_theirs and in_a_way):
                return ""
            if is_theirs and plan is not None:
                self._refuse_if_touched(attempt, known, as_made(plan, made).plan)
        found = self._look(attempt, known)
        if found is None and known.id != self._last.get("invoice"):
            return ""  # gone, or another account's: create_draft tells which
        if found is not None:
            if not self._is_draft(known, found, other_version=other_version):
                return ""
            # Noted before it is deleted: whatever crashes now, the next try knows that it was us.
            self.ctx.state.set(f"discarded:{self.quote_id}", {"invoice": known.id, "customer": known.customer_id})
            self._delete(attempt, known, other_version=other_version)
        self.ctx.records.update(self.quote_id, lambda now: without_invoice(now or QuoteRecord(currency="")))
        return known.id

    def _refuse_if_touched(self, attempt: Attempt, known: InvoiceRecord, plan: InvoicePlan) -> None:
        """What somebody did by hand is not thrown away because the settings changed."""
        try:
            lines = list(self.stripe.pages(attempt, lambda v1, p: v1.invoices.line_items.list(known.id, params=p), {}))
        except StripeRefused as error:
            if error.missing:
                return
            raise
        # Nothing is missed that was not added yet.
        planned = {line.key for line in plan.lines} - set(self.ctx.state.get(f"lines:{known.id}") or ())
        there = replace(plan, lines=tuple(line for line in plan.lines if line.key not in planned))
        if differences := line_differences(there, lines, {}, taxes=False):
            raise NeedsAttention(
                f"The draft {known.id} is to be made anew, its taxes told another way, but somebody has worked on it.",
                hint=" ".join(
                    [*differences, "Undo that, or delete the draft, in the Stripe Dashboard; then retry the run."]
                ),
                code="totals_differ",
                restart=True,
            )

    def _taxes_of(self, known: InvoiceRecord) -> str:
        return taxes_told(self.ctx.state.get(f"invoice:{known.id}") or {})

    def _is_void_and_given_up(self, attempt: Attempt, known: InvoiceRecord) -> bool:
        """Whether the quote was cancelled or undone and its invoice voided; then it is forgotten, for a new one."""
        if self.ctx.state.get(f"given_up:{self.quote_id}") != known.id:
            return False
        found = self._look(attempt, known)
        is_void = found is not None and found["status"] == "void"
        if is_void:
            # The key of idempotency of the new invoice is another one.
            gone = {"invoice": known.id, "customer": known.customer_id, "void": True}
            self.ctx.state.set(f"discarded:{self.quote_id}", gone)
            self.ctx.records.update(self.quote_id, lambda now: without_invoice(now or QuoteRecord(currency="")))
        self.ctx.state.forget(f"given_up:{self.quote_id}")
        return is_void

    @property
    def _last(self) -> dict[str, Any]:
        """The last invoice that was thrown away: ``invoice``, ``customer``, and ``void`` if it was no draft."""
        return dict(self.ctx.state.get(f"discarded:{self.quote_id}") or {})

    def _never_answered(self, attempt: Attempt, version: str | None) -> InvoiceRecord | None:
        """What was asked for by an earlier version of the quote, when its answer was lost."""
        billed = self.ctx.state.get(f"billed:{self.quote_id}")
        if not billed or billed["version"] == version:
            return None
        found = find_by_metadata(self.ctx, self.stripe, attempt, self.quote_id, billed["customer"])
        if found is None or found["metadata"].get("qwoty_version") == version:
            return None
        return InvoiceRecord(
            id=found["id"],
            status=found["status"],
            account=self.stripe.account,
            customer_id=billed["customer"],
            version=found["metadata"].get("qwoty_version", ""),
        )

    def _look(self, attempt: Attempt, known: InvoiceRecord) -> dict[str, Any] | None:
        try:
            found = retrieve_invoice(self.stripe, attempt, known.id)
        except StripeRefused as error:
            if error.missing:
                return None
            raise
        return None if found.get("deleted") else found

    def _is_draft(self, known: InvoiceRecord, found: Mapping[str, Any], *, other_version: bool) -> bool:
        if found["status"] == "draft":
            return True
        self.ctx.records.update(self.quote_id, lambda record: invoice_seen(record, found, self.stripe.account))
        if other_version:
            raise _too_late(known, found["status"])
        return False

    def _delete(self, attempt: Attempt, known: InvoiceRecord, *, other_version: bool) -> None:
        try:
            self.stripe.read(attempt, lambda v1: v1.invoices.delete(known.id))
        except StripeRefused:
            found = self._look(attempt, known)
            if found is not None and self._is_draft(known, found, other_version=other_version):
                raise

    def _left_behind(self, attempt: Attempt, invoice_id: str) -> list[str]:
        """Items that outlived their draft, as one report says; nobody may find them on another invoice."""
        customer = self._last.get("customer")
        if not customer:
            return []
        wanted = {"customer": customer, "pending": True}
        pending = self.stripe.pages(attempt, lambda v1, p: v1.invoice_items.list(params=p), wanted)
        try:
            return [item["id"] for item in pending if "qwoty_line" in (item.get("metadata") or {})]
        except PermissionMissing:
            return []  # reading items is not among the permissions that we ask for; nothing is known to be left

    def _delete_item(self, attempt: Attempt, item: str) -> None:
        try:
            self.stripe.read(attempt, lambda v1: v1.invoice_items.delete(item))
        except StripeRefused as error:
            if not error.missing:
                raise
