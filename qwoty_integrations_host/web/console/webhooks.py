"""What the services said: deliveries, and working one again."""

from __future__ import annotations

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from ...reports import list_deliveries
from ..auth import the_host
from .guard import blueprint, go_to, session
from .runs import PAGE


@blueprint.get("/webhooks")
def webhooks() -> str:
    """The endpoints, and the events that were received, newest first."""
    host, workspace = the_host(), session().workspace
    after = request.args.get("after") or None
    found = list_deliveries(host.store, workspace, limit=PAGE, after=after)
    following = url_for("console.webhooks", after=found["data"][-1]["id"]) if found["has_more"] else None
    endpoints = host.upkeep.status(workspace)["data"]
    return render_template(
        "console/webhooks.html", events=found["data"], endpoints=endpoints, following=following, first_page=not after
    )


@blueprint.post("/webhooks/<plugin>/<event_id>/replay")
def replay(plugin: str, event_id: str) -> Response:
    """Work a stored event again, by its own run."""
    run_id = the_host().runs.replay(session().workspace, plugin, event_id)
    return go_to(url_for("console.run", run_id=run_id))
