"""Events: every change of state is recorded and passed to the webhook deliveries."""

from __future__ import annotations

import copy

from stripe_simulator.ids import new_id
from stripe_simulator.lists import created_within, newest_first, page
from stripe_simulator.state import API_VERSION, Call, Json

#: How long events are listed, in seconds.
LISTED_SECONDS = 30 * 24 * 3600


def emit(call: Call, event_type: str, snapshot: Json, *, before: Json | None = None) -> Json:
    """Record an event with the object's present state and its previous values."""
    changed = {} if before is None else {"previous_attributes": before}
    event: Json = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.now(),
        "data": {"object": copy.deepcopy(snapshot), **changed},
        "livemode": call.state.livemode,
        "pending_webhooks": 0,
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": event_type,
    }
    call.state.events[event["id"]] = event
    call.world.publish(call.state, event)
    return event


def list_events(call: Call) -> Json:
    oldest = call.now() - LISTED_SECONDS
    listed = [event for event in newest_first(call.state.events.values()) if event["created"] >= oldest]
    return page([event for event in listed if _wanted(event, call.params)], call.params, call.path)


def _wanted(event: Json, params: Json) -> bool:
    types = set(params.get("types", []))
    if "type" in params:
        types.add(params["type"])
    delivered = params.get("delivery_success")
    return (
        (not types or event["type"] in types)
        and (delivered is None or delivered == (event["pending_webhooks"] == 0))
        and created_within(event, params.get("created"))
    )


def retrieve(call: Call) -> Json:
    return call.in_path("events", "event")
