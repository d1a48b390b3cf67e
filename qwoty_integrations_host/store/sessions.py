"""Rows of the console's login links, sessions and passwords. Of tokens, only digests are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from ..errors import NotFound
from . import tables as t
from .upsert import put


def digest(token: str) -> str:
    """Return the digest of a token, which is what is stored. 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_link(db: Connection, token: str, workspace: str, role: str, expires_at: datetime) -> None:
    """Store a login link, which opens the console once."""
    row = {"digest": digest(token), "workspace": workspace, "role": role, "expires_at": expires_at}
    db.execute(t.login_links.insert().values(row))


def use_link(db: Connection, token: str, now: datetime) -> RowMapping | None:
    """Delete a login link and return its row; None if there is none or it has expired."""
    # Only one of two concurrent requests deletes the row, so only one uses the link.
    gone = t.login_links.delete().where(t.login_links.c.digest == digest(token)).returning(*t.login_links.c)
    row = db.execute(gone).mappings().first()
    return row if row is not None and now < row["expires_at"] else None


def add(
    db: Connection, session_id: str, token: str, *, workspace: str, role: str, now: datetime, expires_at: datetime
) -> None:
    """Store a new session."""
    row = {"id": session_id, "digest": digest(token), "workspace": workspace, "role": role}
    db.execute(t.sessions.insert().values({**row, "created_at": now, "expires_at": expires_at}))


def find_open(db: Connection, token: str, now: datetime) -> RowMapping | None:
    """Return the session of a cookie's token; None if it is unknown, expired or revoked."""
    row = db.execute(select(t.sessions).where(t.sessions.c.digest == digest(token))).mappings().first()
    return row if row is not None and row["revoked_at"] is None and now < row["expires_at"] else None


def all_open(db: Connection, workspace: str, now: datetime) -> Sequence[RowMapping]:
    """Return a workspace's open sessions, newest first."""
    table = t.sessions.c
    here = (table.workspace == workspace) & table.revoked_at.is_(None) & (table.expires_at > now)
    return db.execute(select(t.sessions).where(here).order_by(table.created_at.desc(), table.id)).mappings().all()


def revoke(db: Connection, workspace: str, session_id: str | None, now: datetime) -> list[str]:
    """Revoke one session of a workspace, or all, and return the ids. Raises: NotFound for one that is not open."""
    found = [row["id"] for row in all_open(db, workspace, now) if session_id in {None, row["id"]}]
    if session_id is not None and not found:
        raise NotFound("This workspace has no such open session.", hint="The list of sessions shows who is logged in.")
    db.execute(t.sessions.update().where(t.sessions.c.id.in_(found)).values(revoked_at=now))
    return found


def put_password(db: Connection, workspace: str, role: str, slow_hash: str, now: datetime) -> None:
    """Store the password hash of a role, replacing any earlier one."""
    put(db, t.passwords, {"workspace": workspace, "role": role, "hash": slow_hash, "changed_at": now})


def forget_password(db: Connection, workspace: str, role: str) -> None:
    """Delete a role's password."""
    db.execute(t.passwords.delete().where((t.passwords.c.workspace == workspace) & (t.passwords.c.role == role)))


def passwords(db: Connection, workspace: str) -> dict[str, str]:
    """Return a workspace's password hashes, by role."""
    found = db.execute(select(t.passwords).where(t.passwords.c.workspace == workspace)).mappings()
    return {row["role"]: row["hash"] for row in found}
