"""The contract of both engines, and the promises of the durable engine alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.event import listen

from qwoty_integrations_host.clock import ManualClock, SystemClock
from qwoty_integrations_host.config import JOBS, HostConfig
from qwoty_integrations_host.engine.durable import DurableEngine
from qwoty_integrations_host.engine.inline import InlineEngine
from qwoty_integrations_host.errors import HostError
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.store import runs
from qwoty_integrations_host.store.database import Store, open_database
from qwoty_integrations_host.store.workspaces import add_workspace


class Works:
    """An engine with its own database, and a record of what its jobs did."""

    def __init__(self, kind: str, url: str) -> None:
        self.url = url
        self.store = Store(open_database(url))
        self.clock = ManualClock(datetime.now(UTC))
        self.engine: Any = DurableEngine(self.store.engine) if kind == "durable" else InlineEngine(self.clock)
        self.done: list[str] = []
        self.effects: list[str] = []

    def job(self, job_id: str) -> None:
        for name in ("a", "b"):
            self.engine.step(name, lambda name=name: f"{job_id}/{name}", self.effects.append)
        self.done.append(job_id)

    def enqueue(self, *job_ids: str, delay: float = 0.0) -> None:
        with self.store.write() as db:
            for job_id in job_ids:
                self.engine.enqueue(db, job_id, partition="ws-1", delay=delay)

    def now(self) -> datetime:
        return self.clock.now() if isinstance(self.engine, InlineEngine) else datetime.now(UTC)

    def pass_time(self, seconds: float) -> None:
        """Let time pass: the inline engine has a manual clock, the durable one uses the machine's."""
        self.clock.advance(seconds) if isinstance(self.engine, InlineEngine) else time.sleep(seconds)

    def wait(self, count: int, timeout: float = 5.0) -> bool:
        return bool(self.engine.wait(lambda: len(self.done) >= count, timeout=timeout))

    def close(self) -> None:
        self.engine.close()
        self.store.close()


def sqlite_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'host.sqlite3'}"


def address_of(database: str, request: pytest.FixtureRequest) -> str:
    if database == "sqlite":
        return sqlite_in(request.getfixturevalue("tmp_path"))
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture(params=["inline", "durable on sqlite", "durable on postgresql"])
def works(request: pytest.FixtureRequest) -> Iterator[Works]:
    kind, _, database = request.param.partition(" on ")
    found = Works(kind, address_of(database or "sqlite", request))
    yield found
    found.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def durable(request: pytest.FixtureRequest) -> Iterator[Works]:
    found = Works("durable", address_of(request.param, request))
    yield found
    found.close()


def test_a_job_exists_exactly_when_the_callers_transaction_commits(works: Works) -> None:
    _enqueue_and_fail(works, "lost.1")
    works.enqueue("kept.1")

    works.engine.start(works.job)

    assert works.wait(1)
    assert works.done == ["kept.1"]


def test_a_job_starts_only_after_its_transaction_is_visible_to_others(tmp_path: Path) -> None:
    works = Works("inline", sqlite_in(tmp_path))
    works.engine.start(works.job)
    meanwhile: list[list[str]] = []

    def another_thread_works(_db: Any) -> None:
        works.engine.work_queued()
        meanwhile.append(list(works.done))

    with works.store.write() as db:
        works.engine.enqueue(db, "r.1", partition="ws-1")
        listen(db, "commit", another_thread_works, once=True)
    works.engine.work_queued()

    assert (meanwhile, works.done) == ([[]], ["r.1"])
    works.close()


def test_a_job_id_is_worked_once_and_is_free_again_after_a_rollback(works: Works) -> None:
    _enqueue_and_fail(works, "r.1")
    works.engine.start(works.job)
    works.enqueue("r.1")
    works.enqueue("r.1")
    assert works.wait(1)
    works.enqueue("r.1")
    works.enqueue("s.1")

    assert works.wait(2)

    assert works.done == ["r.1", "s.1"]


def test_the_result_of_a_step_is_recorded_and_returned(works: Works) -> None:
    recorded, returned = [], []

    def job(job_id: str) -> None:
        returned.append(works.engine.step("a", lambda: f"made of {job_id}", recorded.append))

    works.enqueue("r.1")
    works.engine.start(job)

    assert works.engine.wait(lambda: bool(returned), timeout=5)
    assert (recorded, returned) == (["made of r.1"], ["made of r.1"])


def test_jobs_queued_before_the_start_and_during_a_job_are_worked(works: Works) -> None:
    def job(job_id: str) -> None:
        works.job(job_id)
        if job_id == "r.1":
            works.enqueue("r.2")

    works.enqueue("r.1")
    works.engine.start(job)

    assert works.wait(2)
    assert works.done == ["r.1", "r.2"]


def test_a_delayed_job_starts_at_its_time_and_does_not_hold_up_others(works: Works) -> None:
    works.engine.start(works.job)
    works.enqueue("late.1", delay=1.5)
    works.enqueue("r.1")

    assert works.wait(1)
    assert works.done == ["r.1"]
    assert not works.engine.ended("late.1")
    works.pass_time(1.5)

    assert works.wait(2)
    assert works.done == ["r.1", "late.1"]
    assert works.engine.wait(lambda: works.engine.ended("late.1"), timeout=3)


def test_a_delayed_job_exists_exactly_when_the_callers_transaction_commits(works: Works) -> None:
    _enqueue_and_fail(works, "lost.1", delay=0.5)
    works.enqueue("kept.1", delay=0.5)
    works.engine.start(works.job)
    works.pass_time(0.5)

    assert works.wait(1)
    assert works.done == ["kept.1"]


def test_a_delay_goes_on_while_no_process_runs(durable: Works) -> None:
    durable.enqueue("r.1", delay=1.0)
    durable.close()
    time.sleep(1.0)
    again = Works("durable", durable.url)

    again.engine.start(again.job)

    assert again.wait(1)
    again.close()


def test_old_ended_jobs_are_deleted_unless_a_run_needs_them(works: Works) -> None:
    works.engine.start(works.job)
    works.enqueue("old.1", "needed.1")
    works.enqueue("late.1", delay=3600)
    assert works.wait(2)
    assert works.engine.wait(lambda: works.engine.ended("old.1") and works.engine.ended("needed.1"), timeout=3)
    handed: list[str] = []

    def unneeded(job_ids: Sequence[str]) -> list[str]:
        handed.extend(job_ids)
        return [job_id for job_id in job_ids if job_id != "needed.1"]

    ago, soon = works.now() - timedelta(hours=1), works.now() + timedelta(hours=1)
    assert works.engine.forget(ago, of=unneeded) == 0
    assert works.engine.forget(soon, of=unneeded, dry_run=True) == 1
    assert works.engine.forget(soon, of=unneeded) == 1

    assert works.engine.forget(soon, of=unneeded, dry_run=True) == 0
    assert "late.1" not in handed, "it has not ended"
    assert not works.engine.ended("late.1")


@pytest.fixture
def looks_seldom(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Works]:
    """A durable engine that polls its queue only every ten minutes, unless woken (ADR 0051)."""
    for seconds in ("_POLL_SECONDS", "_SELDOM_SECONDS"):
        monkeypatch.setattr(f"qwoty_integrations_host.engine.durable.{seconds}", 600.0)
    monkeypatch.setattr("qwoty_integrations_host.engine.wake._LOOK", 600.0)
    found = Works("durable", address_of(request.param, request))
    found.engine.start(found.job)
    yield found
    found.close()


on_both = pytest.mark.parametrize("looks_seldom", ["sqlite", "postgresql"], indirect=True)


@on_both
def test_a_job_starts_at_its_commit_and_not_at_the_next_poll(looks_seldom: Works) -> None:
    looks_seldom.enqueue("r.1")

    assert looks_seldom.wait(1, timeout=30)


@on_both
def test_the_next_job_starts_as_soon_as_one_ends(looks_seldom: Works) -> None:
    looks_seldom.enqueue(*(f"r.{number}" for number in range(3 * JOBS)))

    assert looks_seldom.wait(3 * JOBS, timeout=60)


@pytest.mark.parametrize("looks_seldom", ["postgresql"], indirect=True)
def test_a_job_of_another_process_starts_at_once(looks_seldom: Works) -> None:
    other = Works("durable", looks_seldom.url)
    other.enqueue("r.1")

    assert looks_seldom.wait(1, timeout=30)
    other.close()


def test_waiting_ends_with_the_time(works: Works) -> None:
    works.engine.start(works.job)

    assert not works.wait(1, timeout=0.1)
    assert works.wait(0, timeout=0)


def test_a_durable_job_survives_closing_and_opening(durable: Works) -> None:
    durable.enqueue("r.1")
    durable.close()
    again = Works("durable", durable.url)

    again.engine.start(again.job)

    assert again.wait(1)
    again.close()


def test_only_one_durable_engine_works_in_a_process(durable: Works, tmp_path: Path) -> None:
    durable.engine.start(durable.job)
    other = Works("durable", f"sqlite:///{tmp_path / 'other.sqlite3'}")

    with pytest.raises(HostError):
        other.engine.start(other.job)

    other.close()
    durable.enqueue("r.1")
    assert durable.wait(1), "the refused engine must not disturb the one that works"


def test_an_exception_in_a_job_ends_it_and_the_next_one_is_worked(durable: Works) -> None:
    def job(job_id: str) -> None:
        if job_id.startswith("bad"):
            durable.engine.step("broken", lambda: 1 / 0, durable.effects.append)
        durable.job(job_id)

    durable.enqueue("bad.1", "good.1")
    durable.engine.start(job)
    assert durable.wait(1)

    assert durable.engine.wait(lambda: _status(durable, "bad.1") == "ERROR", timeout=3)


def test_the_engine_stores_results_and_errors_as_json_without_secrets(durable: Works) -> None:
    def job(_job_id: str) -> None:
        durable.engine.step("broken", lambda: _refuse("sk_test_Canary0123456789"), durable.effects.append)

    durable.enqueue("r.1")
    durable.engine.start(job)
    assert durable.engine.wait(lambda: _status(durable, "r.1") == "ERROR", timeout=3)

    schema = "" if durable.url.startswith("sqlite") else "dbos."
    with durable.store.read() as db:
        found = [
            row
            for columns, table in (
                ("inputs", "workflow_input"),
                ("error", "workflow_output"),
            )
            for row in db.exec_driver_sql(f"SELECT {columns} FROM {schema}{table} WHERE workflow_uuid = 'r.1'")
        ]
    texts = [text for row in found for text in row if text is not None]
    assert len(texts) == 2
    assert [json.loads(text) for text in texts]
    assert "Canary" not in "".join(texts)


def test_closing_leaves_a_long_job_at_its_next_step_for_the_next_start(durable: Works) -> None:
    inside, go_on, recorded = threading.Event(), threading.Event(), []

    def job(job_id: str) -> None:
        durable.engine.step("first", lambda: inside.set() or go_on.wait(5), recorded.append)
        durable.job(job_id)

    durable.enqueue("r.1")
    durable.engine.start(job)
    assert inside.wait(3)
    threading.Timer(0.1, go_on.set).start()
    durable.close()
    assert (durable.done, durable.effects, recorded) == ([], [], [True]), "the first step has ended"
    assert _status(durable, "r.1") == "PENDING"
    again = Works("durable", durable.url)

    again.engine.start(again.job)

    assert again.wait(1)
    again.close()


def test_a_job_of_a_dead_process_is_resumed_by_the_next_start(durable: Works) -> None:
    durable.enqueue("r.1")
    durable.close()
    dies = textwrap.dedent("""
        import os, sys, time
        from qwoty_integrations_host.engine.durable import DurableEngine
        from qwoty_integrations_host.store.database import open_database

        engine = DurableEngine(open_database(sys.argv[1]))

        def job(job_id):
            os._exit(9)

        engine.start(job)
        time.sleep(10)
    """)
    died = subprocess.run([sys.executable, "-c", dies, durable.url], check=False, timeout=20)
    assert died.returncode == 9
    again = Works("durable", durable.url)

    again.engine.start(again.job)

    assert again.wait(1)
    assert again.effects == ["r.1/a", "r.1/b"]
    again.close()


def test_simultaneous_first_starts_agree_on_one_database_and_one_key(tmp_path: Path) -> None:
    start = textwrap.dedent("""
        import sys
        from pathlib import Path
        from qwoty_integrations_host.config import HostConfig
        from qwoty_integrations_host.host import create_host

        host = create_host(HostConfig(data_dir=Path(sys.argv[1])))
        print(host.vault)
        host.close()
    """)
    command = [sys.executable, "-c", start, str(tmp_path / "new")]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(4)
    ]

    answers = [process.communicate(timeout=60) for process in started]

    assert [process.returncode for process in started] == [0] * 4, answers
    assert len({out for out, _ in answers}) == 1


def _enqueue_and_fail(works: Works, job_id: str, delay: float = 0.0) -> None:
    with suppress(ZeroDivisionError), works.store.write() as db:
        works.engine.enqueue(db, job_id, partition="ws-1", delay=delay)
        1 / 0  # noqa: B018


def _status(works: Works, job_id: str) -> str:
    (found,) = works.engine._client.list_workflows(workflow_ids=[job_id])
    return str(found.status)


def _refuse(text: str) -> None:
    raise ValueError(text)


def test_the_next_start_resumes_a_run_whose_last_write_failed(tmp_path: Path) -> None:
    host, run_id = _host_with_a_stranded_run(tmp_path)

    assert host.start_worker()

    assert host.wait_for([run_id], timeout=10)
    with host.store.read() as db:
        row = runs.require(db, run_id)
    assert (row.attempt, row.status) == (2, "skipped")  # its plugin is gone and enabled nowhere
    host.close()


def test_closing_does_not_wait_for_a_job_between_two_tries(tmp_path: Path) -> None:
    works = Works("durable", sqlite_in(tmp_path))
    entered = threading.Event()

    def job(_job_id: str) -> None:
        entered.set()
        works.engine.pause(60, SystemClock())

    works.engine.start(job)
    works.enqueue("j1")
    assert entered.wait(5)

    assert works.engine.close(patience=3)
    works.store.close()


def test_closing_releases_nothing_while_a_job_still_works(tmp_path: Path) -> None:
    works = Works("durable", sqlite_in(tmp_path))
    entered, release = threading.Event(), threading.Event()

    def job(_job_id: str) -> None:
        entered.set()
        release.wait(10)

    works.engine.start(job)
    works.enqueue("j1")
    assert entered.wait(5)

    assert not works.engine.close(patience=0.1)
    release.set()
    assert works.engine.close(patience=5)
    works.store.close()


def _host_with_a_stranded_run(data_dir: Path) -> tuple[Host, str]:
    """A host with a run whose status is running although the engine has no job for it."""
    host = create_host(HostConfig(data_dir=data_dir))
    now = host.clock.now()
    row = {"id": "r1", "workspace": "ws-1", "plugin": "gone", "kind": "quote_accepted", "quote_id": "q-1"}
    more = {"subject": "q-1", "facts": {}, "status": "running", "attempt": 1, "resumable": False, "created_at": now}
    with host.store.write() as db:
        add_workspace(db, "ws-1", now)
        runs.add(db, {**row, **more})
    return host, "r1"
