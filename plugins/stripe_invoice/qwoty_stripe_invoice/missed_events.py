"""Events that Stripe could not deliver, if the key may read events."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, PermissionMissing, WebhookEvent

from .endpoint_spec import EVENTS
from .endpoint_state import KeptEndpoint
from .event_routing import object_of, quote_id_of, trimmed
from .work import Work

#: The most events that one upkeep reads; the next one goes on from there.
EVENTS_A_RUN = 500
#: Stripe lists the events of thirty days, in seconds.
_OLDEST = 30 * 24 * 3600
#: Seconds that are read twice, since Stripe's clock is not ours; known events are not handled again.
_OVERLAP = 3600


def look_at_events(work: Work) -> Mapping[str, Any]:
    """Find events of our quotes that were not delivered since the last look.

    Returns ``readable`` (whether the key may read events), ``events``, and ``next``, the argument of ``events_seen``.
    """
    look: Mapping[str, Any] = work.ctx.step(
        f"missed_events:{work.stripe.account}", lambda attempt: _undelivered(work, attempt)
    )
    return look


def events_seen(ctx: HookContext, account: str, following: Mapping[str, Any]) -> None:
    """Save where the next look begins. Call it after everything that was found is recorded in steps."""
    ctx.step(f"missed_events.seen:{account}", lambda _: _seen_until(ctx, account, following))


def _seen_until(ctx: HookContext, account: str, following: Mapping[str, Any]) -> None:
    ctx.state.set(f"missed_events:{account}", dict(following))
    if following["gap"] and following["before"] is None:
        KeptEndpoint(ctx, account).forget_gap()


def _undelivered(work: Work, attempt: Attempt) -> dict[str, Any]:
    now = int(work.ctx.clock.now().timestamp())
    last: dict[str, Any] = {"since": now - _OLDEST, "before": None, "then": now}
    last |= work.ctx.state.get(f"missed_events:{work.stripe.account}") or {}
    gap = KeptEndpoint(work.ctx, work.stripe.account).had_gap
    if gap and not last.get("gap"):
        last["before"] = None  # read again what was read before the gap was known
    # An event that no endpoint subscribed to counts as delivered: read all events after a gap.
    undelivered = {} if gap else {"delivery_success": False}
    created = {"gte": last["since"] - _OVERLAP, **({"lte": last["before"]} if last["before"] else {})}
    params = {"types": list(EVENTS), "created": created, **undelivered}
    pages = work.stripe.pages(attempt, lambda v1, p: v1.events.list(params=p), params)
    try:
        events = list(islice(pages, EVENTS_A_RUN))
    except PermissionMissing:
        return {"readable": False, "events": [], "next": None}
    then = last["then"] if last["before"] else now
    done = {"since": then, "before": None, "then": now, "gap": gap}
    if len(events) == EVENTS_A_RUN:
        oldest = events[-1]["created"]
        # If all events of this look are of one second, go on with the second before it. Otherwise the next look would
        # read the same events.
        before = oldest - 1 if oldest == last["before"] else oldest
        done = {**last, "before": before, "then": then, "gap": gap}
    routed = ((event, quote_id_of(work.ctx, event)) for event in events)
    ours = [{"quote_id": quote_id, "event": _slim(event)} for event, quote_id in routed if quote_id]
    return {"readable": True, "events": ours, "next": done}


def _slim(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: event[name] for name in ("id", "type", "livemode")}, **trimmed(object_of(event))}


def as_delivered(account: str, missed: Mapping[str, Any]) -> WebhookEvent:
    """Return the event as ``authenticate_webhook`` would have returned it."""
    event = missed["event"]
    return WebhookEvent(event["id"], event["type"], event, missed["quote_id"], account=account)
