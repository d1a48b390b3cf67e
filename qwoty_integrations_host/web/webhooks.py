"""Webhooks from remote services: authenticated over the raw bytes, stored, answered; a run acts on them later."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from ..contract.hook_types import WebhookRequest
from ..observability.logs import log_context
from ..reports.metrics import WEBHOOKS
from .auth import mark_authenticated, the_host

blueprint = Blueprint("webhook_intake", __name__)
MAX_WEBHOOK_BYTES = 512_000


@blueprint.post("/webhooks/<plugin>/<workspace>/<token>")
def receive(plugin: str, workspace: str, token: str) -> Response:
    """Return 200 when stored, duplicate or irrelevant; 400 when forged or malformed; 404 for an unknown URL; 413."""
    if (request.content_length or 0) > MAX_WEBHOOK_BYTES:
        raise RequestEntityTooLarge
    body = request.get_data()
    if len(body) > MAX_WEBHOOK_BYTES:
        raise RequestEntityTooLarge
    webhook = WebhookRequest(token, body, dict(request.headers))
    host = the_host()
    with log_context(workspace=workspace, plugin=plugin):
        result = "refused"
        try:
            result = host.runs.webhooks.receive(workspace, plugin, webhook)
            mark_authenticated()
        finally:
            # Anybody may call any URL, so only the names of loaded plugins become labels.
            WEBHOOKS.labels(plugin if host.plugins.is_loaded(plugin) else "(unknown)", result).inc()
    return jsonify({"received": result})
