"""Take back what was made of a quote: delete the draft, expire the links, void the invoice.

A customer may pay at the same moment: each link is fetched before it is expired, and the invoice afterwards.
"""

from __future__ import annotations

from typing import Any

from qwoty_integrations_host import Attempt, HookContext, NeedsAttention, Quote, QuoteRecord

from .delivery_checks import no_key_for
from .invoices import retrieve_invoice
from .outdated_drafts import Drafts
from .payments import attach_payment
from .record import invoice_seen, without_invoice
from .sessions import expire_link, look_at_session, open_links
from .stripe_errors import StripeRefused
from .work import Work

#: The statuses in which an invoice may still be paid or voided.
_NOT_SETTLED = ("open", "uncollectible")


class TakingBack:
    """The objects of one quote at Stripe; every public method is one or more recorded steps."""

    def __init__(self, ctx: HookContext, quote: Quote) -> None:
        """Raises: NeedsAttention if no key serves the quote any more."""
        self._work, self._quote = _work_for(ctx, quote), quote
        self._ctx, self._stripe = ctx, self._work.stripe

    def look(self, name: str = "found") -> dict[str, Any]:
        """Fetch the invoice; return ``{"invoice", "name", "status", "is_voidable", "paid", "total", "is_nothing"}``.

        ``invoice`` is None if there is none; ``status`` is the record's. Raises: NeedsAttention if the invoice is final
        and the present key does not see it.
        """
        facts: dict[str, Any] = self._ctx.step(name, self._look)
        return facts

    def delete_draft(self) -> list[str]:
        """Delete our draft, also one whose answer was lost; return a note. A final invoice stays."""
        return Drafts(self._work, self._quote.id).discard()

    def close_links(self) -> list[str]:
        """Expire every open link, attach the payment of each that was paid; return a sentence for each."""
        notes, paid = [], []
        for number, session_id in self._ctx.step("links", self._links):
            session = self._seen(number, session_id, "session")
            if session["payment_status"] != "paid" and session.get("status", "open") == "open":
                if expire_link(self._work, self._quote.id, number, session_id) != "complete":
                    notes.append(f"The payment link of installment {number} is closed.")
                    continue
                session = self._seen(number, session_id, "session.completed")
            if session["payment_status"] == "paid":
                paid.append(session)
                notes.append(f"Installment {number} was paid before its link could be closed.")
            elif session.get("status", "complete") == "complete":
                notes.append(f"The payment of installment {number} is being processed.")
        for session in paid:
            attach_payment(self._work, self._quote.id, session)
        return notes

    def void(self, invoice_id: str) -> None:
        """Void the invoice if it is still open. Raises: NeedsAttention when Stripe refuses."""
        self._ctx.step("void", lambda attempt: self._void(attempt, invoice_id))

    # -- how ------------------------------------------------------------------------------------------

    def _look(self, attempt: Attempt) -> dict[str, Any]:
        record = self._ctx.records.get(self._quote.id)
        if record is None or record.invoice is None:
            return {"invoice": None}
        known = record.invoice
        try:
            invoice = retrieve_invoice(self._stripe, attempt, known.id)
        except StripeRefused as error:
            if not error.missing:
                raise
            if known.status != "draft":
                raise NeedsAttention(
                    f"The present key does not see invoice {known.id}: it is another account's.",
                    hint="Put the key back that made it, then retry the run; or look for it in the Stripe Dashboard.",
                    code="invoice_in_other_account",
                ) from error
            invoice = {"deleted": True}
        if invoice.get("deleted"):
            self._ctx.records.update(self._quote.id, lambda r: without_invoice(r or record))
            return {"invoice": None}
        return self._facts(self._take_note(invoice))

    def _take_note(self, invoice: dict[str, Any]) -> QuoteRecord:
        if invoice["status"] != "draft":
            # If it becomes void and the quote is accepted again, the quote gets a new invoice.
            self._ctx.state.set(f"given_up:{self._quote.id}", invoice["id"])
        return self._ctx.records.update(self._quote.id, lambda r: invoice_seen(r, invoice, self._stripe.account))

    def _facts(self, record: QuoteRecord) -> dict[str, Any]:
        assert record.invoice is not None, "an invoice was seen just now"
        return {
            "invoice": record.invoice.id,
            "name": record.invoice.number or record.invoice.id,
            "status": record.payment_status,
            "is_voidable": record.is_voidable,
            "paid": f"{record.amount_paid or 0:f} {record.currency}",
            "total": f"{record.total or 0:f} {record.currency}",
            "is_nothing": not record.total,
        }

    def _links(self, attempt: Attempt) -> list[tuple[int, str]]:
        """Return the links that may still be open: those on record, and those open at Stripe."""
        record = self._ctx.records.get(self._quote.id)
        assert record is not None and record.invoice is not None, "links are for invoices"
        parts = [part for part in record.installments if part.session_id and part.status in {"sent", "processing"}]
        known = {part.session_id: part.number for part in parts if part.session_id}
        known |= open_links(self._work, self._quote.id, attempt)
        return [(number, session_id) for session_id, number in known.items()]

    def _seen(self, number: int, session_id: str, name: str) -> dict[str, Any]:
        event = {"id": session_id, "metadata": {"qwoty_installment": str(number)}}
        return look_at_session(self._work, self._quote.id, event, name=name)

    def _void(self, attempt: Attempt, invoice_id: str) -> str:
        invoice = retrieve_invoice(self._stripe, attempt, invoice_id) if attempt.repeated else {"status": "open"}
        if invoice["status"] in _NOT_SETTLED:
            invoice = self._voided(attempt, invoice_id)
        self._take_note(invoice)
        return str(invoice["status"])

    def _voided(self, attempt: Attempt, invoice_id: str) -> dict[str, Any]:
        try:
            return self._stripe.write(
                attempt,
                "void",
                invoice_id,
                {},
                lambda v1, p, o: v1.invoices.void_invoice(invoice_id, params=p, options=o),
            )
        except StripeRefused as error:
            invoice = retrieve_invoice(self._stripe, attempt, invoice_id)
            if invoice["status"] not in _NOT_SETTLED:
                return invoice
            raise NeedsAttention(
                f"Stripe does not void invoice {invoice['number'] or invoice_id}: it has a payment.",
                hint="Look at the invoice's payments in the Stripe Dashboard, then retry this run.",
                code="invoice_not_voided",
            ) from error


def _work_for(ctx: HookContext, quote: Quote) -> Work:
    """Work with the key that made the invoice; if there is no invoice, with that of the quote's business unit."""
    record = ctx.records.get(quote.id)
    if record is not None and record.invoice is not None:
        return Work.for_invoice(ctx, record.invoice.id)
    work = Work.for_quote(ctx, quote)
    if work is None:
        raise NeedsAttention(
            no_key_for(quote).title, hint="Put the key back, then retry the run.", code="business_unit_missing"
        )
    return work


def was_made(ctx: HookContext, quote_id: str) -> bool:
    """Whether an invoice of the quote was ever requested."""

    def look(_: Attempt) -> bool:
        record = ctx.records.get(quote_id)
        return bool((record and record.invoice) or ctx.state.get(f"billed:{quote_id}"))

    return bool(ctx.step("made", look))
