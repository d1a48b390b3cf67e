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

blueprint = Blueprint("webhooks", "What the services tell the host.")


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    result = fields.String(
        load_default=None,
        validate=validate.OneOf(RESULTS),
        metadata={"description": "`duplicate`: events that were delivered more than once."},
    )
    plugin = fields.String(load_default=None)
    type = fields.String(load_default=None, metadata={"description": "The service's word, such as `invoice.paid`."})


class DeliverySchema(ResponseSchema):
    """An event of a service, stored once however often it is delivered; or what was refused on one day, and why."""

    id = text("The service's; of refused deliveries the host's.")
    result = text(enum=["verified", "refused"])
    type = text("The service's word.", nullable=True)
    plugin = text()
    account = text("Which of the service's accounts it came from.", nullable=True)
    received_at = moment("When it was first delivered.")
    last_at = moment("When it was last delivered.")
    times = integer("How often it was delivered; an event that only an upkeep found was not.")
    reason = text("Why it was refused, in a word for machines.", nullable=True)
    found = flag("Nobody delivered it: an upkeep found it.")
    kept = flag("Whether its body is still there, so that it can be replayed.")
    run_id = text("The run that works it; none when it concerns no quote of ours.", nullable=True)
    run_status = text(nullable=True)


class LastUpkeepSchema(ResponseSchema):
    """When somebody last looked after an endpoint, and what came of it."""

    run_id = text()
    status = text()
    created_at = moment()
    finished_at = moment(nullable=True)
    error = one(RunErrorSchema, nullable=True)
    notes = texts("Sentences for people.")


class EndpointSchema(ResponseSchema):
    """Where a service delivers to."""

    plugin = text()
    account = text("Which of the service's accounts.")
    mode = text("The service's word: test, live.")
    endpoint_id = text("The service's.")
    url = text("Without the middle of its token.")
    last_event_at = moment("When the last event was delivered.", nullable=True)
    last_event_age = integer("How long ago, in seconds.", nullable=True)
    last_upkeep = one(LastUpkeepSchema, nullable=True)


@blueprint.get("/workspaces/<workspace>/webhooks/endpoints")
@blueprint.response(200, list_of(EndpointSchema))
def list_endpoints(workspace: str) -> dict[str, Any]:
    """Show each webhook endpoint, its last event, and when it was last looked after"""
    return whole(the_host().upkeep.status(workspace)["data"])


@blueprint.get("/workspaces/<workspace>/webhooks/deliveries")
@blueprint.arguments(DeliveryQuery, location="query")
@blueprint.response(200, list_of(DeliverySchema))
def get_deliveries(query: dict[str, Any], workspace: str) -> dict[str, Any]:
    """List what was delivered, newest first: events, and refused deliveries"""
    after = query.pop("starting_after")
    return list_deliveries(the_host().store, workspace, after=after, **query)


@blueprint.post("/workspaces/<workspace>/webhooks/deliveries/<plugin>/<event_id>/replay")
@blueprint.response(202, RunSchema)
def replay_delivery(workspace: str, plugin: str, event_id: str) -> dict[str, Any]:
    """Work a stored event again, by its own run"""
    host = the_host()
    return find_run(host.store, host.runs.replay(workspace, plugin, event_id))
