"""Tells outages of the database (locked, full, unreachable) from bugs. Work goes on when an outage is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from ..errors import DatabaseUnavailable

#: The SQLite result codes of outages. Any other code is a bug of ours.
_SQLITE = {
    sqlite3.SQLITE_BUSY: "locked by another program",
    sqlite3.SQLITE_LOCKED: "locked by another program",
    sqlite3.SQLITE_FULL: "full, or its disk is",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_IOERR: "on a disk that fails",
    sqlite3.SQLITE_CANTOPEN: "not there, or may not be opened",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}
#: The SQLSTATE of a write to a PostgreSQL that is read-only, such as a replica.
_READ_ONLY = "25006"
#: The SQLSTATEs of a lock that was not given in time, and of a deadlock.
_CONTENTION = ("55P03", "40P01")


@contextmanager
def detecting_outages() -> Iterator[None]:
    """Raise DatabaseUnavailable for an outage of the database inside the block."""
    try:
        yield
    except SQLAlchemyError as error:
        words = _words(error)
        if words is None:
            raise
        raise DatabaseUnavailable(
            f"The host's database is {words}.",
            hint="Runs go on by themselves when it is well again. Is its disk full, or does another program hold it?",
        ) from error


def is_contention(error: DatabaseUnavailable) -> bool:
    """Whether another transaction was in the way, on a PostgreSQL that is well."""
    cause = error.__cause__
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", None) in _CONTENTION


def _words(error: SQLAlchemyError) -> str | None:
    if isinstance(error, NoConnectionFree):
        return "too busy: no connection to it is free"
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        # The lowest byte is the primary result code; the others give details.
        code = getattr(error.orig, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    is_away = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    if is_away or getattr(error.orig, "sqlstate", None) == _READ_ONLY:
        return "away, or refuses to work"
    return None
