"""Tells all processes on one PostgreSQL that there is work. A process that misses it looks by the clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

_NOTIFY = text("SELECT pg_notify('qwoty_runs', '')")
#: Seconds between two checks whether to stop listening, and between two tries to reach the database.
_LOOK, _TRY_AGAIN = 0.5, 1.0

log = logging.getLogger(__name__)


def tell(db: Connection) -> None:
    """Tell all listeners when the transaction commits."""
    db.execute(_NOTIFY)


class Listener:
    """Listens to other processes, on a connection of its own."""

    def __init__(self, database: Engine) -> None:
        self._engine = create_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        assert self._engine.dialect.dbapi is not None
        # The driver's own errors, where no SQLAlchemy call translates them.
        self._troubles = (DBAPIError, self._engine.dialect.dbapi.Error)

    def listen(self, stop: threading.Event, heard: Callable[[], None]) -> None:
        """Call ``heard`` for each notification until ``stop``; while the database is away, keep trying."""
        while not stop.is_set():
            try:
                self._listen(stop, heard)
            except self._troubles:
                log.debug("notices.away")
                stop.wait(_TRY_AGAIN)

    def _listen(self, stop: threading.Event, heard: Callable[[], None]) -> None:
        with self._engine.connect() as line:
            line.exec_driver_sql("LISTEN qwoty_runs")
            driver = line.connection.driver_connection
            assert driver is not None
            heard()  # for what was told before this connection listened
            while not stop.is_set():
                for _ in driver.notifies(timeout=_LOOK, stop_after=1):
                    heard()
