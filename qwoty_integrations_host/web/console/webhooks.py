"""What the services said: deliveries, and working one again."""

from __future__ import annotations

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from ...reports.shapes import list_deliveries
from ...store.webhooks import RESULTS
from ..auth import the_host
from .guard import blueprint, go_to, session
from .runs import PAGE


@blueprint.get("/webhooks")
def webhooks() -> str:
    """The endpoints, and what was delivered, newest first: events, and what was refused."""
    host, workspace = the_host(), session().workspace
    after, result = request.args.get("after") or None, request.args.get("result")
    result = result if result in RESULTS else None
    # What was refused a moment ago is what somebody looks for who mends an endpoint.
    host.runs.refusals.write_down()
    found = list_deliveries(host.store, workspace, limit=PAGE, after=after, result=result)
    following = None
    if found["has_more"]:
        following = url_for("console.webhooks", result=result, after=found["data"][-1]["id"])
    return render_template(
        "console/webhooks.html",
        deliveries=found["data"],
        endpoints=host.upkeep.status(workspace)["data"],
        results=(None, *RESULTS),
        result=result,
        following=following,
        first_page=not after,
    )


@blueprint.post("/webhooks/<plugin>/<event_id>/replay")
def replay(plugin: str, event_id: str) -> Response:
    """Work a stored event again, by its own run."""
    run_id = the_host().runs.replay(session().workspace, plugin, event_id)
    return go_to(url_for("console.run", run_id=run_id))
