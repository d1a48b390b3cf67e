"""Whose an event of Stripe is: which of its objects it is about, which quote that belongs to, and which key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import HookContext

#: What is needed of an event's object; the state is fetched afresh by whoever acts on it.
_NEEDED = (
    "id object metadata status payment_status payment_intent client_reference_id invoice payment currency amount "
    "amount_total amount_refunded"
).split()
#: Characters of a quote's id; values of metadata may have more.
_LONGEST_ID = 255


def trimmed(thing: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an event that holds its object, with no more than what is needed of it."""
    return {"data": {"object": {name: thing[name] for name in _NEEDED if name in thing}}}


def object_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that an event is about, as it was then."""
    data = event.get("data")
    thing = data.get("object") if isinstance(data, Mapping) else None
    return thing if isinstance(thing, Mapping) else {}


def is_charge(thing: Mapping[str, Any]) -> bool:
    """Whether the object is a charge, which names no invoice."""
    return thing.get("object") == "charge"


def invoice_id_of(thing: Mapping[str, Any]) -> str | None:
    """The invoice that an object of an event is about."""
    if thing.get("object") == "invoice":
        return thing.get("id")
    return thing.get("client_reference_id") if thing.get("object") == "checkout.session" else thing.get("invoice")


def quote_id_of(ctx: HookContext, event: Mapping[str, Any]) -> str | None:
    """The quote of ours that an event concerns, if any."""
    thing = object_of(event)
    metadata = thing.get("metadata") or {}
    quote_id = str(metadata.get("qwoty_quote_id") or "")
    if is_charge(thing) and not thing.get("payment_intent"):
        return None  # none of our payments was made without one
    if metadata.get("qwoty_workspace") == ctx.workspace and 0 < len(quote_id) <= _LONGEST_ID:
        return quote_id
    name = f"payment:{thing.get('payment_intent')}" if is_charge(thing) else f"invoice:{invoice_id_of(thing)}"
    found: str | None = (ctx.state.get(name) or {}).get("quote_id")
    return found
