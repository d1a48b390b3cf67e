"""Named locks among all processes on one PostgreSQL. A lock ends with the connection that holds it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

from .database import close_for_good
from .outages import detecting_outages

_LOCK = text("SELECT pg_advisory_lock(hashtextextended(:name, 0))")
_TRY = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_THERE = text("SELECT 1")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")
#: The number of connections that stay open for later locks.
_KEPT = 8


class AdvisoryLocks:
    """Implements ``locks.Locks``; each held lock has its own connection."""

    def __init__(self, database: Engine) -> None:
        # A pool of its own: a lock is held as long as a run works, which would exhaust the host's pool. PostgreSQL
        # starts a process for each new connection, so connections are reused.
        self._engine = create_engine(
            database.url, isolation_level="AUTOCOMMIT", pool_size=_KEPT, max_overflow=-1, pool_pre_ping=True
        )
        listen(database, "engine_disposed", lambda _: close_for_good(self._engine))
        self._mine = threading.local()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold the lock ``name`` during the block; a thread may hold the same name twice."""
        if name in self._held:
            yield
            return
        with detecting_outages(), self._engine.connect() as connection:
            connection.execute(_LOCK, {"name": name})
            self._held[name] = connection
            try:
                yield
            finally:
                del self._held[name]
                _unlock(connection, name)

    def confirm(self) -> None:
        """Check that this thread still has the locks that it holds. Raises: DatabaseUnavailable."""
        with detecting_outages():
            for connection in self._held.values():
                connection.execute(_THERE)

    @property
    def _held(self) -> dict[str, Connection]:
        found: dict[str, Connection] = self._mine.__dict__.setdefault("held", {})
        return found

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Try to take the lock for the block, without waiting; yield whether that succeeded."""
        with detecting_outages(), self._engine.connect() as connection:
            mine = bool(connection.execute(_TRY, {"name": name}).scalar())
            try:
                yield mine
            finally:
                if mine:
                    _unlock(connection, name)


def _unlock(connection: Connection, name: str) -> None:
    if connection.invalidated:
        return
    try:
        connection.execute(_UNLOCK, {"name": name})
    except DBAPIError:
        # Close the connection, which releases its locks. Do not raise: the work under the lock has succeeded.
        connection.invalidate()
