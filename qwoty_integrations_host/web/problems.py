"""Errors as RFC 9457 responses (``application/problem+json``), with a JSON pointer per field.

Field names and ids come from the caller, so text that looks like a secret is redacted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from ..errors import FieldProblem, IntegrationError, InvalidInput
from ..redaction import redacted_json

MIMETYPE = "application/problem+json"
#: The Retry-After of a 503.
RETRY_AFTER_SECONDS = 30
_KEPT_HEADERS = {"allow", "www-authenticate", "retry-after"}
log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Answer every error of the app with a problem response."""
    app.register_error_handler(IntegrationError, integration_error_response)
    app.register_error_handler(HTTPException, http_error_response)
    app.register_error_handler(Exception, _crash_response)


def integration_error_response(error: Exception) -> Response:
    """Return the response to an ``IntegrationError``."""
    assert isinstance(error, IntegrationError)
    extra: dict[str, Any] = {}
    if isinstance(error, InvalidInput):
        extra["errors"] = [{"pointer": p.pointer, "detail": p.message} for p in error.problems]
    response = problem(error.http_status, error.title, detail=error.hint, code=error.code, **extra)
    if response.status_code == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def http_error_response(error: Exception) -> Response:
    """Return the response to an HTTP error, or to arguments that a schema rejects."""
    assert isinstance(error, HTTPException)
    rejected = getattr(error, "data", {}).get("messages")
    if rejected:
        pointers = [
            {"pointer": FieldProblem(path, "").pointer, "detail": sentence}
            for messages in rejected.values()
            for path, sentence in _flat(messages)
        ]
        return problem(422, "The request is not valid.", code=InvalidInput.default_code, errors=pointers)
    response = problem(error.code or 500, error.name, detail=error.description or "")
    for name, value in error.get_headers():
        if name.lower() in _KEPT_HEADERS:
            response.headers[name] = value
    return response


def _flat(messages: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each (path, sentence) of marshmallow's nested messages."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _flat(inner, path if name == "_schema" else (*path, str(name)))
    else:
        yield path, " ".join(messages)


def _crash_response(error: Exception) -> Response:
    log.error("web.crashed", exc_info=error)
    return problem(500, "The host could not answer.", detail="Its log says why; nothing was half-done.")


def problem(status: int, title: str, *, detail: str = "", **extra: Any) -> Response:
    """Return an RFC 9457 response."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        **({"detail": detail} if detail else {}),
        **extra,
    }
    return Response(redacted_json(body) + "\n", status, mimetype=MIMETYPE)
