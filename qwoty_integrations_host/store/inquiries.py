"""Rows of inquiries: checks of a service that a request begins and that continue in the background.

An inquiry is running until its end is recorded or its deadline is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from . import tables as t


class InquiryStatus(StrEnum):
    """The states of an inquiry."""

    RUNNING = "running"
    #: What was requested is done, whatever a test found.
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: The host did not finish it in time, and nothing was changed.
    LOST = "lost"


def add(db: Connection, row: Mapping[str, Any]) -> None:
    """Store an inquiry that begins."""
    db.execute(t.inquiries.insert().values({**row, "status": InquiryStatus.RUNNING}))


def find(db: Connection, workspace: str, inquiry_id: str) -> RowMapping | None:
    """Return an inquiry of a workspace; None if there is none with this id."""
    here = (t.inquiries.c.workspace == workspace) & (t.inquiries.c.id == inquiry_id)
    return db.execute(select(t.inquiries).where(here)).mappings().first()


def count_running(db: Connection, workspace: str, now: datetime) -> int:
    """Return how many inquiries of a workspace are running."""
    return int(db.execute(select(func.count()).where(_running(workspace, now))).scalar_one())


def running(db: Connection, workspace: str, kind: str, plugin: str, now: datetime) -> str | None:
    """Return the id of a running inquiry of this kind about this plugin; None if there is none."""
    here = _running(workspace, now) & (t.inquiries.c.kind == kind) & (t.inquiries.c.plugin == plugin)
    return db.execute(select(t.inquiries.c.id).where(here).limit(1)).scalar()


def end(db: Connection, ids: Iterable[str], now: datetime, **values: Any) -> None:
    """Record how inquiries ended, except for those whose end is recorded."""
    here = t.inquiries.c.id.in_(list(ids)) & (t.inquiries.c.status == InquiryStatus.RUNNING)
    db.execute(t.inquiries.update().where(here).values(ended_at=now, **values))


def _running(workspace: str, now: datetime) -> Any:
    one = t.inquiries.c
    return (one.workspace == workspace) & (one.status == InquiryStatus.RUNNING) & (one.deadline > now)
