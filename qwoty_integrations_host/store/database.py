"""The one database of a host: opening it, and the two ways to use it (``read`` and ``write``)."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen, listens_for

from .schema import bring_up_to_date
from .trouble import explained

#: How long SQLite waits for another program that holds the database.
BUSY_SECONDS = 30.0
#: From Python 3.12 on, DBOS stamps its rows with unixepoch('subsec'), which an older SQLite answers with NULL.
_SUBSEC_SINCE = (3, 42)


def _unixepoch(modifier: str) -> float | int | None:
    now = time.time_ns()
    return {"subsec": now / 1e9, "subsecond": now / 1e9, "now": now // 10**9}.get(modifier)


def open_database(url: str) -> Engine:
    """Open the database, made or upgraded as needed. SQLite gets WAL with full syncs: what was answered is on disk."""
    engine = create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True, hide_parameters=True)
    if engine.dialect.name == "sqlite":

        @listens_for(engine, "connect")
        def _prepare(raw: Any, _record: Any) -> None:
            raw.isolation_level = "IMMEDIATE"
            busy = f"busy_timeout={BUSY_SECONDS * 1000:.0f}"
            for pragma in ("journal_mode=WAL", "synchronous=FULL", busy, "foreign_keys=ON"):
                raw.execute(f"PRAGMA {pragma}")
            if sqlite3.sqlite_version_info < _SUBSEC_SINCE:
                raw.create_function("unixepoch", 1, _unixepoch)

    try:
        with Store(engine).write() as db:
            bring_up_to_date(db)
    except BaseException:
        engine.dispose()
        raise
    return engine


class Store:
    """Hands out transactions. One process-wide lock orders the writers of SQLite; PostgreSQL orders its own.

    Both ways raise DatabaseUnavailable while the database is locked, full or away.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._writing: AbstractContextManager[Any] = threading.RLock() if self._is_sqlite else nullcontext()
        self._mine = threading.local()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or leaves nothing; inside another, a part of it."""
        if (outer := getattr(self._mine, "transaction", None)) is not None:
            yield outer
            return
        with self._writing, explained(), self.engine.begin() as connection:
            if self._is_sqlite:
                # At once, not with the first change: what is read here must still be true when we write.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._mine.transaction = connection
            try:
                yield connection
            finally:
                self._mine.transaction = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; inside a transaction of this thread it is that one, so it sees what was written."""
        if (outer := getattr(self._mine, "transaction", None)) is not None:
            yield outer
            return
        with explained(), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection: those at rest now, those that a thread still uses when it gives them back."""
        # They go back to a pool that nobody looks into any more, where only the garbage collector would find them.
        listen(self.engine, "checkin", lambda _raw, record: record.invalidate())
        self.engine.dispose()
