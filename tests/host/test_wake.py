"""Internals of DBOS on which engine/wake.py relies. If an upgrade of DBOS fails here, adapt engine/wake.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwoty_integrations_host.engine.durable import _QUEUE, _SUSPECTS, DurableEngine
from qwoty_integrations_host.engine.wake import QUEUE_THREAD
from qwoty_integrations_host.store.database import Store, open_database

BROKEN = "DBOS changed what engine/wake.py relies on: jobs would start late, by the clock (ADR 0051)"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DurableEngine]:
    store = Store(open_database(f"sqlite:///{tmp_path / 'host.db'}"))
    engine = DurableEngine(store.engine)
    engine.start(lambda job_id: None)
    yield engine
    engine.close()
    store.close()


def test_dbos_polls_each_queue_in_a_thread_with_the_expected_name(engine: DurableEngine) -> None:
    names, deadline = {QUEUE_THREAD.format(queue) for queue in (_QUEUE, _SUSPECTS)}, time.monotonic() + 10
    while not names <= running() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert names <= running(), BROKEN


def running() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_dbos_waits_between_two_polls_on_the_stop_event_that_is_patched(engine: DurableEngine) -> None:
    names = {QUEUE_THREAD.format(queue) for queue in (_QUEUE, _SUSPECTS)}
    deadline = time.monotonic() + 10
    while not names <= engine._wake.paused and time.monotonic() < deadline:
        time.sleep(0.05)

    assert names <= engine._wake.paused, BROKEN
