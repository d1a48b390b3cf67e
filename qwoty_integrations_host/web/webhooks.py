"""What remote services tell the host: authenticated over the raw bytes, stored, answered, worked later."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from ..contract.hook_types import WebhookRequest
from ..metrics import WEBHOOKS
from ..observability.logs import log_context
from .auth import note_proof, the_host

blueprint = Blueprint("webhook_intake", __name__)
MAX_WEBHOOK_BYTES = 512_000


@blueprint.post("/webhooks/<plugin>/<workspace>/<token>")
def receive(plugin: str, workspace: str, token: str) -> Response:
    """200 when stored, a duplicate, or nothing of ours; 400 forged or garbled; 404 unknown; 413 too large."""
    if (request.content_length or 0) > MAX_WEBHOOK_BYTES:
        raise RequestEntityTooLarge
    body = request.get_data()
    if len(body) > MAX_WEBHOOK_BYTES:
        raise RequestEntityTooLarge
    found = WebhookRequest(token, body, dict(request.headers))
    host = the_host()
    with log_context(workspace=workspace, plugin=plugin):
        result = "refused"
        try:
            result = host.runs.receive_webhook(workspace, plugin, found)
            note_proof()
        finally:
            # Anybody may call any address: only names that there are become labels.
            WEBHOOKS.labels(plugin if host.plugins.is_loaded(plugin) else "(unknown)", result).inc()
    return jsonify({"received": result})
