"""Rows of login links, sessions and passwords of the console; of tokens only digests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from ..errors import NotFound
from . import tables as t
from .upsert import put


def digest(token: str) -> str:
    """What is kept of a token: with 256 random bits that needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_link(db: Connection, token: str, workspace: str, role: str, expires_at: datetime) -> None:
    """Keep a link that opens the console once."""
    row = {"digest": digest(token), "workspace": workspace, "role": role, "expires_at": expires_at}
    db.execute(t.login_links.insert().values(row))


def use_link(db: Connection, token: str, now: datetime) -> RowMapping | None:
    """Take a link away and give its row; None when there is none, or its time is over."""
    # Who deletes it has it: two requests at once cannot both.
    gone = t.login_links.delete().where(t.login_links.c.digest == digest(token)).returning(*t.login_links.c)
    row = db.execute(gone).mappings().first()
    return row if row is not None and now < row["expires_at"] else None


def add(
    db: Connection, session_id: str, token: str, *, workspace: str, role: str, now: datetime, expires_at: datetime
) -> None:
    """Keep a new session."""
    row = {"id": session_id, "digest": digest(token), "workspace": workspace, "role": role}
    db.execute(t.sessions.insert().values({**row, "created_at": now, "expires_at": expires_at}))


def find_open(db: Connection, token: str, now: datetime) -> RowMapping | None:
    """The session of a cookie, unless it has ended or was revoked."""
    row = db.execute(select(t.sessions).where(t.sessions.c.digest == digest(token))).mappings().first()
    return row if row is not None and row["revoked_at"] is None and now < row["expires_at"] else None


def all_open(db: Connection, workspace: str, now: datetime) -> Sequence[RowMapping]:
    """A workspace's sessions that are open, newest first."""
    table = t.sessions.c
    here = (table.workspace == workspace) & table.revoked_at.is_(None) & (table.expires_at > now)
    return db.execute(select(t.sessions).where(here).order_by(table.created_at.desc(), table.id)).mappings().all()


def revoke(db: Connection, workspace: str, session_id: str | None, now: datetime) -> list[str]:
    """Close one session of a workspace, or all of them, and give the ids. Raises: NotFound for an unknown one."""
    found = [row["id"] for row in all_open(db, workspace, now) if session_id in {None, row["id"]}]
    if session_id is not None and not found:
        raise NotFound("This workspace has no such open session.", hint="The list of sessions shows who is logged in.")
    db.execute(t.sessions.update().where(t.sessions.c.id.in_(found)).values(revoked_at=now))
    return found


def put_password(db: Connection, workspace: str, role: str, slow_hash: str, now: datetime) -> None:
    """Keep the password of a role, in the place of the one before."""
    put(db, t.passwords, {"workspace": workspace, "role": role, "hash": slow_hash, "changed_at": now})


def forget_password(db: Connection, workspace: str, role: str) -> None:
    """Take a role's password away."""
    db.execute(t.passwords.delete().where((t.passwords.c.workspace == workspace) & (t.passwords.c.role == role)))


def passwords(db: Connection, workspace: str) -> dict[str, str]:
    """The slow hashes of a workspace, by role."""
    found = db.execute(select(t.passwords).where(t.passwords.c.workspace == workspace)).mappings()
    return {row["role"]: row["hash"] for row in found}
