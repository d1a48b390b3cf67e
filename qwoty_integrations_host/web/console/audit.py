"""The audit log: who did what, and which fields changed, without values."""

from __future__ import annotations

from flask import render_template, request, url_for

from ...reports.audit import list_audit
from ..auth import the_host
from .access_control import blueprint, session
from .runs import PAGE


@blueprint.get("/audit")
def audit() -> str:
    """List the workspace's audit log, newest first."""
    after = request.args.get("after") or None
    page = list_audit(the_host().store, session().workspace, limit=PAGE * 2, after=after)
    following = url_for("console.audit", after=page["data"][-1]["id"]) if page["has_more"] else None
    return render_template("console/audit.html", entries=page["data"], following=following, first_page=not after)
