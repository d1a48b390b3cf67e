"""An engine for tests and plugin authors. It works jobs in the calling thread when a caller waits for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.event import contains, listen

from ..clock import Clock, SystemClock
from .interface import Progress, SetAside, T, Work

#: The key in a connection's ``info`` for the jobs of the transaction that it has just committed.
_COMMITTED = "qwoty_committed_jobs"


class InlineEngine:
    """Keeps jobs in memory, so they do not survive a crash. ``clock`` decides when a delayed job is due."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._work: Work | None = None
        self._queued: list[str] = []
        self._known: set[str] = set()
        self._queued_at: dict[str, datetime] = {}
        self._due: dict[str, datetime] = {}
        self._done: set[str] = set()

    def enqueue(self, db: Connection, job_id: str, *, partition: str, delay: float = 0.0) -> None:
        if job_id not in self._known:
            self._known.add(job_id)
            self._queued_at[job_id] = self._clock.now()
            self._due.pop(job_id, None)
            if delay > 0:
                self._due[job_id] = self._clock.now() + timedelta(seconds=delay)
            listen(db, "commit", lambda _: db.info.setdefault(_COMMITTED, []).append(job_id), once=True)
            listen(db, "rollback", lambda _: self._known.discard(job_id), once=True)
            if not contains(db.engine, "checkin", self._given_back):
                listen(db.engine, "checkin", self._given_back)

    def _given_back(self, _raw: Any, record: Any) -> None:
        # SQLAlchemy signals a commit before it happens, when other threads cannot see the run of the job yet.
        self._queued += record.info.pop(_COMMITTED, [])

    def start(self, work: Work, set_aside: SetAside = lambda _: None, progress: Progress = lambda _: 0) -> None:
        self._work = work

    def step(self, name: str, work: Callable[[], T], record: Callable[[T], None]) -> T:
        ended = work()
        record(ended)
        return ended

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        self.work_queued()
        return done()

    def work_queued(self) -> None:
        """Work every queued job that is due, including those queued meanwhile."""
        while self._work is not None and (job_id := self._next_due()) is not None:
            self._queued.remove(job_id)
            self.work_again(job_id)

    def _next_due(self) -> str | None:
        now = self._clock.now()
        return next((job_id for job_id in self._queued if self._due.get(job_id, now) <= now), None)

    def work_again(self, job_id: str) -> None:
        """Work a job from its beginning, as after a crash."""
        assert self._work is not None, "start() first"
        self._work(job_id)
        self._done.add(job_id)

    def pause(self, seconds: float, clock: Clock) -> None:
        clock.sleep(seconds)

    def ended(self, job_id: str) -> bool:
        return job_id in self._done

    def which_ended(self, job_ids: Sequence[str]) -> set[str]:
        return self._done & set(job_ids)

    def forget(self, before: datetime, *, of: Callable[[Sequence[str]], list[str]], dry_run: bool = False) -> int:
        found = of([job_id for job_id in self._done if self._queued_at[job_id] < before])
        for job_id in [] if dry_run else found:
            self._done.discard(job_id)
        return len(found)

    def close(self, *, patience: float = 60.0) -> bool:
        self._work = None
        return True
