"""Rows of the HTTP API's bearer keys. Only a digest of a key's secret part is stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select

from ..errors import NotFound
from . import tables as t
from .pagination import newest_first
from .workspaces import require_workspace

#: What a key may do: ``write`` allows sending quotes and acting on them, ``admin`` allows changing settings and keys.
SCOPES = ("read", "write", "admin")
#: The precision of ``last_used_at``, so that a key in constant use does not cost a write per request.
USED_EVERY = timedelta(minutes=5)

_SHAPE = re.compile(r"qwh_([0-9a-f]{8})_([A-Za-z0-9_-]{20,100})")


def create_api_key(
    db: Connection, workspace: str, now: datetime, *, name: str | None = None, scopes: Sequence[str] = SCOPES
) -> str:
    """Create a bearer key and return it. Only its digest is stored; 256 random bits need no slow hash.

    Raises: NotFound for the workspace.
    """
    require_workspace(db, workspace)
    key_id, body = secrets.token_hex(4), secrets.token_urlsafe(32)
    row = {"id": key_id, "workspace": workspace, "digest": _digest(body), "created_at": now}
    db.execute(t.api_keys.insert().values({**row, "name": name, "scopes": list(scopes)}))
    return f"qwh_{key_id}_{body}"


def id_of(key: str) -> str:
    """Return the public part of a key, by which it is listed and revoked."""
    return key.split("_")[1]


def find_by_key(db: Connection, key: str) -> RowMapping | None:
    """Return the row of a presented key; None if it is unknown or revoked."""
    found = _SHAPE.fullmatch(key)
    if found is None:
        return None
    row = db.execute(select(t.api_keys).where(t.api_keys.c.id == found[1])).mappings().first()
    if row is None or not secrets.compare_digest(row["digest"], _digest(found[2])):
        return None
    return None if row["revoked_at"] else row


def scopes_of(row: RowMapping) -> tuple[str, ...]:
    """Return what a key may do. A key without scopes is from an earlier release and may do everything."""
    return SCOPES if row["scopes"] is None else tuple(row["scopes"])


def find(db: Connection, workspace: str, key_id: str) -> RowMapping:
    """Return one key of a workspace. Raises: NotFound."""
    here = (t.api_keys.c.workspace == workspace) & (t.api_keys.c.id == key_id)
    row = db.execute(select(t.api_keys).where(here)).mappings().first()
    if row is None:
        raise NotFound("This workspace has no such API key.", hint="The list of API keys shows them.")
    return row


def newest(db: Connection, workspace: str, *, limit: int, after: str | None = None) -> Sequence[RowMapping]:
    """Return a workspace's keys, revoked ones too, newest first. Raises: InvalidInput for an unknown ``after``."""
    table = t.api_keys.c
    whose = select(t.api_keys).where(table.workspace == workspace)
    return newest_first(db, whose, (table.created_at, table.id), after=after, limit=limit)


def note_use(db: Connection, key_id: str, now: datetime) -> None:
    """Record when a key was last used."""
    db.execute(t.api_keys.update().where(t.api_keys.c.id == key_id).values(last_used_at=now))


def revoke(db: Connection, workspace: str, key_id: str, now: datetime) -> RowMapping:
    """Revoke a key for good and return its row; a second call changes nothing. Raises: NotFound."""
    find(db, workspace, key_id)
    here = (t.api_keys.c.id == key_id) & t.api_keys.c.revoked_at.is_(None)
    db.execute(t.api_keys.update().where(here).values(revoked_at=now))
    return find(db, workspace, key_id)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
