"""The page Access: API keys of programs, sessions of people."""

from __future__ import annotations

from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import InvalidInput
from ...store.api_keys import SCOPES
from ...workspaces import api_keys
from .. import sessions
from ..auth import the_host
from .access_control import blueprint, redirect_to, session

#: The most keys that the page shows. `apikey list` shows more.
_KEYS = 200


@blueprint.get("/access")
def access() -> str:
    """The workspace's API keys and open sessions."""
    return _page()


@blueprint.post("/access/keys")
def make_key() -> Response:
    """Create an API key; the response shows it, this once."""
    host, name = the_host(), request.form.get("name", "").strip()
    scopes = [scope for scope in request.form.getlist("scope") if scope in SCOPES]
    try:
        made = api_keys.create(
            host.store, host.clock, session().workspace, name=name or None, scopes=scopes or ["read"]
        )
    except InvalidInput as error:
        return make_response(_page(error=error.problems[0].message), 422)
    return make_response(_page(made=made))


@blueprint.post("/access/keys/<key_id>/revoke")
def revoke_key(key_id: str) -> Response:
    """Revoke an API key."""
    host = the_host()
    api_keys.revoke(host.store, host.clock, session().workspace, key_id)
    return redirect_to(url_for("console.access"))


@blueprint.post("/access/sessions/<session_id>/revoke")
def revoke_session(session_id: str) -> Response:
    """Revoke a session."""
    host = the_host()
    sessions.revoke(host.store, host.clock, session().workspace, session_id)
    return redirect_to(url_for("console.access"))


def _page(**facts: Any) -> str:
    host, workspace = the_host(), session().workspace
    return render_template(
        "console/access.html",
        keys=api_keys.list_keys(host.store, workspace, limit=_KEYS)["data"],
        sessions=sessions.list_open(host.store, host.clock, workspace),
        scopes=SCOPES,
        **facts,
    )
