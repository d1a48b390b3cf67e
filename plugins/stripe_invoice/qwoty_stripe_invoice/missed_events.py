"""Events that Stripe could not deliver, where the key may read events."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, PermissionMissing, WebhookEvent

from .drift import EVENTS
from .endpoint_state import KeptEndpoint
from .gateway import Gateway
from .whose import about, quote_of, thing_of

#: How many one upkeep looks at; the next one goes on there.
EVENTS_A_RUN = 500
#: Stripe lists the events of thirty days.
_OLDEST = 30 * 24 * 3600
#: Looked at twice, since Stripe's clock is not ours: an event that is known is nothing new.
_OVERLAP = 3600


def look_at_events(ctx: HookContext, stripe: Gateway) -> Mapping[str, Any]:
    """Find events of our quotes that were not delivered since the last look.

    Gives ``readable`` (whether the key may), ``events``, and ``next``, which is for ``events_seen``.
    """
    found: Mapping[str, Any] = ctx.step(
        f"missed_events:{stripe.account}", lambda attempt: _undelivered(ctx, stripe, attempt)
    )
    return found


def events_seen(ctx: HookContext, account: str, following: Mapping[str, Any]) -> None:
    """Let the next look begin where this one ended; only once everything found is safe in finished steps."""
    ctx.step(f"missed_events.seen:{account}", lambda _: _seen_until(ctx, account, following))


def _seen_until(ctx: HookContext, account: str, following: Mapping[str, Any]) -> None:
    ctx.state.set(f"missed_events:{account}", dict(following))
    if following["gap"] and following["before"] is None:
        KeptEndpoint(ctx, account).forget_gap()


def _undelivered(ctx: HookContext, stripe: Gateway, attempt: Attempt) -> dict[str, Any]:
    now = int(ctx.clock.now().timestamp())
    last: dict[str, Any] = {"since": now - _OLDEST, "before": None, "then": now}
    last |= ctx.state.get(f"missed_events:{stripe.account}") or {}
    gap = KeptEndpoint(ctx, stripe.account).had_gap
    if gap and not last.get("gap"):
        last["before"] = None  # what was looked at before it was known has to be looked at again
    # Stripe calls delivered what no endpoint was there for.
    undelivered = {} if gap else {"delivery_success": False}
    created = {"gte": last["since"] - _OVERLAP, **({"lte": last["before"]} if last["before"] else {})}
    params = {"types": list(EVENTS), "created": created, **undelivered}
    pages = stripe.pages(attempt, lambda v1, p: v1.events.list(params=p), params)
    try:
        events = list(islice(pages, EVENTS_A_RUN))
    except PermissionMissing:
        return {"readable": False, "events": [], "next": None}
    then = last["then"] if last["before"] else now
    done = {"since": then, "before": None, "then": now, "gap": gap}
    if len(events) == EVENTS_A_RUN:
        oldest = events[-1]["created"]
        # Always further back, however many came in one second.
        before = oldest - 1 if oldest == last["before"] else oldest
        done = {**last, "before": before, "then": then, "gap": gap}
    whose = ((event, quote_of(ctx, event)) for event in events)
    ours = [{"quote_id": quote_id, "event": _slim(event)} for event, quote_id in whose if quote_id]
    return {"readable": True, "events": ours, "next": done}


def _slim(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: event[name] for name in ("id", "type", "livemode")}, **about(thing_of(event))}


def as_delivered(account: str, found: Mapping[str, Any]) -> WebhookEvent:
    """What ``authenticate_webhook`` would have given for it."""
    event = found["event"]
    return WebhookEvent(event["id"], event["type"], event, found["quote_id"], account=account)
