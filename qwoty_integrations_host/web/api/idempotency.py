"""``Idempotency-Key``: what a request does and its answer are kept in one transaction, so both or neither are there.

Two requests under one key at once wait for each other; a request that was refused or failed keeps nothing, so that it
can be sent again, corrected, under the same key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, current_app, request

from ...errors import FieldProblem, InvalidInput
from ...redaction import redacted_json
from ...store import idempotency as rows
from ..auth import the_host

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
_KEY = re.compile(r"[!-~]{1,255}")


def answered_once(workspace: str, view: Callable[[], Any], hidden: Sequence[str]) -> Response:
    """Give the view's answer, or the one that was kept when the request came under this key before.

    ``hidden`` fields of the answer are not kept. Raises: InvalidInput for another request under the same key.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return current_app.make_response(view())
    if not _KEY.fullmatch(key):
        problem = FieldProblem((HEADER,), "Needs 1 to 255 visible ASCII characters.")
        raise InvalidInput("This is no idempotency key.", [problem])
    host = the_host()
    with host.store.write() as db:
        if not rows.begin(db, workspace, key, _digest(), host.clock.now()):
            return _replay(rows.find(db, workspace, key))
        answer = current_app.make_response(view())
        rows.keep(db, workspace, key, answer.status_code, _kept(answer, hidden))
    return answer


def _digest() -> str:
    # Keyed, since bodies hold secrets.
    parts = (request.method, request.full_path, request.get_data().decode("latin-1"))
    return the_host().vault.fingerprint("\n".join(parts))


def _kept(answer: Response, hidden: Sequence[str]) -> str:
    body = answer.get_json()
    return redacted_json({**body, **{name: None for name in hidden if name in body}})


def _replay(row: Any) -> Response:
    if row["digest"] != _digest():
        problem = FieldProblem((HEADER,), "Was sent with another request before.")
        raise InvalidInput("An idempotency key is for one request.", [problem], hint="Send this one under a new key.")
    answer = Response(row["body"], row["status"], mimetype="application/json")
    answer.headers[REPLAYED] = "true"
    return answer
