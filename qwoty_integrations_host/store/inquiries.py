"""Rows of what a request asks of a service beside itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from . import tables as t

RUNNING = "running"


def add(db: Connection, row: Mapping[str, Any]) -> None:
    """Keep one that begins."""
    db.execute(t.inquiries.insert().values({**row, "status": RUNNING}))


def find(db: Connection, workspace: str, inquiry_id: str) -> RowMapping | None:
    """One of a workspace."""
    here = (t.inquiries.c.workspace == workspace) & (t.inquiries.c.id == inquiry_id)
    return db.execute(select(t.inquiries).where(here)).mappings().first()


def count_running(db: Connection, workspace: str, now: datetime) -> int:
    """How many of a workspace's are under way."""
    return int(db.execute(select(func.count()).where(_running(workspace, now))).scalar_one())


def running(db: Connection, workspace: str, kind: str, plugin: str, now: datetime) -> str | None:
    """The id of one of this kind that is under way."""
    here = _running(workspace, now) & (t.inquiries.c.kind == kind) & (t.inquiries.c.plugin == plugin)
    return db.execute(select(t.inquiries.c.id).where(here).limit(1)).scalar()


def end(db: Connection, ids: Iterable[str], now: datetime, **values: Any) -> None:
    """Write how they ended, unless that was written before."""
    here = t.inquiries.c.id.in_(list(ids)) & (t.inquiries.c.status == RUNNING)
    db.execute(t.inquiries.update().where(here).values(ended_at=now, **values))


def _running(workspace: str, now: datetime) -> Any:
    one = t.inquiries.c
    return (one.workspace == workspace) & (one.status == RUNNING) & (one.deadline > now)
