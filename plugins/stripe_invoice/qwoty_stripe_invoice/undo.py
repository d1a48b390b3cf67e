"""Undo what a run made: delete the draft, expire unpaid links. A final invoice stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import HookContext, Outcome, Quote

from .taking_back import TakingBack, was_made

_NOTHING = "There is no invoice of this quote to take back."


def undo_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Delete the draft, or expire the open links; the outcome says what only a person can do."""
    if not was_made(ctx, quote.id):
        return Outcome.skipped(_NOTHING)
    made = TakingBack(ctx, quote)
    facts = made.look()
    if facts["invoice"] is None or facts["status"] == "draft":
        if gone := made.delete_draft():
            return Outcome.done(*gone, "Accepted again, the quote is invoiced anew.")
        facts = made.look("found.again")
    if facts["invoice"] is None:
        return Outcome.skipped(_NOTHING)
    closed = made.close_links()
    facts = made.look("invoice.after") if closed else facts
    return Outcome.done(*closed, _what_stays(facts))


def _what_stays(facts: Mapping[str, Any]) -> str:
    invoice, status = facts["name"], facts["status"]
    if facts["is_voidable"]:
        return f"Invoice {invoice} is final and stays open: void it if nobody is to pay it."
    return f"Invoice {invoice} is {status}: what else is to be taken back, a person does in the Stripe Dashboard."
