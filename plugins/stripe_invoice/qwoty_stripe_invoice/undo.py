"""Taking back what can still be taken back: our draft, and links that nobody has paid. A final invoice stays."""

from __future__ import annotations

from typing import Any

from qwoty_integrations_host import Attempt, HookContext, NeedsAttention, Outcome, Quote

from .delivery import no_key_for
from .drafts import Drafts
from .gateway import Gateway, StripeRefused
from .invoices import retrieve_invoice
from .ledger import invoice_seen
from .sessions import expire_link
from .settings import StripeSettings


def undo_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Delete the draft, or close the open links; and say what only a person can do."""
    key = StripeSettings.of(ctx.settings).key_for(quote.business_unit.id if quote.business_unit else None)
    if key is None:
        raise NeedsAttention(
            no_key_for(quote).title, hint="Put the key back, then retry the run.", code="business_unit_missing"
        )
    stripe = Gateway(key, workspace=ctx.workspace, pace=ctx.pace)
    found: dict[str, Any] = ctx.step("found", lambda attempt: _look(ctx, stripe, quote.id, attempt))
    if not found["invoice"]:
        return Outcome.skipped("There is no invoice of this quote to take back.")
    if found["status"] == "draft":
        if gone := Drafts(ctx, stripe, quote.id).discard():
            return Outcome.done(*gone, "Accepted again, the quote is invoiced anew.")
        return Outcome.done(_what_stays(found["invoice"], "no draft any more"))
    closed = [_close(ctx, stripe, quote.id, number, session) for number, session in found["links"]]
    return Outcome.done(*closed, _what_stays(found["invoice"], found["status"]))


def _look(ctx: HookContext, stripe: Gateway, quote_id: str, attempt: Attempt) -> dict[str, Any]:
    record = ctx.records.get(quote_id)
    if record is None or record.invoice is None:
        return {"invoice": None}
    known = record.invoice
    try:
        invoice = retrieve_invoice(stripe, attempt, known.id)
    except StripeRefused as error:
        if not error.missing:
            raise
        raise NeedsAttention(
            f"The present key does not see invoice {known.id}: it is deleted, or another account's.",
            hint="Look for it in the Stripe Dashboard.",
            code="invoice_in_other_account",
        ) from error
    record = ctx.records.update(quote_id, lambda r: invoice_seen(r, invoice, stripe.account))
    now = ctx.clock.now()
    links = [(part.number, part.session_id) for part in record.installments if part.is_open(now)]
    return {"invoice": known.id, "status": invoice["status"], "links": links}


def _close(ctx: HookContext, stripe: Gateway, quote_id: str, number: int, session_id: str) -> str:
    if expire_link(ctx, stripe, quote_id, number, session_id) == "complete":
        return f"Installment {number} was paid before its link could be closed."
    return f"The payment link of installment {number} is closed."


def _what_stays(invoice_id: str, status: str) -> str:
    if status == "open":
        return f"Invoice {invoice_id} is final and stays open: void it in the Stripe Dashboard if nobody is to pay it."
    return f"Invoice {invoice_id} is {status}: what else is to be taken back, a person does in the Stripe Dashboard."
