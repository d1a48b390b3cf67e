"""Webhook deliveries, stored before anything acts on them; one row per event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from . import tables as t
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
    """Give a stored event."""
    table = t.webhook_deliveries.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.event_id == event_id)
    return db.execute(select(t.webhook_deliveries).where(here)).mappings().one()
