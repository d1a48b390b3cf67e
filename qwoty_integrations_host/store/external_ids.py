"""External ids of contacts and taxes, for platforms that cannot store them."""

from __future__ import annotations

from sqlalchemy import Connection, select

from . import tables as t
from .upsert import put


def save(db: Connection, workspace: str, kind: str, entity_id: str, slot: str, value: str) -> None:
    """Save (or replace) one id."""
    row = {"workspace": workspace, "kind": kind, "entity_id": entity_id, "slot": slot, "value": value}
    put(db, t.external_ids, row)


def of_kind(db: Connection, workspace: str, kind: str, slot: str = "accounting") -> dict[str, str]:
    """Return all ids of a kind in one slot, by entity."""
    table = t.external_ids.c
    here = (table.workspace == workspace) & (table.kind == kind) & (table.slot == slot)
    return {row.entity_id: row.value for row in db.execute(select(table.entity_id, table.value).where(here))}
