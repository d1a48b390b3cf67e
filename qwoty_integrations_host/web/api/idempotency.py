"""``Idempotency-Key``: a request's effect and its response are stored in one transaction.

Concurrent requests under one key wait for each other. A request that is rejected or fails stores nothing, so a
corrected one may use the same key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, current_app, request

from ...errors import FieldProblem, InvalidInput
from ...redaction import redacted_json
from ...store import idempotency as idempotency_table
from ..auth import the_host

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
_KEY = re.compile(r"[!-~]{1,255}")


def run_once(workspace: str, view: Callable[[], Any], hidden: Sequence[str]) -> Response:
    """Return the view's response, or the stored one of the first request under this key.

    ``hidden`` fields of the response are not stored. Raises: InvalidInput for another request under the same key.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return current_app.make_response(view())
    if not _KEY.fullmatch(key):
        problem = FieldProblem((HEADER,), "Needs 1 to 255 visible ASCII characters.")
        raise InvalidInput("This is no idempotency key.", [problem])
    host = the_host()
    with host.store.write() as db:
        if not idempotency_table.begin(db, workspace, key, _digest(), host.clock.now()):
            return _replay(idempotency_table.find(db, workspace, key))
        response = current_app.make_response(view())
        idempotency_table.keep(db, workspace, key, response.status_code, _body_to_store(response, hidden))
    return response


def _digest() -> str:
    # A keyed hash, since bodies contain secrets.
    parts = (request.method, request.full_path, request.get_data().decode("latin-1"))
    return the_host().vault.fingerprint("\n".join(parts))


def _body_to_store(response: Response, hidden: Sequence[str]) -> str:
    body = response.get_json()
    return redacted_json({**body, **{name: None for name in hidden if name in body}})


def _replay(row: Any) -> Response:
    if row["digest"] != _digest():
        problem = FieldProblem((HEADER,), "Was sent with another request before.")
        raise InvalidInput("An idempotency key is for one request.", [problem], hint="Send this one under a new key.")
    response = Response(row["body"], row["status"], mimetype="application/json")
    response.headers[REPLAYED] = "true"
    return response
