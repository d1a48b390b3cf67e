"""Workspaces and the API keys that platforms use for them."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime

from sqlalchemy import Connection, select

from ..errors import FieldProblem, InvalidInput, NotFound
from . import tables as t
from .upsert import insert_or_ignore

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def add_workspace(db: Connection, workspace: str, now: datetime) -> bool:
    """Add a workspace; False when it exists. Raises: InvalidInput for an id that does not fit into an address."""
    if not _ID.fullmatch(workspace):
        raise InvalidInput(
            "This is not a workspace id.", [FieldProblem(("id",), "Letters, digits, - and _; at most 64.")]
        )
    return insert_or_ignore(db, t.workspaces, {"id": workspace, "created_at": now})


def workspace_exists(db: Connection, workspace: str) -> bool:
    """Whether there is such a workspace."""
    return db.execute(select(t.workspaces.c.id).where(t.workspaces.c.id == workspace)).first() is not None


def require_workspace(db: Connection, workspace: str) -> None:
    """Raises: NotFound when there is no such workspace."""
    if not workspace_exists(db, workspace):
        raise NotFound(f"There is no workspace {workspace!r}.", hint="Add it: qwoty-host workspace add ID")


def lock_workspace(db: Connection, workspace: str) -> None:
    """Let nobody else decide for the whole workspace before the transaction ends; its quotes may come meanwhile."""
    here = t.workspaces.c.id == workspace
    db.execute(select(t.workspaces.c.id).where(here).with_for_update(key_share=True))


def create_api_key(db: Connection, workspace: str, now: datetime) -> str:
    """Make a bearer key. Only its digest is kept: with 256 random bits that needs no slow hash."""
    require_workspace(db, workspace)
    key_id, body = secrets.token_hex(4), secrets.token_urlsafe(32)
    row = {"id": key_id, "workspace": workspace, "digest": _digest(body), "created_at": now}
    db.execute(t.api_keys.insert().values(row))
    return f"qwh_{key_id}_{body}"


def workspace_of_api_key(db: Connection, key: str) -> str | None:
    """Give the workspace that a presented key opens, or None."""
    found = re.fullmatch(r"qwh_([0-9a-f]{8})_([A-Za-z0-9_-]{20,100})", key)
    if found is None:
        return None
    row = db.execute(select(t.api_keys).where(t.api_keys.c.id == found[1])).mappings().first()
    if row is None or not secrets.compare_digest(row["digest"], _digest(found[2])):
        return None
    return str(row["workspace"])


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
