"""The specification of our webhook endpoint, differences from it, and repairs in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .endpoint_state import OLD_SECRET_FOR
from .gateway import API_VERSION

EVENTS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "invoice.paid",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice.finalization_failed",
    "invoice.overpaid",
    "invoice_payment.paid",
    "charge.refunded",
)


def changes_for(endpoint: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return the parameters that bring an endpoint back to the specification; empty if it conforms."""
    changes: dict[str, Any] = {}
    if endpoint["url"] != url:
        changes["url"] = url
    if not {*EVENTS} <= {*endpoint["enabled_events"]} and "*" not in endpoint["enabled_events"]:
        changes["enabled_events"] = list(EVENTS)
    if endpoint["status"] != "enabled":
        changes["disabled"] = False
    return changes


_CHANGED = {
    "url": "The webhook endpoint delivered to another address; it delivers to this host's again.",
    "enabled_events": "The webhook endpoint was not subscribed to every event; it is again.",
    "disabled": "The webhook endpoint had been disabled; it is enabled again.",
}
_REPLACED = {
    "missing": "The webhook endpoint was gone; it was made anew.",
    "secret": "The webhook endpoint's secret was lost; another endpoint took its place.",
    "version": f"The webhook endpoint spoke {{version}}; one that speaks {API_VERSION} took its place.",
    "asked": "The webhook secret was rolled; what was signed with the old one is taken for {days} more days.",
    "refused": "Webhooks came with a wrong signature, as if somebody had rolled the secret in the Stripe Dashboard; "
    "another endpoint took its place.",
}


def repairs_in_words(seen: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each repair."""
    if seen["replace"]:
        facts = {"version": seen["version"] or "the account's version", "days": OLD_SECRET_FOR.days}
        return [_REPLACED[seen["replace"]].format(**facts)]
    return [sentence for name, sentence in _CHANGED.items() if name in seen["changes"]]
