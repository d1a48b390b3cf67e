"""Opens the host's database, and gives access to it through ``Store.read`` and ``Store.write``."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.event import listen, listens_for
from sqlalchemy.exc import InvalidatePoolError

from ..config import JOBS
from ..errors import DatabaseUnavailable, Interruption
from . import holds, search
from .deferred_writes import Write
from .outages import detecting_outages
from .schema import bring_up_to_date

#: How long SQLite waits for another program that has locked the database.
BUSY_SECONDS = 30.0
#: The connections of a process that stay open, and the most that it opens besides those for its jobs.
_KEPT, _MORE = 20, 12
#: A connection that was idle for less time than this is used without a ping.
_TRUSTED_SECONDS = 1.0
_RESTS_SINCE = "qwoty_rests_since"
#: From Python 3.12 on, DBOS stamps its rows with unixepoch('subsec'), which returns NULL on an older SQLite.
_SUBSEC_SINCE = (3, 42)


def _unixepoch(modifier: str) -> float | int | None:
    now = time.time_ns()
    return {"subsec": now / 1e9, "subsecond": now / 1e9, "now": now // 10**9}.get(modifier)


def open_database(url: str, *, jobs: int = JOBS) -> Engine:
    """Open the database, after creating or upgrading its tables if needed.

    The pool has a connection for each of ``jobs``, and as many again as requests and scheduled work need.
    SQLite uses WAL with full syncs, so that a committed transaction is on disk.
    """
    engine = create_engine(url, pool_size=_KEPT, max_overflow=_MORE + jobs, hide_parameters=True)
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
    """Ping a connection that was idle for a while before it is used again.

    SQLAlchemy's own ``pool_pre_ping`` pings at each checkout: a hundred times for one quote (ADR 0051).
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
    """Close every connection: an idle one now, one in use when it is checked in."""
    # A connection in use returns to the disposed pool, where it would stay open until it is garbage-collected.
    listen(engine, "checkin", lambda _raw, record: record.invalidate())
    engine.dispose()


class Store:
    """Opens transactions and connections. On SQLite, a process-wide lock lets one thread write at a time.

    All methods raise DatabaseUnavailable while the database is locked, full or unreachable. In a run, ``write`` raises
    an Interruption once the run must not go on: Overtaken, when another worker has taken over its hold.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        # Autocommit spares each query a BEGIN and a ROLLBACK. Queries see the same rows either way: by default,
        # PostgreSQL shows each statement what was committed when the statement began.
        self._readable = engine if self._is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writing: AbstractContextManager[Any] = threading.RLock() if self._is_sqlite else nullcontext()
        self._mine = threading.local()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block, or rolls back; a nested one joins the outer one."""
        if (outer := getattr(self._mine, "transaction", None)) is not None:
            yield outer
            return
        deferred = holds.deferred()
        if deferred is None:
            with self._transaction() as connection:
                yield connection
            return
        with deferred.alone():
            deferred.go_on()
            with self._transaction() as connection:
                if deferred:
                    holds.lock_quote(connection)
                done = deferred.write(connection)
                if not deferred.is_interrupted:
                    yield connection
            deferred.forget(done)
            deferred.go_on()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        afterwards: list[Callable[[], object]] = []
        with self._writing, detecting_outages(), self.engine.begin() as connection:
            if self._is_sqlite:
                # Lock before the first read, so that nobody changes the rows between our reads and our writes.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            holds.confirm(connection, keep=True)
            self._mine.transaction, self._mine.afterwards = connection, afterwards
            search.begin(connection)
            try:
                yield connection
                search.update_touched(connection)
            finally:
                self._mine.transaction = self._mine.afterwards = None
        for work in afterwards:
            work()

    def defer(self, place: Hashable, write: Write) -> None:
        """In a run, let a write wait for the run's next transaction; elsewhere and in a transaction, do it at once.

        A later write to the same place replaces it until then.
        """
        deferred = holds.deferred()
        if deferred is not None and getattr(self._mine, "transaction", None) is None:
            deferred.add(place, write)
            return
        with self.write() as db:
            write(db)

    def flush(self) -> None:
        """Do what waits for the run's next transaction, if anything does. Raises: as ``write``."""
        deferred = holds.deferred()
        if deferred is None:
            return
        is_waiting = bool(deferred)  # first: what another thread meets while it writes is known before it is forgotten
        deferred.go_on()
        if is_waiting:
            with self.write():
                pass

    def flush_overdue(self) -> None:
        """Do what has waited too long, unless the run is in a transaction.

        Raises nothing: what meets an outage waits on, and any other error meets the run at its next transaction.
        """
        deferred = holds.deferred()
        if deferred is not None and deferred.are_overdue:
            with deferred.alone_at_once() as is_alone, suppress(DatabaseUnavailable, Interruption):
                if is_alone:
                    self.flush()

    def afterwards(self, work: Callable[[], object]) -> None:
        """Call ``work`` once this thread's transaction has committed; at once if there is none.

        If the transaction rolls back, ``work`` is not called.
        """
        if (waiting := getattr(self._mine, "afterwards", None)) is None:
            work()
        else:
            waiting.append(work)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for queries. Inside a transaction of this thread, it is that transaction's connection."""
        if (outer := getattr(self._mine, "transaction", None)) is not None:
            yield outer
            return
        with detecting_outages(), self._readable.connect() as connection:
            yield connection

    def confirm(self) -> None:
        """Check that no other worker has overtaken this run, right before something leaves this host.

        What waits for the run's next transaction is done before. Raises: Overtaken.
        """
        self.flush()
        # Once more: the worker may have slept since that commit.
        if holds.held() is not None:
            with self.read() as db:
                holds.confirm(db, keep=False)

    def close(self) -> None:
        """Close every connection."""
        close_for_good(self.engine)
