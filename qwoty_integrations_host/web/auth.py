"""Authentication by bearer API keys: each key opens one workspace, within its scopes."""

from __future__ import annotations

from contextlib import suppress

from flask import current_app, g, request
from sqlalchemy import RowMapping
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized

from ..errors import DatabaseUnavailable, NotFound
from ..host import Host
from ..store import api_keys
from .rate_limit import AuthFailures, Credential


def the_host() -> Host:
    """Return the host that this application serves."""
    host: Host = current_app.extensions["qwoty_host"]
    return host


def auth_failures() -> AuthFailures:
    """Return the counters of failed authentications."""
    failures: AuthFailures = current_app.extensions["qwoty_auth_failures"]
    return failures


def require_key() -> RowMapping:
    """Return the row of the request's API key.

    Raises: Unauthorized without a valid key; TooManyRequests after many wrong keys from one address.
    """
    token = request.authorization.token if request.authorization else None
    key = None
    if token:
        with the_host().store.read() as db:
            key = api_keys.find_by_key(db, token)
    if key is None:
        _limit_failures(presented=bool(token))
        raise Unauthorized(
            "Send a valid API key: Authorization: Bearer qwh_…", www_authenticate=WWWAuthenticate("bearer")
        )
    g.api_key = key
    return key


def require_key_for(workspace: str, scope: str = "write") -> RowMapping:
    """Return the row of the request's API key, which opens this workspace and has this scope.

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


def mark_authenticated() -> None:
    """Mark the request as authenticated by a valid signature."""
    g.is_authenticated = True


def is_authenticated() -> bool:
    """Return whether an API key, a console session or a signature authenticates the request."""
    return bool(g.get("is_authenticated")) or g.get("api_key") is not None or g.get("session") is not None


def record_key_use() -> None:
    """Record the use of the request's API key, at most every few minutes; a database error is ignored."""
    key, host = g.get("api_key"), the_host()
    if key is None:
        return
    now = host.clock.now()
    if key["last_used_at"] is None or now - key["last_used_at"] >= api_keys.USED_EVERY:
        with suppress(DatabaseUnavailable), host.store.write() as db:
            api_keys.note_use(db, key["id"], now)


def _limit_failures(*, presented: bool) -> None:
    """Count a failure, and raise TooManyRequests above the limit.

    Valid keys are accepted all the same, because many clients may share the address of a proxy.
    """
    if presented and (wait := auth_failures().record(Credential.API_KEY, request.remote_addr or "")):
        raise TooManyRequests("Too many wrong API keys came from this address.", retry_after=wait)
