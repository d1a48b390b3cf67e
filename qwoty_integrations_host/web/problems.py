"""Errors as RFC 9457 answers (``application/problem+json``), everywhere the same, with a pointer per field.

Whatever has the shape of a secret is taken out, since names of fields and ids come from the caller.
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
#: When to come again while the host cannot do its work.
RETRY_AFTER_SECONDS = 30
_KEPT_HEADERS = {"allow", "www-authenticate", "retry-after"}
log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Let every error of the app be answered as a problem."""
    app.register_error_handler(IntegrationError, of_ours)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(Exception, _hide)


def of_ours(error: Exception) -> Response:
    """The answer to an error of our tree."""
    assert isinstance(error, IntegrationError)
    extra: dict[str, Any] = {}
    if isinstance(error, InvalidInput):
        extra["errors"] = [{"pointer": p.pointer, "detail": p.message} for p in error.problems]
    answer = problem(error.http_status, error.title, detail=error.hint, code=error.code, **extra)
    if answer.status_code == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def of_http(error: Exception) -> Response:
    """The answer to an error of HTTP itself, or of arguments that a schema refused."""
    assert isinstance(error, HTTPException)
    refused = getattr(error, "data", {}).get("messages")
    if refused:
        pointers = [
            {"pointer": FieldProblem(path, "").pointer, "detail": sentence}
            for messages in refused.values()
            for path, sentence in _flat(messages)
        ]
        return problem(422, "The request is not valid.", code=InvalidInput.default_code, errors=pointers)
    answer = problem(error.code or 500, error.name, detail=error.description or "")
    for name, value in error.get_headers():
        if name.lower() in _KEPT_HEADERS:
            answer.headers[name] = value
    return answer


def _flat(messages: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each (path, sentence) of marshmallow's nested messages."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _flat(inner, path if name == "_schema" else (*path, str(name)))
    else:
        yield path, " ".join(messages)


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
    return Response(redacted_json(body) + "\n", status, mimetype=MIMETYPE)
