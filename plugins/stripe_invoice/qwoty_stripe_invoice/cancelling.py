"""Cancels a quote, and voids its invoice. Drafts and links are removed; a person decides what to do about payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qwoty_integrations_host import HookContext, Outcome, Quote

from .settings import StripeSettings
from .taking_back import TakingBack, was_made

_GIVEN_BACK = (
    "Refund it or write a credit note in the Stripe Dashboard, if it is to be given back: that is a person's decision. "
    "Then dismiss this run."
)
_LATER = "Wait until that payment has ended, then retry this run: it looks again."


def cancel_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Delete the draft, or close the links; void an unpaid invoice if the settings say so, else ask a person."""
    if not was_made(ctx, quote.id):
        return Outcome.skipped("Nothing was made of this quote at Stripe.")
    made = TakingBack(ctx, quote)
    facts = made.look()
    if facts["invoice"] is None or facts["status"] == "draft":
        if gone := made.delete_draft():
            return Outcome.done(*gone)
        facts = made.look("found.again")
    if facts["invoice"] is None:
        return Outcome.skipped("There is no invoice of this quote any more.")
    notes = made.close_links()
    facts = made.look("invoice.after")
    if facts["is_voidable"] and StripeSettings.of(ctx.settings).void_on_cancel:
        made.void(facts["invoice"])
        facts = made.look("invoice.voided")
    return _ended(facts, notes)


def void_invoice(ctx: HookContext, quote: Quote) -> Outcome:
    """Close the links, and void the invoice unless a customer has paid it meanwhile."""
    made = TakingBack(ctx, quote)
    facts = made.look()
    if facts["invoice"] is None or facts["status"] == "draft":
        return Outcome.skipped("There is no final invoice of this quote any more.", *made.delete_draft())
    notes = made.close_links()
    facts = made.look("invoice.after")
    if facts["is_voidable"]:
        made.void(facts["invoice"])
        facts = made.look("invoice.voided")
    return _ended(facts, notes)


def _ended(facts: Mapping[str, Any], notes: Sequence[str]) -> Outcome:
    """Return the outcome for a cancelled quote, by the state of its invoice."""
    invoice, status = facts["name"], facts["status"]
    if status == "void":
        return Outcome.done(*notes, f"Invoice {invoice} is void: nobody can pay it any more.")
    if facts["is_nothing"]:
        return Outcome.done(*notes, f"Nothing was to be paid of invoice {invoice}, so it stays.")
    if facts["is_voidable"]:
        title = f"The quote is cancelled, but invoice {invoice} stays open: the customer can still pay it."
        hint = "Void the invoice: that settles this run, too. Dismiss this run if the customer is to pay it."
        return Outcome.needs_attention("invoice_stays_open", title, *notes, hint=hint)
    if status == "processing":
        title = f"A payment of invoice {invoice} is under way, so it cannot be voided."
        return Outcome.needs_attention("invoice_payment_under_way", title, *notes, hint=_LATER)
    if status == "partially_paid":
        title = f"{facts['paid']} of {facts['total']} of invoice {invoice} are paid, so it cannot be voided."
        return Outcome.needs_attention("invoice_partly_paid", title, *notes, hint=_GIVEN_BACK)
    title = f"Invoice {invoice} over {facts['total']} is paid, so it cannot be voided."
    return Outcome.needs_attention("invoice_is_paid", title, *notes, hint=_GIVEN_BACK)
