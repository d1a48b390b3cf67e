"""What processes on one PostgreSQL tell each other: that there is work. Who misses it looks by the clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

_NOTIFY = text("SELECT pg_notify('qwoty_runs', '')")
#: Seconds after which a listener looks whether it is to stop, and between two tries to reach the database.
_LOOK, _TRY_AGAIN = 0.2, 1.0

log = logging.getLogger(__name__)


def tell(db: Connection) -> None:
    """Tell all listeners when the transaction commits."""
    db.execute(_NOTIFY)


class Listener:
    """Hears what others tell, on a connection of its own."""

    def __init__(self, database: Engine) -> None:
        self._engine = create_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        assert self._engine.dialect.dbapi is not None
        # What the driver raises by itself, where SQLAlchemy is not between.
        self._troubles = (DBAPIError, self._engine.dialect.dbapi.Error)

    def listen(self, stop: threading.Event, heard: Callable[[], None]) -> None:
        """Call ``heard`` for all that is told, until ``stop``; while the database is away, try again and again."""
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
            heard()  # what was told before anybody listened
            while not stop.is_set():
                for _ in driver.notifies(timeout=_LOOK, stop_after=1):
                    heard()
