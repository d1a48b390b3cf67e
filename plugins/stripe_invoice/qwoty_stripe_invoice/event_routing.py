"""Route an event of Stripe: to the object that it is about, and to the quote that the object belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import HookContext

#: The fields of an event's object that are kept; whoever acts on the event fetches the object again.
_NEEDED = (
    "id object metadata status payment_status payment_intent client_reference_id invoice payment currency amount "
    "amount_total amount_refunded"
).split()
#: The most characters of a quote's id; a metadata value may be longer.
_LONGEST_ID = 255


def trimmed(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``data`` of an event about this object, with the needed fields only."""
    return {"data": {"object": {name: thing[name] for name in _NEEDED if name in thing}}}


def object_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that an event is about, in its state at that time."""
    data = event.get("data")
    thing = data.get("object") if isinstance(data, Mapping) else None
    return thing if isinstance(thing, Mapping) else {}


def is_charge(thing: Mapping[str, Any]) -> bool:
    """Whether the object is a charge: it names a payment, but no invoice."""
    return thing.get("object") == "charge"


def invoice_id_of(thing: Mapping[str, Any]) -> str | None:
    """Return the id of the invoice that an event's object belongs to."""
    if thing.get("object") == "invoice":
        return thing.get("id")
    return thing.get("client_reference_id") if thing.get("object") == "checkout.session" else thing.get("invoice")


def quote_id_of(ctx: HookContext, event: Mapping[str, Any]) -> str | None:
    """Return the id of the quote that an event belongs to; None if it is not about one of ours."""
    thing = object_of(event)
    metadata = thing.get("metadata") or {}
    quote_id = str(metadata.get("qwoty_quote_id") or "")
    if is_charge(thing) and not thing.get("payment_intent"):
        return None  # every charge of ours belongs to a PaymentIntent
    if metadata.get("qwoty_workspace") == ctx.workspace and 0 < len(quote_id) <= _LONGEST_ID:
        return quote_id
    name = f"payment:{thing.get('payment_intent')}" if is_charge(thing) else f"invoice:{invoice_id_of(thing)}"
    found: str | None = (ctx.state.get(name) or {}).get("quote_id")
    return found
