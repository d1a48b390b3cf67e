"""Platform events: authenticated by a signature or an API key, stored with their effects, then answered."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, fields

from ...platform import signatures
from ...runs.platform_events import EventStatus
from ..auth import mark_authenticated, record_key_use, require_key_for, the_host
from .blueprint import Blueprint, authenticates_itself
from .fields import ResponseSchema, many, text
from .quote_schemas import StartedRunSchema

blueprint = Blueprint("events", "The platform's events about its quotes.")


class PlatformEventSchema(Schema):
    """An event that names a quote, or contains it."""

    event_type = fields.String(required=True, metadata={"description": "Such as `quote.accepted`."})
    id = fields.String(metadata={"description": "The quote's id; not needed with `quote`."})
    quote = fields.Raw(metadata={"description": "The canonical quote. Without it, the quote is fetched."})


class TakenSchema(ResponseSchema):
    """The effects of an event."""

    id = text("The event's id: its `webhook-id`, or one that the host generated.")
    event_type = text()
    status = text("The result.", enum=[status.value for status in EventStatus])
    quote_id = text(nullable=True)
    note = fields.String(metadata={"description": "Present when a person should know why the event was ignored."})
    runs = many(StartedRunSchema, "The quote's runs; for a quote to be fetched, the run that fetches it.")


def _header(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


_HEADERS = [
    _header(
        signatures.ID, "The event's id. An event that is sent again has no second effect, and gets the first response."
    ),
    _header(signatures.TIMESTAMP, "Seconds since 1970; at most five minutes from now."),
    _header(signatures.SIGNATURE, "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64 (Standard Webhooks)."),
]
#: For the description only: the view reads the raw bytes, which are signed, and parses numbers exactly.
_BODY = {"required": True, "content": {"application/json": {"schema": PlatformEventSchema}}}


@blueprint.post("/workspaces/<workspace>/events")
@blueprint.doc(requestBody=_BODY, parameters=_HEADERS, security=[{}, {"bearer": ["write"]}])
@blueprint.response(202, TakenSchema)
@blueprint.alt_response(200, schema=TakenSchema, description="The event is known, ignored, or changed nothing.")
@authenticates_itself
def receive_event(workspace: str) -> Response:
    """Take an event: 202 when it caused something new, 200 when not, 401 without signature and API key"""
    events, body = the_host().platform_events, request.get_data()
    if signatures.SIGNATURE in request.headers:
        # A signed request is authenticated by its signature alone, even when it also has an API key.
        event_id = events.authenticate(workspace, dict(request.headers), body)
        mark_authenticated()
    else:
        require_key_for(workspace, "write")
        event_id = request.headers.get(signatures.ID, "")
    received = events.receive(workspace, body, event_id)
    record_key_use()
    response = jsonify(received.body)
    response.status_code = 202 if received.is_new else 200
    return response
