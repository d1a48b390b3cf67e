"""Console sessions: logging in by a one-time link or a password, logging out, and revoking.

Every login ends in ``begin`` with a workspace and a role; a later login by OIDC would, too.
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
from ..store import sessions as sessions_table
from ..store.database import Store
from ..store.workspaces import require_workspace

#: A viewer reads; an admin reads and acts.
ROLES = ("viewer", "admin")
LINK_LASTS, SESSION_LASTS = timedelta(minutes=15), timedelta(hours=12)
_SHORTEST_PASSWORD = 12


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a logged-in person."""

    id: str
    workspace: str
    role: str
    expires_at: datetime

    @property
    def may_act(self) -> bool:
        return self.role == "admin"

    @property
    def actor(self) -> str:
        """The actor's name in the audit log."""
        return f"console, session {self.id} ({self.role})"


def login_link(host: Host, workspace: str, role: str) -> str:
    """Return a URL that logs in once, within 15 minutes.

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
        sessions_table.add_link(db, token, workspace, role, now + LINK_LASTS)
        audit.note(db, workspace, "login_link.made", role, now)
    return f"{host.config.public_url}/console/login/{token}"


def follow_link(store: Store, clock: Clock, token: str) -> tuple[Session, str] | None:
    """Consume a login link and begin a session; return it and its cookie, or None for an invalid or used link."""
    with store.write() as db:
        link = sessions_table.use_link(db, token, clock.now())
        return begin(db, clock, link["workspace"], link["role"], "a link") if link else None


@cache
def _dummy_hash() -> str:
    """Return a hash to compare when a workspace has no password, so that response times do not reveal that.

    Computed at the first login, since it would delay the start by a seventh of a second.
    """
    return generate_password_hash(secrets.token_urlsafe())


def log_in(store: Store, clock: Clock, workspace: str, password: str) -> tuple[Session, str] | None:
    """Begin a session for the role that has this password; return it and its cookie, or None for a wrong password."""
    dummy = _dummy_hash()
    with store.read() as db:
        hashes = sessions_table.passwords(db, workspace)
    by_role = {role: hashes.get(role, dummy) for role in ROLES}
    # Every hash is compared, so that the response time is constant.
    matching = [role for role, slow_hash in by_role.items() if check_password_hash(slow_hash, password)]
    if not matching:
        return None
    with store.write() as db:
        return begin(db, clock, workspace, matching[-1], "a password")


def begin(db: Connection, clock: Clock, workspace: str, role: str, how: str) -> tuple[Session, str]:
    """Begin a session for an authenticated person; return it and its cookie."""
    token, now = secrets.token_urlsafe(32), clock.now()
    session = Session(secrets.token_hex(4), workspace, role, now + SESSION_LASTS)
    sessions_table.add(db, session.id, token, workspace=workspace, role=role, now=now, expires_at=session.expires_at)
    with acting_as(session.actor):
        audit.note(db, workspace, "session.began", f"by {how}", now)
    return session, token


def find(store: Store, clock: Clock, token: str) -> Session | None:
    """Return the open session of a cookie, or None."""
    with store.read() as db:
        row = sessions_table.find_open(db, token, clock.now())
    return Session(row["id"], row["workspace"], row["role"], row["expires_at"]) if row else None


def list_open(store: Store, clock: Clock, workspace: str) -> list[dict[str, Any]]:
    """Return the open sessions, newest first: ``{"id", "role", "created_at", "expires_at"}``. Raises: NotFound."""
    with store.read() as db:
        require_workspace(db, workspace)
        rows = sessions_table.all_open(db, workspace, clock.now())
    moments = ("created_at", "expires_at")
    return [{"id": row["id"], "role": row["role"], **{m: row[m].isoformat() for m in moments}} for row in rows]


def revoke(store: Store, clock: Clock, workspace: str, session_id: str | None = None) -> list[str]:
    """Revoke a session, or all of a workspace's; return their ids. Raises: NotFound."""
    now = clock.now()
    with store.write() as db:
        require_workspace(db, workspace)
        revoked = sessions_table.revoke(db, workspace, session_id, now)
        for each in revoked:
            audit.note(db, workspace, "session.revoked", each, now)
    return revoked


def end(store: Store, clock: Clock, session: Session) -> None:
    """Log out."""
    now = clock.now()
    with store.write() as db, suppress(NotFound):  # already revoked
        sessions_table.revoke(db, session.workspace, session.id, now)
        audit.note(db, session.workspace, "session.ended", session.id, now)


def set_password(store: Store, clock: Clock, workspace: str, role: str, password: str) -> None:
    """Set a role's password. Open sessions stay.

    Raises: NotFound for the workspace, InvalidInput for an empty or short password.
    """
    if len(password) < _SHORTEST_PASSWORD:
        problem = FieldProblem(("password",), f"Must have {_SHORTEST_PASSWORD} characters or more.")
        title = "This password is too short." if password else "No password was given, so nothing was changed."
        raise InvalidInput(title, [problem])
    now = clock.now()
    slow_hash = generate_password_hash(password)
    with store.write() as db:
        require_workspace(db, workspace)
        sessions_table.put_password(db, workspace, role, slow_hash, now)
        audit.note(db, workspace, "password.set", role, now)


def remove_password(store: Store, clock: Clock, workspace: str, role: str) -> None:
    """Remove a role's password. Open sessions stay. Raises: NotFound for the workspace."""
    with store.write() as db:
        require_workspace(db, workspace)
        sessions_table.forget_password(db, workspace, role)
        audit.note(db, workspace, "password.removed", role, clock.now())
