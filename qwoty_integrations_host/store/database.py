"""The one database of a host: opening it, and the two ways to use it (``read`` and ``write``)."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen, listens_for
from sqlalchemy.exc import InvalidatePoolError

from . import holds, search
from .schema import bring_up_to_date
from .trouble import explained

#: How long SQLite waits for another program that holds the database.
BUSY_SECONDS = 30.0
#: How long a connection to a server is taken to be as it was.
_TRUSTED_SECONDS = 1.0
_RESTS_SINCE = "qwoty_rests_since"
#: From Python 3.12 on, DBOS stamps its rows with unixepoch('subsec'), which an older SQLite answers with NULL.
_SUBSEC_SINCE = (3, 42)


def _unixepoch(modifier: str) -> float | int | None:
    now = time.time_ns()
    return {"subsec": now / 1e9, "subsecond": now / 1e9, "now": now // 10**9}.get(modifier)


def open_database(url: str) -> Engine:
    """Open the database, made or upgraded as needed. SQLite gets WAL with full syncs: what was answered is on disk."""
    engine = create_engine(url, pool_size=20, max_overflow=20, hide_parameters=True)
    if engine.dialect.name == "postgresql":
        _ask_when_rested(engine)
    else:

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


def _ask_when_rested(engine: Engine) -> None:
    """Ask a connection that nobody used for a while whether its server is still there, before it is used again.

    SQLAlchemy's own ``pool_pre_ping`` asks each time: a hundred times for one quote (ADR 0051).
    """

    @listens_for(engine, "checkin")
    def _note(_raw: Any, record: Any) -> None:
        record.info[_RESTS_SINCE] = time.monotonic()

    @listens_for(engine, "checkout")
    def _ask(raw: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get(_RESTS_SINCE, time.monotonic()) < _TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(raw)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def close_for_good(engine: Engine) -> None:
    """Close every connection: those at rest now, those that a thread still uses when it gives them back."""
    # They go back to a pool that nobody looks into any more, where only the garbage collector would find them.
    listen(engine, "checkin", lambda _raw, record: record.invalidate())
    engine.dispose()


class Store:
    """Hands out transactions. One process-wide lock orders the writers of SQLite; PostgreSQL orders its own.

    All ways raise DatabaseUnavailable while the database is locked, full or away. What is written in a run is written
    under its hold, or not at all (Overtaken).
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        # Without BEGIN and ROLLBACK around each query: either way it sees what is committed when it is asked.
        self._readable = engine if self._is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writing: AbstractContextManager[Any] = threading.RLock() if self._is_sqlite else nullcontext()
        self._mine = threading.local()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block, or leaves nothing; inside another, a part of it."""
        if (outer := getattr(self._mine, "transaction", None)) is not None:
            yield outer
            return
        afterwards: list[Callable[[], object]] = []
        with self._writing, explained(), self.engine.begin() as connection:
            if self._is_sqlite:
                # At once, not with the first change: what is read here must still be true when we write.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            holds.confirm(connection, keep=True)
            self._mine.transaction, self._mine.afterwards = connection, afterwards
            search.begin(connection)
            try:
                yield connection
                search.settle(connection)
            finally:
                self._mine.transaction = self._mine.afterwards = None
        for work in afterwards:
            work()

    def afterwards(self, work: Callable[[], object]) -> None:
        """Do ``work`` once this thread's transaction has committed, at once outside one; never if it is rolled back."""
        if (waiting := getattr(self._mine, "afterwards", None)) is None:
            work()
        else:
            waiting.append(work)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; inside a transaction of this thread it is that one, so it sees what was written."""
        if (outer := getattr(self._mine, "transaction", None)) is not None:
            yield outer
            return
        with explained(), self._readable.connect() as connection:
            yield connection

    def confirm(self) -> None:
        """Make sure that no other worker has overtaken this run, right before something leaves this host.

        Raises: Overtaken.
        """
        if holds.held() is not None:
            with self.read() as db:
                holds.confirm(db, keep=False)

    def close(self) -> None:
        """Close every connection."""
        close_for_good(self.engine)
