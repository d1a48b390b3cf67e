"""Events of platforms, one row per event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from . import tables as t
from .upsert import insert_or_ignore


def add(db: Connection, row: Mapping[str, Any]) -> bool:
    """Store an authenticated event; return False if the workspace has one with this id."""
    return insert_or_ignore(db, t.events, row)


def record_answer(
    db: Connection, workspace: str, event_id: str, *, quote_id: str | None, answer: Mapping[str, Any]
) -> None:
    """Record the answer to an event."""
    here = (t.events.c.workspace == workspace) & (t.events.c.id == event_id)
    db.execute(t.events.update().where(here).values(quote_id=quote_id, answer=dict(answer)))


def get(db: Connection, workspace: str, event_id: str) -> RowMapping:
    """Return a stored event."""
    here = (t.events.c.workspace == workspace) & (t.events.c.id == event_id)
    return db.execute(select(t.events).where(here)).mappings().one()
