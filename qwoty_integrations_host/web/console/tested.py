"""Tests under way: a page that was led to one looks by itself what comes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Response, make_response, render_template, request

from ...errors import NotFound
from ..auth import the_host
from .guard import blueprint, session


@blueprint.get("/tests/<test_id>/progress")
def test_progress(test_id: str) -> Response:
    """That a test is under way; once it has ended, the browser is told to load its page anew."""
    found = the_host().inquiries.find(session().workspace, test_id)
    if found["status"] != "running":
        return Response(status=204, headers={"HX-Refresh": "true"})
    return make_response(render_template("console/test_progress.html", test=found))


def asked_for(plugin: str | None) -> dict[str, Any] | None:
    """The test that the page's address names; None where there is none of this plugin (any more)."""
    with suppress(NotFound):
        found = the_host().inquiries.find(session().workspace, request.args.get("test", ""))
        return found if found["plugin"] == plugin else None
    return None
