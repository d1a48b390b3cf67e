"""The WSGI application of one host."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from ..errors import ActionRefused, HostError, IntegrationError, InvalidInput, MalformedInput, NotFound, WebhookRejected
from ..host import Host
from . import events, pages, platform_events, webhooks

MAX_BODY_BYTES = 2_000_000
#: When to come again while the host cannot do its work.
RETRY_AFTER_SECONDS = 30
log = logging.getLogger(__name__)


def create_app(host: Host) -> Flask:
    """Build the app; it keeps nothing of its own."""
    app = Flask("qwoty_integrations_host", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.extensions["qwoty_host"] = host
    app.register_blueprint(events.blueprint)
    app.register_blueprint(platform_events.blueprint)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_error_handler(IntegrationError, _explain)
    app.register_error_handler(HTTPException, _explain_http)
    app.register_error_handler(Exception, _hide)
    return app


def _explain(error: Exception) -> Response:
    assert isinstance(error, IntegrationError)
    extra: dict[str, Any] = {}
    if isinstance(error, InvalidInput):
        extra["errors"] = [{"pointer": p.pointer, "detail": p.message} for p in error.problems]
    answer = problem(status_of(error), error.title, detail=error.hint, code=error.code, **extra)
    if answer.status_code == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def status_of(error: IntegrationError) -> int:
    """The HTTP status that says what kind of error this is."""
    if isinstance(error, WebhookRejected):
        return error.status
    table: list[tuple[type[IntegrationError], int]] = [
        (MalformedInput, 400),
        (InvalidInput, 422),
        (NotFound, 404),
        (ActionRefused, 409),
        (HostError, 503),
    ]
    return next((status for kind, status in table if isinstance(error, kind)), 500)


def _explain_http(error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.code or 500, error.name, detail=error.description or "")
    for name, value in error.get_headers():
        if name.lower() in {"allow", "www-authenticate", "retry-after"}:
            answer.headers[name] = value
    return answer


def _hide(error: Exception) -> Response:
    log.error("web.crashed", exc_info=error)
    return problem(500, "The host could not answer.", detail="Its log says why; nothing was half-done.")


def problem(status: int, title: str, *, detail: str = "", **extra: Any) -> Response:
    """An RFC 9457 answer."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        **({"detail": detail} if detail else {}),
        **extra,
    }
    answer = jsonify(body)
    answer.status_code = status
    answer.mimetype = "application/problem+json"
    return answer
