"""What the platform tells the host: a quote was accepted."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from ..quote_schema import parse_json
from ..store import runs as rows
from .auth import require_key_for, the_host

blueprint = Blueprint("events", __name__)


@blueprint.post("/v1/workspaces/<workspace>/quotes/accepted")
def quote_accepted(workspace: str) -> Response:
    """Take an accepted quote: 202 when it is new, 200 when it was here before."""
    require_key_for(workspace)
    host = the_host()
    accepted = host.runs.accept(workspace, parse_json(request.get_data()))
    with host.store.read() as db:
        found = [rows.find(db, run_id) for run_id in accepted.run_ids]
    runs = [{"id": row["id"], "plugin": row["plugin"], "status": row["status"]} for row in found if row]
    answer = jsonify({"quote_id": accepted.quote_id, "duplicate": accepted.duplicate, "runs": runs})
    answer.status_code = 200 if accepted.duplicate else 202
    return answer
