"""Trouble with a host's own database: another program locks it, its disk is full, or its server is gone."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.event import listen, remove

from qwoty_integrations_host.host import Host


class Lock:
    """Another program that locks the SQLite database until ``let_go``."""

    def __init__(self, path: Path) -> None:
        self._other = sqlite3.connect(path, check_same_thread=False, isolation_level=None)

    def take(self) -> None:
        self._other.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        with suppress(sqlite3.OperationalError):
            self._other.execute("ROLLBACK")

    def close(self) -> None:
        self.let_go()
        self._other.close()


class FullDisk:
    """A disk that has no room for the SQLite database to grow until ``let_go``."""

    def __init__(self, host: Host) -> None:
        self._engine, self._limit = host.store.engine, 0
        listen(self._engine, "checkout", self._apply)

    def _apply(self, raw: Any, *_: Any) -> None:
        raw.execute(f"PRAGMA max_page_count={self._limit or 1_000_000}").fetchall()

    def take(self) -> None:
        with self._engine.connect() as db:
            self._limit = db.exec_driver_sql("PRAGMA page_count").scalar_one()

    def let_go(self) -> None:
        self._limit = 0

    def close(self) -> None:
        self.let_go()
        remove(self._engine, "checkout", self._apply)


class Away:
    """A PostgreSQL database that accepts no connections until ``let_go``."""

    def __init__(self, address: str) -> None:
        self._name = address.partition("?")[0].rpartition("/")[2]
        self._engine = create_engine(address.replace(f"/{self._name}", "/postgres", 1), isolation_level="AUTOCOMMIT")

    def take(self) -> None:
        with self._engine.connect() as db:
            db.execute(text(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false"))
            gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            db.execute(text(gone), {"name": self._name})

    def let_go(self) -> None:
        with self._engine.connect() as db:
            db.execute(text(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true"))

    def close(self) -> None:
        self.let_go()
        self._engine.dispose()
