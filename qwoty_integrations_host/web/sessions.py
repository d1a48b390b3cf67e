"""Logging in to the console: by a link that opens it once, or by a password. A session ends, or is revoked.

A later login by OIDC ends where these two end: in ``begin``, with a workspace and a role.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection
from werkzeug.security import check_password_hash, generate_password_hash

from ..clock import Clock
from ..errors import FieldProblem, HostError, InvalidInput, NotFound
from ..host import Host
from ..observability.actor import acting_as
from ..store import audit
from ..store import sessions as rows
from ..store.database import Store
from ..store.workspaces import require_workspace

#: What each may do: look; look and act.
ROLES = ("viewer", "admin")
LINK_LASTS, SESSION_LASTS = timedelta(minutes=15), timedelta(hours=12)
_SHORTEST_PASSWORD = 12


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in."""

    id: str
    workspace: str
    role: str
    expires_at: datetime

    @property
    def may_act(self) -> bool:
        return self.role == "admin"

    @property
    def actor(self) -> str:
        """The name in the audit log."""
        return f"console, session {self.id} ({self.role})"


def login_link(host: Host, workspace: str, role: str) -> str:
    """Make an address that logs in once, within a quarter of an hour.

    Raises: NotFound for the workspace; HostError without QWOTY_HOST_PUBLIC_URL.
    """
    if host.config.public_url is None:
        raise HostError(
            "QWOTY_HOST_PUBLIC_URL is not set, so the console has no address.",
            hint="Set it to the address of `serve`, such as http://127.0.0.1:8080 on this machine.",
            code="config",
        )
    token, now = secrets.token_urlsafe(32), host.clock.now()
    with host.store.write() as db:
        require_workspace(db, workspace)
        rows.add_link(db, token, workspace, role, now + LINK_LASTS)
        audit.note(db, workspace, "login_link.made", role, now)
    return f"{host.config.public_url}/console/login/{token}"


def follow_link(store: Store, clock: Clock, token: str) -> tuple[Session, str] | None:
    """Use a link up; give the session and its cookie, or None when the link does not work (any more)."""
    with store.write() as db:
        link = rows.use_link(db, token, clock.now())
        return begin(db, clock, link["workspace"], link["role"], "a link") if link else None


@cache
def _nobodys() -> str:
    """Compared when a workspace has no password: whether it has one is not to be told from how long the answer takes.

    Made with the first login: it takes a seventh of a second, and a start is waited for.
    """
    return generate_password_hash(secrets.token_urlsafe())


def log_in(store: Store, clock: Clock, workspace: str, password: str) -> tuple[Session, str] | None:
    """Give the session of the role that has this password, and its cookie; None when none has."""
    nobodys = _nobodys()
    with store.read() as db:
        hashes = rows.passwords(db, workspace)
    known = {role: hashes.get(role, nobodys) for role in ROLES}
    # Each is compared, whatever the others say: the answer always takes as long.
    fitting = [role for role, slow_hash in known.items() if check_password_hash(slow_hash, password)]
    if not fitting:
        return None
    with store.write() as db:
        return begin(db, clock, workspace, fitting[-1], "a password")


def begin(db: Connection, clock: Clock, workspace: str, role: str, how: str) -> tuple[Session, str]:
    """Begin a session of somebody who has proved to be allowed to; give it and its cookie."""
    token, now = secrets.token_urlsafe(32), clock.now()
    session = Session(secrets.token_hex(4), workspace, role, now + SESSION_LASTS)
    rows.add(db, session.id, token, workspace=workspace, role=role, now=now, expires_at=session.expires_at)
    with acting_as(session.actor):
        audit.note(db, workspace, "session.began", f"by {how}", now)
    return session, token


def find(store: Store, clock: Clock, token: str) -> Session | None:
    """The open session of a cookie."""
    with store.read() as db:
        row = rows.find_open(db, token, clock.now())
    return Session(row["id"], row["workspace"], row["role"], row["expires_at"]) if row else None


def list_open(store: Store, clock: Clock, workspace: str) -> list[dict[str, Any]]:
    """A workspace's open sessions: ``{"id", "role", "created_at", "expires_at"}``, newest first. Raises: NotFound."""
    with store.read() as db:
        require_workspace(db, workspace)
        found = rows.all_open(db, workspace, clock.now())
    moments = ("created_at", "expires_at")
    return [{"id": row["id"], "role": row["role"], **{m: row[m].isoformat() for m in moments}} for row in found]


def revoke(store: Store, clock: Clock, workspace: str, session_id: str | None = None) -> list[str]:
    """Close a session, or all of a workspace's, and give their ids. Raises: NotFound."""
    now = clock.now()
    with store.write() as db:
        require_workspace(db, workspace)
        closed = rows.revoke(db, workspace, session_id, now)
        for each in closed:
            audit.note(db, workspace, "session.revoked", each, now)
    return closed


def end(store: Store, clock: Clock, session: Session) -> None:
    """Log out."""
    now = clock.now()
    with store.write() as db, suppress(NotFound):  # somebody else has revoked it meanwhile
        rows.revoke(db, session.workspace, session.id, now)
        audit.note(db, session.workspace, "session.ended", session.id, now)


def set_password(store: Store, clock: Clock, workspace: str, role: str, password: str) -> None:
    """Give a role a password. Open sessions stay.

    Raises: NotFound for the workspace, InvalidInput for one that is empty or too short.
    """
    if len(password) < _SHORTEST_PASSWORD:
        problem = FieldProblem(("password",), f"Must have {_SHORTEST_PASSWORD} characters or more.")
        title = "This password is too short." if password else "No password was given, so nothing was changed."
        raise InvalidInput(title, [problem])
    now = clock.now()
    slow_hash = generate_password_hash(password)
    with store.write() as db:
        require_workspace(db, workspace)
        rows.put_password(db, workspace, role, slow_hash, now)
        audit.note(db, workspace, "password.set", role, now)


def remove_password(store: Store, clock: Clock, workspace: str, role: str) -> None:
    """Take a role's password away. Open sessions stay. Raises: NotFound for the workspace."""
    with store.write() as db:
        require_workspace(db, workspace)
        rows.forget_password(db, workspace, role)
        audit.note(db, workspace, "password.removed", role, clock.now())
