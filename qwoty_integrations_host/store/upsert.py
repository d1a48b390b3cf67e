"""Insert-or-ignore and insert-or-replace, the same on SQLite and PostgreSQL.

Each statement is built once: that costs more than to execute it (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_ignore(db: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert unless a unique constraint says that it is there; tell whether it was inserted."""
    return db.execute(_ignoring(db.dialect.name, table), row).first() is not None


def put(db: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert, or replace the row with the same primary key."""
    db.execute(_replacing(db.dialect.name, table, tuple(row)), row)


@cache
def _ignoring(dialect: str, table: Table) -> Any:
    # Asked for what was inserted: PostgreSQL's driver does not count rows here.
    return _insert(dialect, table).on_conflict_do_nothing().returning(*table.primary_key)


@cache
def _replacing(dialect: str, table: Table, names: tuple[str, ...]) -> Any:
    keys, statement = table.primary_key.columns.keys(), _insert(dialect, table)
    rest = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def _insert(dialect: str, table: Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
