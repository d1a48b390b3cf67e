"""Several worker processes on one database: which jobs they take over, and which they set aside."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host.config import JOBS
from qwoty_integrations_host.engine.durable import DurableEngine, most_of_a_partition
from qwoty_integrations_host.engine.leases import LEASE_SECONDS, MOST_DEATHS
from qwoty_integrations_host.store import runs as rows
from qwoty_integrations_host.store.database import Store, open_database

#: The program of a worker process. Its jobs have two steps; each step appends a line to a file.
WORKER = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from qwoty_integrations_host.engine.durable import DurableEngine
    from qwoty_integrations_host.store.database import open_database

    url, out, behavior = sys.argv[1:]
    engine = DurableEngine(open_database(url))

    def note(text):
        with open(out, "a") as file:
            file.write(text + "\\n")

    def second(job_id):
        note(f"{job_id}/b")
        if behavior == "dies":
            os._exit(9)
        if behavior == "hangs":
            time.sleep(60)
        if behavior == "takes a while":
            time.sleep(0.2)

    def job(job_id):
        engine.step("a", lambda: f"{job_id}/a", note)
        engine.step("b", lambda: second(job_id), lambda _: None)
        note(f"{job_id} done")

    engine.start(job, lambda job_id: note(f"{job_id} set aside"))
    note("ready")
    time.sleep(float(60 if behavior != "stops" else 0.5))
    engine.close()
""")


class Yard:
    """One database, and the worker processes on it."""

    def __init__(self, url: str, out: Path) -> None:
        self.url, self.out = url, out
        self.store = Store(open_database(url))
        self.engine = DurableEngine(self.store.engine)
        out.touch()

    def enqueue(self, *job_ids: str, partition: str = "ws-1") -> None:
        with self.store.write() as db:
            for job_id in job_ids:
                self.engine.enqueue(db, job_id, partition=partition)

    @contextmanager
    def worker(self, behavior: str = "works") -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen([sys.executable, "-c", WORKER, self.url, str(self.out), behavior])
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def wait_for(self, line: str, *, seconds: float = 60.0, times: int = 1) -> None:
        deadline = time.monotonic() + seconds
        while self.lines().count(line) < times:
            assert time.monotonic() < deadline, f"{line!r} did not come: {self.lines()}"
            time.sleep(0.02)

    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()


@pytest.fixture
def yard(postgresql: str, tmp_path: Path) -> Iterator[Yard]:
    found = Yard(postgresql, tmp_path / "out.txt")
    yield found
    found.engine.close()
    found.store.close()


def test_a_second_worker_takes_over_from_a_killed_one_within_five_seconds(yard: Yard) -> None:
    with yard.worker("hangs") as victim:
        yard.wait_for("ready")
        yard.enqueue("r.1")
        yard.wait_for("r.1/b")
        with yard.worker():
            yard.wait_for("ready", times=2)
            victim.kill()
            died = time.monotonic()
            yard.wait_for("r.1 done")
            took = time.monotonic() - died

    assert took < 5.0
    assert yard.lines().count("r.1/b") == 2


def test_a_living_worker_keeps_its_job_for_any_length_of_time(yard: Yard) -> None:
    with yard.worker("hangs"):
        yard.wait_for("ready")
        yard.enqueue("r.1")
        yard.wait_for("r.1/b")
        with yard.worker():
            yard.wait_for("ready", times=2)
            time.sleep(2 * LEASE_SECONDS)

    assert yard.lines().count("r.1/b") == 1


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_job_that_kills_several_workers_is_set_aside(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'db'}" if database == "sqlite" else request.getfixturevalue("postgresql")
    yard = Yard(url, tmp_path / "out.txt")
    yard.enqueue("r.1")
    for death in range(1, MOST_DEATHS + 1):
        with yard.worker("dies") as victim:
            yard.wait_for("r.1/b", times=death)
            victim.wait(timeout=10)
    with yard.worker():
        yard.wait_for("r.1 set aside")
        yard.enqueue("r.2")
        yard.wait_for("r.2 done")

    assert yard.lines().count("r.1/b") == MOST_DEATHS
    assert yard.engine.ended("r.1")
    yard.engine.close()
    yard.store.close()


def test_a_worker_that_stops_orderly_does_not_count_as_a_death(yard: Yard) -> None:
    yard.enqueue("r.1")
    leases: Any = yard.engine._leases
    leases.beat("w")

    assert leases.died("w")
    leases.hand_back("w")
    assert not leases.died("w")


def test_deaths_count_from_the_last_checkpoint(yard: Yard) -> None:
    leases: Any = yard.engine._leases

    assert [leases.count_death("r.1", 1), leases.count_death("r.1", 1), leases.count_death("r.1", 2)] == [1, 2, 1]


def test_twenty_jobs_shared_by_two_workers_are_each_done_once(yard: Yard) -> None:
    with yard.worker(), yard.worker():
        yard.wait_for("ready", times=2)
        yard.enqueue(*(f"r.{n}" for n in range(20)))
        for number in range(20):
            yard.wait_for(f"r.{number} done")

    assert sorted(yard.lines().count(f"r.{number}/{step}") for number in range(20) for step in "ab") == [1] * 40


def test_a_workspace_with_many_quotes_occupies_half_of_each_worker(yard: Yard) -> None:
    yard.enqueue(*(f"many.{n}" for n in range(60)), partition="ws-1")
    with yard.worker("takes a while"), yard.worker("takes a while"):
        yard.wait_for("ready", times=2)
        yard.wait_for("many.0/b")
        yard.enqueue(*(f"few.{n}" for n in range(3)), partition="ws-2")
        for name in [f"few.{n}" for n in range(3)] + [f"many.{n}" for n in range(60)]:
            yard.wait_for(f"{name} done", seconds=60)

    lines, at_once, most = yard.lines(), 0, 0
    for line in lines:
        at_once += line.startswith("many.") * (line.endswith("/a") - line.endswith(" done"))
        most = max(most, at_once)
    assert 1 < most <= 2 * most_of_a_partition(JOBS), "half of each worker is left for others"
    few = [number for number, line in enumerate(lines) if line.startswith("few.") and line.endswith("done")]
    behind = [line for line in lines[max(few) :] if line.startswith("many.") and line.endswith("done")]
    assert len(behind) > 30, "most of the sixty jobs ended after the three that were queued behind them"


def test_the_search_for_stranded_runs_does_not_change_a_run_that_ends_meanwhile(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.enable()
    run_ids = desk.host.runs.acceptance.accept("ws-1", a_quote()).run_ids

    def which_ended(job_ids: list[str]) -> set[str]:
        desk.work()  # the other worker is faster
        return set(job_ids)

    monkeypatch.setattr(desk.host.engine, "which_ended", which_ended)

    desk.host.executor.resume_stranded()

    assert [desk.run(run_id)["status"] for run_id in run_ids] == ["succeeded"]


def test_a_start_passes_over_a_run_that_waits_without_an_error(desk: Any) -> None:
    desk.enable()
    (run_id, *_) = desk.host.runs.acceptance.accept("ws-1", a_quote()).run_ids
    with desk.host.store.write() as db:
        rows.change(db, run_id, status="waiting", error=None)

    desk.host.executor.resume_stranded()

    assert desk.run(run_id)["status"] == "waiting"


def test_the_search_for_stranded_runs_leaves_an_attempt_that_was_queued_meanwhile(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.enable()
    (run_id, *_) = desk.host.runs.acceptance.accept("ws-1", a_quote()).run_ids

    def which_ended(job_ids: list[str]) -> set[str]:
        with desk.host.store.write() as db:  # another worker has found it, too
            desk.host.executor.attempts.resume(db, rows.require(db, run_id))
        return set(job_ids)

    monkeypatch.setattr(desk.host.engine, "which_ended", which_ended)

    desk.host.executor.resume_stranded()

    with desk.host.store.read() as db:
        assert rows.require(db, run_id).attempt == 2
