"""Cancelling a quote and voiding its invoice, each after a confirmation page."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import ActionRefused
from ...reports.quotes import find_quote, quote_report
from ..auth import the_host
from .access_control import blueprint, redirect_to, session


@blueprint.get("/cancel/<id:quote_id>")
def confirm_cancel(quote_id: str) -> str:
    """Ask for confirmation and a reason before cancelling a quote."""
    return render_template("console/cancel.html", **_facts(quote_id))


@blueprint.post("/cancel/<id:quote_id>")
def cancel(quote_id: str) -> Response:
    """Cancel a quote: stop its runs, and take back what is not final."""
    the_host().runs.cancellation.cancel(session().workspace, quote_id, reason=request.form.get("reason", ""))
    return redirect_to(url_for("console.quote", quote_id=quote_id))


@blueprint.get("/void/<id:quote_id>")
def confirm_void(quote_id: str) -> str:
    """Ask for confirmation before voiding an invoice, which is irreversible."""
    facts = _facts(quote_id)
    the_host().runs.cancellation.voiding_plugin(session().workspace, quote_id)
    return render_template("console/void.html", **facts)


@blueprint.post("/void/<id:quote_id>")
def void(quote_id: str) -> Response:
    """Void an unpaid invoice."""
    return redirect_to(url_for("console.run", run_id=the_host().runs.cancellation.void(session().workspace, quote_id)))


def may_void(quote_id: str) -> bool:
    """Return whether the quote's invoice can be voided now."""
    with suppress(ActionRefused):
        return bool(the_host().runs.cancellation.voiding_plugin(session().workspace, quote_id))
    return False


def _facts(quote_id: str) -> dict[str, Any]:
    host, workspace = the_host(), session().workspace
    report = quote_report(host.store, workspace, quote_id, host.clock.now())
    return {"quote": find_quote(host.store, workspace, quote_id), "report": report}
