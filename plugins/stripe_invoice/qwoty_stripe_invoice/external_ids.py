"""The one place for an accounting system's id on a contact or a tax: Stripe's, or another system's."""

from __future__ import annotations

import re

from qwoty_integrations_host import HookContext


def is_of_stripe(external_id: str | None, prefix: str) -> bool:
    """Whether an external id can be one of Stripe's, ``cus_`` or ``txr_`` by its prefix."""
    return bool(re.fullmatch(rf"{prefix}[A-Za-z0-9_]+", external_id or ""))


def save(ctx: HookContext, kind: str, entity_id: str, *, there: str | None, found: str, quote_id: str) -> list[str]:
    """Save ``found``, Stripe's id, on a contact or tax where ``there`` is saved. Call it inside a step.

    Another system's id is left as it is; the runs of the first quote that meets it say so.
    """
    if there and not is_of_stripe(there, found[:4]):
        place = f"not_stripes:{kind}:{entity_id}"
        said = ctx.state.get(place)
        if said is None:
            ctx.state.set(place, quote_id)
        if said not in (None, quote_id):
            return []
        return [f"The accounting id of {kind} {entity_id!r} is another system's; it is left as it is."]
    if there != found:
        ctx.platform.save_external_id(kind, entity_id, found)
    return []
