"""Counts of rejected webhooks by day, plugin and reason; nothing that was sent is stored."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from . import tables as t
from .upsert import insert_or_ignore


def add(
    db: Connection, *, workspace: str, plugin: str, reason: str, times: int, first_at: datetime, last_at: datetime
) -> None:
    """Add rejected webhooks to the row of their day (UTC), plugin and reason."""
    table = t.webhook_refusals
    row = {"workspace": workspace, "id": f"refused.{first_at.date().isoformat()}.{plugin}.{reason}"}
    values = {"plugin": plugin, "reason": reason, "times": times, "first_at": first_at, "last_at": last_at}
    if not insert_or_ignore(db, table, {**row, **values}):
        here = (table.c.workspace == workspace) & (table.c.id == row["id"])
        db.execute(table.update().where(here).values(times=table.c.times + times, last_at=last_at))
