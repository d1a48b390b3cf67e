"""What the engine relies on in DBOS's loop of a queue. If an upgrade of DBOS fails here, adapt engine/durable.py."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qwoty_integrations_host.config import MOST_JOBS
from qwoty_integrations_host.engine.durable import DurableEngine, most_of_a_partition
from qwoty_integrations_host.engine.wake import FileChanges, Pauses
from qwoty_integrations_host.store.database import Store, open_database

BROKEN = "DBOS changed what engine/durable.py relies on: jobs would start late, or too many at a time (ADR 0087)"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(open_database(f"sqlite:///{tmp_path / 'host.db'}"))
    yield found
    found.close()


def test_dbos_pauses_between_two_polls_on_the_event_that_it_was_given(store: Store) -> None:
    engine = DurableEngine(store.engine)
    engine.start(lambda job_id: None)

    eventually(lambda: engine._queue.has_paused and engine._suspects.has_paused)

    engine.close()


def test_dbos_starts_no_loops_of_its_own_for_our_queues(store: Store) -> None:
    engine = DurableEngine(store.engine)
    engine.start(lambda job_id: None)

    eventually(lambda: "queue-worker-_dbos_internal_queue" in {thread.name for thread in threading.enumerate()})
    named = {thread.name for thread in threading.enumerate() if thread.name.startswith("queue-worker-")}

    assert named == {"queue-worker-_dbos_internal_queue"}, BROKEN
    engine.close()


@pytest.mark.parametrize(("jobs", "of_one", "in_all"), [(1, 1, 1), (2, 1, 2), (8, 4, 8), (MOST_JOBS, 32, 64)])
def test_a_process_has_as_many_jobs_at_a_time_as_it_was_told(store: Store, jobs: int, of_one: int, in_all: int) -> None:
    begun, may_end = [], threading.Event()

    def work(job_id: str) -> None:
        begun.append(job_id)
        may_end.wait(30)

    engine = DurableEngine(store.engine, jobs)
    with store.write() as db:
        for number in range(80):
            engine.enqueue(db, f"a{number}.1", partition="ws-1")
            engine.enqueue(db, f"b{number}.1", partition="ws-2")
    engine.start(work)
    eventually(lambda: len(begun) == min(in_all, 2 * of_one))
    engine._queue.wake()
    engine._queue.has_paused = False
    eventually(lambda: engine._queue.has_paused)

    counts = [sum(job_id.startswith(workspace) for job_id in begun) for workspace in "ab"]
    assert sum(counts) == in_all, BROKEN
    assert max(counts) == of_one == most_of_a_partition(jobs), BROKEN
    engine._queue.set()  # no job may begin in the place of one that ends
    may_end.set()
    engine.close()


def test_a_wake_ends_a_pause_and_the_next_pause_is_whole() -> None:
    pauses = Pauses(lambda: False)
    pauses.wake()

    began = time.monotonic()
    assert not pauses.wait(60.0)
    assert time.monotonic() - began < 30.0
    assert not pauses.wait(0.05)
    assert time.monotonic() - began >= 0.05


def test_a_stop_ends_every_pause() -> None:
    pauses = Pauses(lambda: False)
    pauses.set()

    assert [pauses.wait(60.0), pauses.wait(60.0)] == [True, True]


def test_news_end_a_pause() -> None:
    pauses = Pauses(lambda: False)
    pauses.watch(lambda: True)

    assert not pauses.wait(3600.0)


def test_only_a_changed_file_is_news(store: Store, tmp_path: Path) -> None:
    changes = FileChanges(str(tmp_path / "host.db"))

    with store.read() as db:
        db.exec_driver_sql("SELECT count(*) FROM runs")
    after_a_query = changes.any()
    with closing(sqlite3.connect(tmp_path / "host.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE elsewhere (id)")
    after_a_change = changes.any()

    assert (after_a_query, after_a_change, changes.any()) == (False, True, False)
    changes.close()


def eventually(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, BROKEN
        time.sleep(0.02)
