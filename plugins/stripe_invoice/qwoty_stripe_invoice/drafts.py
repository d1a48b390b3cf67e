"""A draft that was made from another plan (the quote was corrected, or its customer replaced) is thrown away.

Once an invoice is final it stays: Stripe has no way back, and neither have we (Stripe page, section 10).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from qwoty_integrations_host import Attempt, HookContext, NeedsAttention, QuoteRecord

from .gateway import Gateway, StripeRefused
from .invoices import retrieve_invoice


def discard_stale_draft(ctx: HookContext, stripe: Gateway, quote_id: str, plan: str) -> str:
    """Delete the quote's draft when it comes from another plan; give its id, or an empty text.

    Raises: NeedsAttention when that invoice has become final.
    """
    gone: str = ctx.step("draft.discard", lambda attempt: _discard(ctx, stripe, quote_id, plan, attempt))
    if gone:
        for item in ctx.step("draft.items", lambda attempt: _left_behind(ctx, stripe, gone, attempt)):
            ctx.step(f"draft.item:{item}", partial(_delete_item, stripe, item))
    return gone


def _discard(ctx: HookContext, stripe: Gateway, quote_id: str, plan: str, attempt: Attempt) -> str:
    record = ctx.records.get(quote_id)
    known = record.invoice if record else None
    if known is None or known.plan in {"", plan}:
        return ""
    try:
        found = retrieve_invoice(stripe, attempt, known.id)
        if found.get("status", "draft") != "draft":
            raise _final(known.id, found["status"])
        if not found.get("deleted"):
            stripe.read(attempt, lambda v1: v1.invoices.delete(known.id))
    except StripeRefused as error:
        if not error.missing:
            raise
        if known.status != "draft" or not attempt.repeated:
            return ""  # gone, or another account's: create_draft tells which
    ctx.state.set(f"discarded:{known.id}", {"customer": known.customer_id})
    ctx.records.update(quote_id, lambda now: _forget(now or QuoteRecord(currency="")))
    return known.id


def _forget(record: QuoteRecord) -> QuoteRecord:
    return replace(record, invoice=None, total=None, amount_paid=None, amount_remaining=None, installments=())


def _final(invoice_id: str, status: str) -> NeedsAttention:
    return NeedsAttention(
        f"The quote was changed, but its invoice {invoice_id} is {status} by now.",
        hint="A final invoice is not changed by this integration: correct it in Stripe, or make a new quote.",
        code="invoice_final",
    )


def _left_behind(ctx: HookContext, stripe: Gateway, invoice_id: str, attempt: Attempt) -> list[str]:
    """Items that outlived their draft, as one report says; nobody may find them on another invoice."""
    customer = (ctx.state.get(f"discarded:{invoice_id}") or {}).get("customer")
    if not customer:
        return []
    wanted = {"customer": customer, "pending": True}
    pending = stripe.pages(attempt, lambda v1, p: v1.invoice_items.list(params=p), wanted)
    try:
        return [item["id"] for item in pending if "qwoty_line" in (item.get("metadata") or {})]
    except NeedsAttention:
        return []  # reading items is not among the permissions that we ask for; nothing is known to be left


def _delete_item(stripe: Gateway, item: str, attempt: Attempt) -> None:
    try:
        stripe.read(attempt, lambda v1: v1.invoice_items.delete(item))
    except StripeRefused as error:
        if not error.missing:
            raise
