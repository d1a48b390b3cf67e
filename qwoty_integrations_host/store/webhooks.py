"""Webhook deliveries, stored before anything acts on them; one row per event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from . import tables as t
from .upsert import insert_or_ignore


def add(db: Connection, row: Mapping[str, Any]) -> bool:
    """Store an authenticated event; False for a duplicate."""
    return insert_or_ignore(db, t.webhook_deliveries, row)


def find(db: Connection, workspace: str, plugin: str, event_id: str) -> RowMapping:
    """Give a stored event."""
    table = t.webhook_deliveries.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.event_id == event_id)
    return db.execute(select(t.webhook_deliveries).where(here)).mappings().one()
