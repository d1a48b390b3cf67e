"""Webhooks: endpoints, deliveries, and replaying an event."""

from __future__ import annotations

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from ...reports.deliveries import list_deliveries
from ...store.webhooks import RESULTS
from ..auth import the_host
from .access_control import blueprint, redirect_to, session
from .runs import PAGE


@blueprint.get("/webhooks")
def webhooks() -> str:
    """Show the endpoints, and the deliveries, newest first: events, and rejected webhooks."""
    host, workspace = the_host(), session().workspace
    after, result = request.args.get("after") or None, request.args.get("result")
    result = result if result in RESULTS else None
    # Store the rejections that are counted in memory: a person who repairs an endpoint looks for the latest ones.
    host.runs.webhooks.rejected.write_down()
    page = list_deliveries(host.store, workspace, limit=PAGE, after=after, result=result)
    following = None
    if page["has_more"]:
        following = url_for("console.webhooks", result=result, after=page["data"][-1]["id"])
    return render_template(
        "console/webhooks.html",
        deliveries=page["data"],
        endpoints=host.upkeep.status(workspace)["data"],
        results=(None, *RESULTS),
        result=result,
        following=following,
        first_page=not after,
    )


@blueprint.post("/webhooks/<plugin>/<event_id>/replay")
def replay(plugin: str, event_id: str) -> Response:
    """Replay a stored event in a run of its own."""
    run_id = the_host().runs.webhooks.replay(session().workspace, plugin, event_id)
    return redirect_to(url_for("console.run", run_id=run_id))
