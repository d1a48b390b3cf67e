"""Idle connections to PostgreSQL: they may be cut, and released locks leave them reusable (ADR 0051)."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from qwoty_integrations_host.errors import DatabaseUnavailable
from qwoty_integrations_host.store import database
from qwoty_integrations_host.store.advisory_locks import AdvisoryLocks
from qwoty_integrations_host.store.database import Store, open_database


@pytest.fixture
def store(postgresql: str) -> Iterator[Store]:
    store = Store(open_database(postgresql))
    yield store
    store.close()


def backend(store: Store) -> int:
    with store.read() as db:
        return int(db.execute(text("SELECT pg_backend_pid()")).scalar_one())


def cut(address: str, pid: int) -> None:
    """Let the server close a connection, and wait until it is closed."""
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as line:
        assert line.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)


def test_an_idle_connection_that_was_cut_is_replaced_without_an_error(
    store: Store, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_TRUSTED_SECONDS", 0.0)
    before = backend(store)
    cut(postgresql, before)

    assert backend(store) != before


def test_a_connection_cut_right_before_its_use_raises_one_database_error(store: Store, postgresql: str) -> None:
    before = backend(store)
    cut(postgresql, before)

    with pytest.raises(DatabaseUnavailable):
        backend(store)
    assert backend(store) != before


def test_a_released_lock_leaves_its_connection_to_the_next_lock(store: Store, postgresql: str) -> None:
    locks, others = AdvisoryLocks(store.engine), AdvisoryLocks(store.engine)

    for _ in range(3):
        with locks.hold("a"), locks.hold("b"):
            pass

    with others.attempt("a") as first, others.attempt("b") as second:
        assert first
        assert second
    with psycopg.connect(postgresql.replace("+psycopg", "")) as line:
        # This connection itself has another last statement.
        found = line.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_advisory_unlock%'")
        assert found.fetchone() == (4,), "each engine keeps two connections, and not one for each lock that it took"
