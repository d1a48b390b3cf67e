"""Named locks between all processes on one PostgreSQL: they end with the connection that holds them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from .trouble import explained

_LOCK = text("SELECT pg_advisory_lock(hashtextextended(:name, 0))")
_TRY = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")


class AdvisoryLocks:
    """Implements ``locks.Locks``: a connection of its own for each lock that is held."""

    def __init__(self, database: Engine) -> None:
        # Not from the pool: a lock is held for as long as a run works.
        self._engine = create_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._mine = threading.local()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold the lock ``name`` during the block; a thread may hold the same name twice."""
        held: set[str] = self._mine.__dict__.setdefault("held", set())
        if name in held:
            yield
            return
        with explained(), self._engine.connect() as connection:
            connection.execute(_LOCK, {"name": name})
            held.add(name)
            try:
                yield
            finally:
                held.discard(name)
                _unlock(connection, name)

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Whether the lock is ours during the block; nobody waits."""
        with explained(), self._engine.connect() as connection:
            mine = bool(connection.execute(_TRY, {"name": name}).scalar())
            try:
                yield mine
            finally:
                if mine:
                    _unlock(connection, name)


def _unlock(connection: Connection, name: str) -> None:
    # A connection that is lost has let go of its locks: what was done under them must not look failed for that.
    with suppress(DBAPIError):
        connection.execute(_UNLOCK, {"name": name})
