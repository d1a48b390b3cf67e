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
    found = made.look()
    if found["invoice"] is None or found["status"] == "draft":
        if gone := made.delete_draft():
            return Outcome.done(*gone, "Accepted again, the quote is invoiced anew.")
        found = made.look("found.again")
    if found["invoice"] is None:
        return Outcome.skipped(_NOTHING)
    closed = made.close_links()
    found = made.look("invoice.after") if closed else found
    return Outcome.done(*closed, _what_stays(found))


def _what_stays(found: Mapping[str, Any]) -> str:
    invoice, status = found["name"], found["status"]
    if found["is_voidable"]:
        return f"Invoice {invoice} is final and stays open: void it if nobody is to pay it."
    return f"Invoice {invoice} is {status}: what else is to be taken back, a person does in the Stripe Dashboard."
