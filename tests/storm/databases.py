"""The database of a storm, reset for each storm: SQLite in memory, or PostgreSQL for some of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen
from sqlalchemy.pool import StaticPool

from qwoty_integrations_host.store import tables as t
from qwoty_integrations_host.store.database import Store
from qwoty_integrations_host.store.schema import bring_up_to_date

#: Saves the workspace with its settings in an empty database.
Fill = Callable[[Store], None]


class Database(Protocol):
    """One database, used by one storm at a time."""

    engine: Engine

    def begin(self, settings: int, fill: Fill) -> None:
        """Reset the database to what ``fill`` makes of an empty one; ``fill`` is called once per ``settings``."""
        ...


class InMemory:
    """One SQLite database in memory, whose single connection all users share."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        listen(self.engine, "connect", self._prepare)
        self._filled: dict[int, bytes] = {}

    def _prepare(self, raw: Any, _record: Any) -> None:
        raw.isolation_level = "IMMEDIATE"
        raw.execute("PRAGMA foreign_keys=ON")

    def begin(self, settings: int, fill: Fill) -> None:
        if settings not in self._filled:
            self._be(_nothing())
            _fill(self.engine, fill)
            with self.engine.connect() as line:
                self._filled[settings] = bytes(_raw(line).serialize())
        self._be(self._filled[settings])

    def _be(self, content: bytes) -> None:
        with self.engine.connect() as line:
            _raw(line).deserialize(content)


class OnPostgreSql:
    """One database on a PostgreSQL server, emptied for each storm."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, pool_size=10, max_overflow=10)
        self._filled: dict[int, list[tuple[Any, list[Any]]]] = {}
        with Store(self.engine).write() as db:
            bring_up_to_date(db)

    def begin(self, settings: int, fill: Fill) -> None:
        self._empty()
        if settings not in self._filled:
            _fill(self.engine, fill)
            with self.engine.connect() as db:
                tables = [each for each in t.metadata.sorted_tables if each is not t.host_version]
                self._filled[settings] = [(each, list(db.execute(each.select()).mappings())) for each in tables]
            return
        with self.engine.begin() as db:
            for table, rows in self._filled[settings]:
                if rows:
                    db.execute(table.insert(), [dict(row) for row in rows])

    def _empty(self) -> None:
        names = ", ".join(each.name for each in t.metadata.sorted_tables if each is not t.host_version)
        with self.engine.begin() as db:
            db.exec_driver_sql(f"TRUNCATE {names} CASCADE")


@cache
def in_memory() -> InMemory:
    """Return this process's SQLite database."""
    return InMemory()


@cache
def on_postgresql(url: str) -> OnPostgreSql:
    """Return the PostgreSQL database at this address."""
    return OnPostgreSql(url)


def _fill(engine: Engine, fill: Fill) -> None:
    store = Store(engine)
    with store.write() as db:
        bring_up_to_date(db)
    fill(store)


def _nothing() -> bytes:
    empty = sqlite3.connect(":memory:")
    empty.execute("CREATE TABLE x (y)")
    empty.execute("DROP TABLE x")
    return bytes(empty.serialize())


def _raw(line: Connection) -> Any:
    return line.connection.driver_connection
