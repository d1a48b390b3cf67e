"""Insert-or-ignore and insert-or-replace, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def _insert(db: Connection, table: Table) -> Any:
    return (postgresql if db.dialect.name == "postgresql" else sqlite).insert(table)


def insert_or_ignore(db: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert unless a unique constraint says that it is there; tell whether it was inserted."""
    # Asked for what was inserted: PostgreSQL's driver does not count rows here.
    added = _insert(db, table).values(row).on_conflict_do_nothing().returning(*table.primary_key)
    return db.execute(added).first() is not None


def put(db: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert, or replace the row with the same primary key."""
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in row.items() if name not in keys}
    db.execute(_insert(db, table).values(row).on_conflict_do_update(index_elements=keys, set_=rest))
