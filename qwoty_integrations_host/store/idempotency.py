"""Rows of idempotency keys: the stored response that answers a repeated request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from . import tables as t
from .upsert import insert_or_ignore


def begin(db: Connection, workspace: str, key: str, digest: str, now: datetime) -> bool:
    """Take a key for a request; return False if an earlier request has it. Waits for a concurrent one to end."""
    row = {"workspace": workspace, "key": key, "digest": digest, "created_at": now}
    return insert_or_ignore(db, t.idempotency_keys, row)


def keep(db: Connection, workspace: str, key: str, status: int, body: str) -> None:
    """Store the response."""
    here = (t.idempotency_keys.c.workspace == workspace) & (t.idempotency_keys.c.key == key)
    db.execute(t.idempotency_keys.update().where(here).values(status=status, body=body))


def find(db: Connection, workspace: str, key: str) -> RowMapping:
    """Return the row of a key that was taken."""
    here = (t.idempotency_keys.c.workspace == workspace) & (t.idempotency_keys.c.key == key)
    return db.execute(select(t.idempotency_keys).where(here)).mappings().one()
