"""What the platform tells: signed, or with an API key; stored with what it causes, then answered."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, fields

from ...platform import signatures
from ..auth import note_proof, note_use, require_key_for, the_host
from .blueprint import Blueprint, proves_itself
from .fields import Answer, many, text
from .quote_schemas import StartedRunSchema

blueprint = Blueprint("events", "What the platform tells of its quotes.")


class PlatformEventSchema(Schema):
    """An event that names a quote, or holds it."""

    event_type = fields.String(required=True, metadata={"description": "Such as `quote.accepted`."})
    id = fields.String(metadata={"description": "The quote's; not needed where the quote itself is there."})
    quote = fields.Raw(metadata={"description": "The canonical quote. Without it, the quote is fetched."})


class TakenSchema(Answer):
    """What an event caused."""

    id = text("The event's: its `webhook-id`, or one that the host made.")
    event_type = text()
    status = text("What became of it.", enum=["accepted", "cancelled", "queued", "ignored"])
    quote_id = text(nullable=True)
    note = fields.String(metadata={"description": "There when a person should know why nothing came of it."})
    runs = many(StartedRunSchema, "Those of the quote; where it is to be fetched, the run that does so.")


def _header(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


_HEADERS = [
    _header(signatures.ID, "The event's id: sent again, it does nothing twice and gets the first answer."),
    _header(signatures.TIMESTAMP, "Seconds since 1970; at most five minutes from now."),
    _header(signatures.SIGNATURE, "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64 (Standard Webhooks)."),
]
#: Only described: the signature is over the raw bytes, and numbers must not pass through a float.
_BODY = {"required": True, "content": {"application/json": {"schema": PlatformEventSchema}}}


@blueprint.post("/workspaces/<workspace>/events")
@blueprint.doc(requestBody=_BODY, parameters=_HEADERS, security=[{}, {"bearer": ["write"]}])
@blueprint.response(202, TakenSchema)
@blueprint.alt_response(200, schema=TakenSchema, description="The event is known, ignored, or changed nothing.")
@proves_itself
def receive_event(workspace: str) -> Response:
    """Take an event: 202 when it caused something new, 200 when not, 401 without signature and API key"""
    events, body = the_host().platform_events, request.get_data()
    if signatures.SIGNATURE in request.headers:
        # Who signs is judged by the signature alone: a wrong one is not mended by a key.
        event_id = events.authenticate(workspace, dict(request.headers), body)
        note_proof()
    else:
        require_key_for(workspace, "write")
        event_id = request.headers.get(signatures.ID, "")
    found = events.receive(workspace, body, event_id)
    note_use()
    answer = jsonify(found.body)
    answer.status_code = 202 if found.is_new else 200
    return answer
