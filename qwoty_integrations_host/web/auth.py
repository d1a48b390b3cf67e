"""Bearer API keys: each opens one workspace."""

from __future__ import annotations

from flask import current_app, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from ..errors import NotFound
from ..host import Host
from ..store.workspaces import workspace_of_api_key


def the_host() -> Host:
    """The host that this application serves."""
    host: Host = current_app.extensions["qwoty_host"]
    return host


def require_key_for(workspace: str) -> None:
    """Let the request pass when its key opens this workspace.

    Raises: Unauthorized without a valid key; NotFound for any other workspace, existing or not.
    """
    token = request.authorization.token if request.authorization else None
    with the_host().store.read() as db:
        opened = workspace_of_api_key(db, token) if token else None
    if opened is None:
        raise Unauthorized(
            "Send a valid API key: Authorization: Bearer qwh_…", www_authenticate=WWWAuthenticate("bearer")
        )
    if opened != workspace:
        raise NotFound(f"There is no workspace {workspace!r} for this API key.")
