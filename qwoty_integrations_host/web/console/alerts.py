"""The page Alerts: the recipients, the newest alerts, and those that wait."""

from __future__ import annotations

from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import InvalidInput
from .. import inquiries
from ..auth import the_host
from . import filters
from .access_control import blueprint, redirect_to, session
from .form import whole_number
from .i18n import gettext as _
from .inquiries import current_inquiry


@blueprint.get("/alerts")
def alerts() -> str:
    """Show the workspace's recipients, and the newest alerts."""
    done = {"saved": _("Saved.")}.get(request.args.get("done", ""), "")
    return _page(done=done, test=current_inquiry(None))


@blueprint.post("/alerts/people")
def add_person() -> Response:
    """Add a mail recipient."""
    host, address = the_host(), request.form.get("mail", "").strip()
    try:
        with host.store.write() as db:
            host.alert_recipients.add(db, session().workspace, [address])
    except InvalidInput as error:
        return make_response(_page(typed=address, wrong={"mail": _sentence(error)}), 422)
    return _saved()


@blueprint.post("/alerts/people/remove")
def remove_person() -> Response:
    """Remove a mail recipient."""
    recipients, workspace, removed = the_host().alert_recipients, session().workspace, request.form.get("mail", "")
    recipients.change(workspace, {"mails": [mail for mail in recipients.show(workspace)["mails"] if mail != removed]})
    return _saved()


@blueprint.post("/alerts")
def save_alerts() -> Response:
    """Save language, digest and webhook; the response shows a new webhook's secret, this once."""
    form = request.form
    hours = form.get("silent_after_hours", "").strip()
    number = whole_number(hours)
    changes: dict[str, Any] = {
        "language": form.get("language"),
        "daily_digest": "daily_digest" in form,
        "silent_after_hours": hours or None if number is None else number,
        "webhook_url": form.get("webhook_url", "").strip() or None,
    }
    try:
        report = the_host().alert_recipients.change(session().workspace, changes)
    except InvalidInput as error:
        name = error.problems[0].path[0] if error.problems else ""
        return make_response(_page(changes=changes, wrong={name: _sentence(error)}), 422)
    if isinstance(report["webhook_secret"], str):
        return make_response(_page(secret=report["webhook_secret"]))
    return _saved()


@blueprint.post("/alerts/test")
def test_alerts() -> Response:
    """Send every recipient a test; the page shows each result."""
    return redirect_to(url_for("console.alerts", test=inquiries.test_alerts(session().workspace)))


def _saved() -> Response:
    return redirect_to(url_for("console.alerts", done="saved"))


def _sentence(error: InvalidInput) -> str:
    return str(filters.translated(_(error.problems[0].message if error.problems else error.title)))


def _page(*, changes: dict[str, Any] | None = None, wrong: dict[str, str] | None = None, **facts: Any) -> str:
    it = the_host().alert_recipients.show(session().workspace)
    return render_template(
        "console/alerts.html", it={**it, **(changes or {})}, wrong=wrong or {}, **{"test": None, **facts}
    )
