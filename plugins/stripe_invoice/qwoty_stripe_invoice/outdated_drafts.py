"""Delete drafts that were made from another version of the quote, for another customer, or by another tax method.

A final invoice stays: Stripe cannot make it a draft again (docs/notes/stripe.md#states-of-an-invoice).
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

from .comparison import line_differences
from .invoices import find_by_metadata, invoice_lines, retrieve_invoice, taxes_told
from .plan_types import InvoicePlan
from .record import invoice_seen, without_invoice
from .stripe_errors import StripeRefused
from .tax_methods import TaxMethod, as_made
from .work import Work


def refuse_other_version(invoice: InvoiceRecord | None, quote: Quote) -> None:
    """Raise AlreadyFinal if the quote's final invoice was made from another version of the quote."""
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

    work: Work
    quote_id: str

    def discard_unless(
        self, version: str, customer: str = "", sequence: Sequence[TaxMethod] = (), plan: InvoicePlan | None = None
    ) -> list[str]:
        """Delete the draft unless it has this version, this customer and one of these tax methods; return notes.

        Without ``customer`` or ``sequence``, any customer or tax method is accepted. Raises: AlreadyFinal if an
        invoice of another version is final; NeedsAttention if only the method differs and somebody has changed the
        draft by hand.
        """
        return self._throw_away(version, customer, sequence, plan)

    def discard(self) -> list[str]:
        """Delete the draft, whatever it was made from; return notes. A final invoice stays."""
        return self._throw_away(None)

    def _throw_away(
        self,
        version: str | None,
        customer: str = "",
        sequence: Sequence[TaxMethod] = (),
        plan: InvoicePlan | None = None,
    ) -> list[str]:
        ctx = self.work.ctx
        gone = ctx.step("draft.discard", lambda attempt: self._discard(attempt, version, customer, sequence, plan))
        if not gone:
            return []
        for item in ctx.step("draft.items", lambda attempt: self._left_behind(attempt, gone)):
            ctx.step(f"draft.item:{item}", partial(self._delete_item, item=item))
        which = "that was made before " if version is not None else ""
        return [f"The draft {gone} {which}is deleted."]

    def _discard(
        self,
        attempt: Attempt,
        version: str | None,
        customer: str,
        sequence: Sequence[TaxMethod],
        plan: InvoicePlan | None,
    ) -> str:
        record = self.work.ctx.records.get(self.quote_id)
        known = (record.invoice if record else None) or self._never_answered(attempt, version)
        if known is None:
            return self._last.get("invoice", "") if attempt.repeated and not self._last.get("void") else ""
        if known.status != "draft" and self._is_void_and_given_up(attempt, known):
            return ""
        other_version = version is not None and known.version != version
        if version is not None and not other_version:
            made = self._taxes_of(known)
            has_wanted_method = not sequence or made in [method.name for method in sequence]
            is_theirs = customer in {"", known.customer_id}
            if known.status != "draft" or (is_theirs and has_wanted_method):
                return ""
            if is_theirs and plan is not None:
                self._refuse_if_touched(attempt, known, as_made(plan, made).plan)
        invoice = self._look(attempt, known)
        if invoice is None and known.id != self._last.get("invoice"):
            return ""  # gone, or another account's: InvoiceDraft.create says so
        if invoice is not None:
            if not self._is_draft(known, invoice, other_version=other_version):
                return ""
            # Saved before the deletion: after a crash the next attempt knows that we deleted it.
            self._note_discarded(known)
            self._delete(attempt, known, other_version=other_version)
        self.work.ctx.records.update(self.quote_id, lambda now: without_invoice(now or QuoteRecord(currency="")))
        return known.id

    def _refuse_if_touched(self, attempt: Attempt, known: InvoiceRecord, plan: InvoicePlan) -> None:
        """Raise NeedsAttention if somebody has changed the draft by hand: a changed setting must not discard that."""
        try:
            lines = list(invoice_lines(self.work.stripe, attempt, known.id))
        except StripeRefused as error:
            if error.missing:
                return
            raise
        # Lines that were not added yet are not missing.
        not_added = {line.key for line in plan.lines} - set(self.work.ctx.state.get(f"lines:{known.id}") or ())
        there = replace(plan, lines=tuple(line for line in plan.lines if line.key not in not_added))
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
        return taxes_told(self.work.ctx.state.get(f"invoice:{known.id}") or {})

    def _is_void_and_given_up(self, attempt: Attempt, known: InvoiceRecord) -> bool:
        """Whether the quote was cancelled or undone and its invoice is void; if so, make room for a new invoice."""
        if self.work.ctx.state.get(f"given_up:{self.quote_id}") != known.id:
            return False
        invoice = self._look(attempt, known)
        is_void = invoice is not None and invoice["status"] == "void"
        if is_void:
            # Because of this, the new invoice gets another idempotency key.
            self._note_discarded(known, void=True)
            self.work.ctx.records.update(self.quote_id, lambda now: without_invoice(now or QuoteRecord(currency="")))
        self.work.ctx.state.forget(f"given_up:{self.quote_id}")
        return is_void

    def _note_discarded(self, known: InvoiceRecord, **more: Any) -> None:
        last = self._last
        earlier = [one for one in (*last.get("earlier", ()), last.get("invoice")) if one not in {None, known.id}]
        facts = {
            "invoice": known.id,
            "customer": known.customer_id,
            **({"earlier": earlier} if earlier else {}),
            **more,
        }
        self.work.ctx.state.set(f"discarded:{self.quote_id}", facts)

    @property
    def _last(self) -> dict[str, Any]:
        """The last invoice that was discarded: ``invoice``, ``customer``, ``void`` if it was final; and ``earlier``."""
        return _discarded(self.work.ctx, self.quote_id)

    def _never_answered(self, attempt: Attempt, version: str | None) -> InvoiceRecord | None:
        """Return the invoice that an earlier version of the quote created, if the answer was lost."""
        billed = self.work.ctx.state.get(f"billed:{self.quote_id}")
        if not billed or billed["version"] == version:
            return None
        invoice = find_by_metadata(self.work, attempt, self.quote_id, billed["customer"])
        if invoice is None or invoice["metadata"].get("qwoty_version") == version:
            return None
        return InvoiceRecord(
            id=invoice["id"],
            status=invoice["status"],
            account=self.work.stripe.account,
            customer_id=billed["customer"],
            version=invoice["metadata"].get("qwoty_version", ""),
        )

    def _look(self, attempt: Attempt, known: InvoiceRecord) -> dict[str, Any] | None:
        try:
            invoice = retrieve_invoice(self.work.stripe, attempt, known.id)
        except StripeRefused as error:
            if error.missing:
                return None
            raise
        return None if invoice.get("deleted") else invoice

    def _is_draft(self, known: InvoiceRecord, invoice: Mapping[str, Any], *, other_version: bool) -> bool:
        if invoice["status"] == "draft":
            return True
        account = self.work.stripe.account
        self.work.ctx.records.update(self.quote_id, lambda record: invoice_seen(record, invoice, account))
        if other_version:
            raise _too_late(known, invoice["status"])
        return False

    def _delete(self, attempt: Attempt, known: InvoiceRecord, *, other_version: bool) -> None:
        try:
            self.work.stripe.delete(attempt, lambda v1: v1.invoices.delete(known.id))
        except StripeRefused:
            invoice = self._look(attempt, known)
            if invoice is not None and self._is_draft(known, invoice, other_version=other_version):
                raise

    def _left_behind(self, attempt: Attempt, invoice_id: str) -> list[str]:
        """Return our items that outlived their draft, so that no later invoice of the customer includes them."""
        customer = self._last.get("customer")
        if not customer:
            return []
        wanted = {"customer": customer, "pending": True}
        pending = self.work.stripe.pages(attempt, lambda v1, p: v1.invoice_items.list(params=p), wanted)
        try:
            return [item["id"] for item in pending if "qwoty_line" in (item.get("metadata") or {})]
        except PermissionMissing:
            return []  # a key may lack the permission to read items

    def _delete_item(self, attempt: Attempt, item: str) -> None:
        try:
            self.work.stripe.delete(attempt, lambda v1: v1.invoice_items.delete(item))
        except StripeRefused as error:
            if not error.missing:
                raise


def discarded_invoices(ctx: HookContext, quote_id: str) -> set[str]:
    """Return the ids of the quote's invoices that were given up."""
    last = _discarded(ctx, quote_id)
    return {one for one in (*last.get("earlier", ()), last.get("invoice")) if one is not None}


def _discarded(ctx: HookContext, quote_id: str) -> dict[str, Any]:
    return dict(ctx.state.get(f"discarded:{quote_id}") or {})
