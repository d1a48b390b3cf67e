"""Webhook deliveries, stored before anything acts on them; one row per event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from ..errors import NotFound
from . import tables as t
from .cursors import newest_first
from .upsert import insert_or_ignore


def add(db: Connection, row: Mapping[str, Any]) -> bool:
    """Store an authenticated event; False for a duplicate."""
    return insert_or_ignore(db, t.webhook_deliveries, row)


def arrived(db: Connection, row: Mapping[str, Any]) -> None:
    """Note that an event which an upkeep had found was delivered after all."""
    table = t.webhook_deliveries.c
    here = (table.workspace == row["workspace"]) & (table.plugin == row["plugin"]) & (table.event_id == row["event_id"])
    values = {"found": False, "received_at": row["received_at"]}
    db.execute(t.webhook_deliveries.update().where(here & table.found).values(values))


def last_received(db: Connection, workspace: str, plugin: str, account: str) -> datetime | None:
    """When the last event of an account was delivered."""
    table = t.webhook_deliveries.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.account == account) & ~table.found
    newest = select(table.received_at).where(here).order_by(table.received_at.desc()).limit(1)
    return db.execute(newest).scalar()


def find(db: Connection, workspace: str, plugin: str, event_id: str) -> RowMapping:
    """Give a stored event. Raises: NotFound."""
    table = t.webhook_deliveries.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.event_id == event_id)
    row = db.execute(select(t.webhook_deliveries).where(here)).mappings().first()
    if row is None:
        raise NotFound("This workspace has received no such event.")
    return row


def newest(
    db: Connection,
    workspace: str,
    *,
    plugin: str | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    after: str | None = None,
    limit: int,
) -> Sequence[RowMapping]:
    """A workspace's events, newest first, with ``run_id`` and ``run_status`` of the run that works each, if one does.

    ``kept``: whether the body is still there. Raises: InvalidInput for an unknown ``after``.
    """
    event, run = t.webhook_deliveries.c, t.runs.c
    its_run = (run.workspace == event.workspace) & (run.plugin == event.plugin) & (run.subject == event.event_id)
    shown = (event.event_id, event.type, event.plugin, event.account, event.received_at, event.found)
    whose = (
        select(
            *shown, (func.length(event.body) > 0).label("kept"), run.id.label("run_id"), run.status.label("run_status")
        )
        .select_from(t.webhook_deliveries.outerjoin(t.runs, its_run & (run.kind == "webhook")))
        .where(event.workspace == workspace)
    )
    wanted = ((event.plugin, plugin), (event.type, type))
    only = [column == value for column, value in wanted if value is not None]
    return newest_first(db, whose, (event.received_at, event.event_id), after=after, limit=limit, only=only)
