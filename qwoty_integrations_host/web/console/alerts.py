"""Who is told when something needs a person, what was told, and what waits."""

from __future__ import annotations

from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import InvalidInput
from .. import asking
from ..auth import the_host
from . import shown
from .form import whole_number
from .guard import blueprint, go_to, session
from .tested import asked_for
from .words import gettext as _


@blueprint.get("/alerts")
def alerts() -> str:
    """Whom this workspace tells, and the newest alerts."""
    done = {"saved": _("Saved.")}.get(request.args.get("done", ""), "")
    return _page(done=done, test=asked_for(None))


@blueprint.post("/alerts/people")
def add_person() -> Response:
    """Tell somebody else as well."""
    host, address = the_host(), request.form.get("mail", "").strip()
    try:
        with host.store.write() as db:
            host.alerts.tell_too(db, session().workspace, [address])
    except InvalidInput as error:
        return make_response(_page(typed=address, wrong={"mail": _sentence(error)}), 422)
    return _saved()


@blueprint.post("/alerts/people/remove")
def remove_person() -> Response:
    """Tell somebody nothing any more."""
    alerts, workspace, gone = the_host().alerts, session().workspace, request.form.get("mail", "")
    alerts.change(workspace, {"mails": [mail for mail in alerts.show(workspace)["mails"] if mail != gone]})
    return _saved()


@blueprint.post("/alerts")
def save_alerts() -> Response:
    """Save how and when people and a machine are told; the secret of a new webhook is shown this once."""
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
        found = the_host().alerts.change(session().workspace, changes)
    except InvalidInput as error:
        name = error.problems[0].path[0] if error.problems else ""
        return make_response(_page(changes=changes, wrong={name: _sentence(error)}), 422)
    if isinstance(found["webhook_secret"], str):
        return make_response(_page(secret=found["webhook_secret"]))
    return _saved()


@blueprint.post("/alerts/test")
def test_alerts() -> Response:
    """Tell everybody a test; the page says how each took it."""
    return go_to(url_for("console.alerts", test=asking.tell(session().workspace)))


def _saved() -> Response:
    return go_to(url_for("console.alerts", done="saved"))


def _sentence(error: InvalidInput) -> str:
    return str(shown.said(_(error.problems[0].message if error.problems else error.title)))


def _page(*, changes: dict[str, Any] | None = None, wrong: dict[str, str] | None = None, **facts: Any) -> str:
    it = the_host().alerts.show(session().workspace)
    return render_template(
        "console/alerts.html", it={**it, **(changes or {})}, wrong=wrong or {}, **{"test": None, **facts}
    )
