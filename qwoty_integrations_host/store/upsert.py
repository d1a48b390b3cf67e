"""Insert-or-ignore and insert-or-replace, the same on SQLite and PostgreSQL.

Each statement is built once, because building costs more than executing (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_ignore(db: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless it conflicts with a unique constraint; return whether it was inserted."""
    return db.execute(_ignoring(db.dialect.name, table), row).first() is not None


def insert_or_ignore_all(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[Row[Any]]:
    """Insert rows unless they conflict with a unique constraint; return the primary keys of those inserted."""
    return list(db.execute(_ignoring(db.dialect.name, table), list(rows))) if rows else []


def put(db: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or update these columns of the row with the same primary key."""
    db.execute(_replacing(db.dialect.name, table, tuple(row)), row)


@cache
def _ignoring(dialect: str, table: Table) -> Any:
    # RETURNING shows whether a row was inserted; PostgreSQL's driver does not count rows here.
    return _insert(dialect, table).on_conflict_do_nothing().returning(*table.primary_key)


@cache
def _replacing(dialect: str, table: Table, names: tuple[str, ...]) -> Any:
    keys, statement = table.primary_key.columns.keys(), _insert(dialect, table)
    rest = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def _insert(dialect: str, table: Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
