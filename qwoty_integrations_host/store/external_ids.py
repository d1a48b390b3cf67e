"""External ids of contacts and taxes, for platforms that cannot store them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import Connection, bindparam, select

from . import tables as t
from .upsert import put

# Every run executes this. It is built once, because building costs more (docs/performance.md).
_ID = t.external_ids.c
_OF_ENTITIES = select(_ID.kind, _ID.entity_id, _ID.value).where(
    (_ID.workspace == bindparam("in_workspace"))
    & (_ID.slot == bindparam("in_slot"))
    & _ID.entity_id.in_(bindparam("entities", expanding=True))
)


def save(db: Connection, workspace: str, kind: str, entity_id: str, slot: str, value: str) -> None:
    """Save (or replace) one id."""
    row = {"workspace": workspace, "kind": kind, "entity_id": entity_id, "slot": slot, "value": value}
    put(db, t.external_ids, row)


def of_entities(
    db: Connection, workspace: str, entity_ids: Collection[str], slot: str = "accounting"
) -> dict[str, dict[str, str]]:
    """Return the saved ids of these contacts and taxes in one slot, by kind and entity."""
    values = {"in_workspace": workspace, "in_slot": slot, "entities": list(entity_ids)}
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in db.execute(_OF_ENTITIES, values):
        found[row.kind][row.entity_id] = row.value
    return found


def has_any(db: Connection, workspace: str, kind: str, slot: str) -> bool:
    """Whether an id of this kind is saved."""
    here = (_ID.workspace == workspace) & (_ID.kind == kind) & (_ID.slot == slot)
    return db.execute(select(_ID.value).where(here).limit(1)).first() is not None
