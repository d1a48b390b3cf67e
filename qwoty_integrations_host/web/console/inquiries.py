"""Background checks: the fragment that polls a running one, and the one that a page's URL names."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Response, make_response, render_template, request

from ...errors import NotFound
from ...store.inquiries import InquiryStatus
from ..auth import the_host
from .access_control import blueprint, session


@blueprint.get("/tests/<test_id>/progress")
def test_progress(test_id: str) -> Response:
    """Show that a test is running; once it has ended, make the browser reload the page."""
    inquiry = the_host().inquiries.find(session().workspace, test_id)
    if inquiry["status"] != InquiryStatus.RUNNING:
        return Response(status=204, headers={"HX-Refresh": "true"})
    return make_response(render_template("console/test_progress.html", test=inquiry))


def current_inquiry(plugin: str | None) -> dict[str, Any] | None:
    """Return the inquiry that the page's URL names; None when it is gone or belongs to another plugin."""
    with suppress(NotFound):
        inquiry = the_host().inquiries.find(session().workspace, request.args.get("test", ""))
        return inquiry if inquiry["plugin"] == plugin else None
    return None
