"""The audit log: who did what, and which fields changed; never a value."""

from __future__ import annotations

from flask import render_template, request, url_for

from ...reports.shapes import list_audit
from ..auth import the_host
from .guard import blueprint, session
from .runs import PAGE


@blueprint.get("/audit")
def audit() -> str:
    """What was done in this workspace, newest first."""
    after = request.args.get("after") or None
    found = list_audit(the_host().store, session().workspace, limit=PAGE * 2, after=after)
    following = url_for("console.audit", after=found["data"][-1]["id"]) if found["has_more"] else None
    return render_template("console/audit.html", entries=found["data"], following=following, first_page=not after)
