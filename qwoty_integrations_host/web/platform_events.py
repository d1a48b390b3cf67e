"""What a platform tells the host: signed, or with an API key; stored with what it causes, then answered."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from ..platform import signatures
from .auth import require_key_for, the_host

blueprint = Blueprint("platform_events", __name__)


@blueprint.post("/v1/workspaces/<workspace>/events")
def receive(workspace: str) -> Response:
    """202 when the event caused something new, 200 when it is known or ignored; 401 without a proof of who it is."""
    events, body = the_host().platform_events, request.get_data()
    if signatures.SIGNATURE in request.headers:
        # Who signs is judged by the signature alone: a wrong one is not mended by a key.
        event_id = events.authenticate(workspace, dict(request.headers), body)
    else:
        require_key_for(workspace)
        event_id = request.headers.get(signatures.ID, "")
    found = events.receive(workspace, body, event_id)
    answer = jsonify(found.body)
    answer.status_code = 202 if found.is_new else 200
    return answer
