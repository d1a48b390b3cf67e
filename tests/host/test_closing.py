"""Closing the database while a thread still uses it: no connection stays open."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest

from qwoty_integrations_host.store.database import Store, open_database


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_connection_returned_after_the_close_is_closed(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'host.sqlite3'}" if database == "sqlite" else request.getfixturevalue("postgresql")
    store = Store(open_database(url))
    held, go_on, raw = threading.Event(), threading.Event(), []

    def work() -> None:
        with store.read() as db:
            raw.append(db.connection.dbapi_connection)
            held.set()
            go_on.wait(5)

    thread = threading.Thread(target=work)
    thread.start()
    assert held.wait(5)
    store.close()
    go_on.set()
    thread.join()

    with pytest.raises(Exception, match="closed"):
        raw[0].cursor().execute("SELECT 1")
    raw.clear()
    gc.collect()  # a connection that is still open causes a warning here, and a warning is an error
