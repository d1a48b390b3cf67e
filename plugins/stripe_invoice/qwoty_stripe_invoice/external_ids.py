"""The accounting id on a contact or a tax: one field, which holds Stripe's id or another system's."""

from __future__ import annotations

import re

from qwoty_integrations_host import HookContext


def is_of_stripe(external_id: str | None, prefix: str) -> bool:
    """Whether an external id has the form of Stripe's ids with this prefix (``cus_``, ``txr_``)."""
    return bool(re.fullmatch(rf"{prefix}[A-Za-z0-9_]+", external_id or ""))


def save(ctx: HookContext, kind: str, entity_id: str, *, there: str | None, found: str, quote_id: str) -> list[str]:
    """Save Stripe's id ``found`` on a contact or tax whose present id is ``there``. Call it inside a step.

    Another system's id is not overwritten. A note says so, but only in the runs of the first quote with this id.
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
