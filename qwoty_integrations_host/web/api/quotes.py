"""Quotes: handing over accepted ones, and what became of them."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema

from ...quote_schema import QuoteSchema, parse_json
from ...store import runs as rows
from ..auth import the_host
from .blueprint import Blueprint
from .fields import flag, many, text

blueprint = Blueprint("quotes", "Accepted quotes, and what became of them.")

#: Only described: numbers of the document must not pass through a float, so it is read by ``parse_json``.
_QUOTE = {"required": True, "content": {"application/json": {"schema": QuoteSchema}}}


class StartedRunSchema(Schema):
    """A run that works on the quote."""

    id = text()
    plugin = text()
    status = text()


class AcceptedSchema(Schema):
    """What was started for a quote."""

    quote_id = text()
    duplicate = flag("Whether the quote was here before; the runs are the first's.")
    runs = many(StartedRunSchema)


@blueprint.post("/workspaces/<workspace>/quotes/accepted")
@blueprint.doc(requestBody=_QUOTE)
@blueprint.response(202, AcceptedSchema)
@blueprint.alt_response(200, schema=AcceptedSchema, description="The quote was here before.")
def accept_quote(workspace: str) -> Response:
    """Take an accepted quote: 202 when it is new, 200 when it was here before"""
    host = the_host()
    accepted = host.runs.accept(workspace, parse_json(request.get_data()))
    with host.store.read() as db:
        found = [rows.find(db, run_id) for run_id in accepted.run_ids]
    runs: list[dict[str, Any]] = [
        {"id": row["id"], "plugin": row["plugin"], "status": row["status"]} for row in found if row
    ]
    answer = jsonify({"quote_id": accepted.quote_id, "duplicate": accepted.duplicate, "runs": runs})
    answer.status_code = 200 if accepted.duplicate else 202
    return answer
