"""Bearer API keys: each opens one workspace, for what its scopes allow."""

from __future__ import annotations

from contextlib import suppress

from flask import current_app, g, request
from sqlalchemy import RowMapping
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from ..errors import DatabaseUnavailable, NotFound
from ..host import Host
from ..store import api_keys
from .throttle import Kind, WrongKeys


def the_host() -> Host:
    """The host that this application serves."""
    host: Host = current_app.extensions["qwoty_host"]
    return host


def wrong_keys() -> WrongKeys:
    """Who sent wrong keys of late."""
    found: WrongKeys = current_app.extensions["qwoty_wrong_keys"]
    return found


def require_key() -> RowMapping:
    """Give the row of the key that the request came with.

    Raises: Unauthorized without a valid key; TooManyRequests after many wrong ones from one address.
    """
    token = request.authorization.token if request.authorization else None
    key = None
    if token:
        with the_host().store.read() as db:
            key = api_keys.find_by_key(db, token)
    if key is None:
        _slow_down(presented=bool(token))
        raise Unauthorized(
            "Send a valid API key: Authorization: Bearer qwh_…", www_authenticate=WWWAuthenticate("bearer")
        )
    g.api_key = key
    return key


def require_key_for(workspace: str, scope: str = "write") -> RowMapping:
    """Let the request pass when its key opens this workspace and has this scope; give the key's row.

    Raises: as ``require_key``; NotFound for any other workspace, existing or not; Forbidden without the scope.
    """
    key = require_key()
    if key["workspace"] != workspace:
        raise NotFound(
            f"There is no workspace {workspace!r} for this API key.",
            hint="A key opens the workspace that it was made for.",
        )
    require_scope(key, scope)
    return key


def require_scope(key: RowMapping, scope: str) -> None:
    """Raises: Forbidden when the key lacks the scope."""
    if scope not in api_keys.scopes_of(key):
        raise Forbidden(f"This API key lacks the scope {scope!r}.")


def note_proof() -> None:
    """Note that the request proved by itself who sends it: by a signature."""
    g.is_proved = True


def is_proved() -> bool:
    """Whether it is known who sends the request: by an API key, a session of the console, or a signature."""
    return bool(g.get("is_proved")) or g.get("api_key") is not None or g.get("session") is not None


def note_use() -> None:
    """Note that the request's key was used, unless that was noted a moment ago; trouble of the database waits."""
    key, host = g.get("api_key"), the_host()
    if key is None:
        return
    now = host.clock.now()
    if key["last_used_at"] is None or now - key["last_used_at"] >= api_keys.USED_EVERY:
        with suppress(DatabaseUnavailable), host.store.write() as db:
            api_keys.note_use(db, key["id"], now)


def _slow_down(*, presented: bool) -> None:
    """A valid key passes all the same: behind one proxy's address there may be others."""
    if presented and (wait := wrong_keys().note(Kind.API_KEY, request.remote_addr or "")):
        raise TooManyRequests("Too many wrong API keys came from this address.", retry_after=wait)
