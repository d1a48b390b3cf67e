"""Webhooks: endpoints, deliveries, and replaying an event."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from ...reports.deliveries import list_deliveries
from ...reports.runs import find_run
from ...store.webhooks import RESULTS
from ..auth import the_host
from .blueprint import Blueprint
from .fields import ResponseSchema, flag, integer, moment, one, text, texts
from .lists import PageQuery, list_of, whole
from .run_schemas import RunErrorSchema, RunSchema

blueprint = Blueprint("webhooks", "Webhooks from the services.")


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    result = fields.String(
        load_default=None,
        validate=validate.OneOf(RESULTS),
        metadata={"description": "`duplicate`: events that were delivered more than once."},
    )
    plugin = fields.String(load_default=None)
    type = fields.String(
        load_default=None, metadata={"description": "The service's event type, such as `invoice.paid`."}
    )


class DeliverySchema(ResponseSchema):
    """An event, stored once for all its deliveries; or the rejected webhooks of one day and reason."""

    id = text("The service's id of the event; for rejected webhooks the host's id.")
    result = text(enum=["verified", "refused"])
    type = text("The service's event type.", nullable=True)
    plugin = text()
    account = text("The service's account that sent it.", nullable=True)
    received_at = moment("When it was first delivered.")
    last_at = moment("When it was last delivered.")
    times = integer("The number of deliveries; 0 for an event that only an upkeep found.")
    reason = text("Why it was rejected: a stable error code.", nullable=True)
    found = flag("Whether an upkeep found the event, without any delivery.")
    kept = flag("Whether its body is still stored, so that it can be replayed.")
    run_id = text("The event's run; null when it concerns no quote of the host.", nullable=True)
    run_status = text(nullable=True)


class LastUpkeepSchema(ResponseSchema):
    """The last upkeep of an endpoint."""

    run_id = text()
    status = text()
    created_at = moment()
    finished_at = moment(nullable=True)
    error = one(RunErrorSchema, nullable=True)
    notes = texts("Sentences for people.")


class EndpointSchema(ResponseSchema):
    """A webhook endpoint."""

    plugin = text()
    account = text("The service's account.")
    mode = text("The service's mode: test, live.")
    endpoint_id = text("The service's id of the endpoint.")
    url = text("The endpoint's URL, without the middle of its token.")
    last_event_at = moment("When the last event was delivered.", nullable=True)
    last_event_age = integer("How long ago that was, in seconds.", nullable=True)
    last_upkeep = one(LastUpkeepSchema, nullable=True)


@blueprint.get("/workspaces/<workspace>/webhooks/endpoints")
@blueprint.response(200, list_of(EndpointSchema))
def list_endpoints(workspace: str) -> dict[str, Any]:
    """Show each webhook endpoint, its last event, and its last upkeep"""
    return whole(the_host().upkeep.status(workspace)["data"])


@blueprint.get("/workspaces/<workspace>/webhooks/deliveries")
@blueprint.arguments(DeliveryQuery, location="query")
@blueprint.response(200, list_of(DeliverySchema))
def get_deliveries(query: dict[str, Any], workspace: str) -> dict[str, Any]:
    """List deliveries, newest first: events, and rejected webhooks"""
    after = query.pop("starting_after")
    return list_deliveries(the_host().store, workspace, after=after, **query)


@blueprint.post("/workspaces/<workspace>/webhooks/deliveries/<plugin>/<event_id>/replay")
@blueprint.response(202, RunSchema)
def replay_delivery(workspace: str, plugin: str, event_id: str) -> dict[str, Any]:
    """Replay a stored event in a run of its own"""
    host = the_host()
    return find_run(host.store, host.runs.webhooks.replay(workspace, plugin, event_id))
