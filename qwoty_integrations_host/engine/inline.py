"""An engine in the calling thread, for tests and plugin authors: jobs run when somebody waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.event import listen

from ..clock import Clock
from .interface import SetAside, Work


class InlineEngine:
    """Keeps jobs and recorded steps in memory. It survives no crash, but replays like the durable engine."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._queued: deque[str] = deque()
        self._known: set[str] = set()
        self._recorded: dict[str, dict[str, Any]] = {}
        self._current: list[str] = []
        self._done: set[str] = set()

    def enqueue(self, db: Connection, job_id: str, *, partition: str) -> None:
        if job_id not in self._known:
            self._known.add(job_id)
            listen(db, "commit", lambda _: self._queued.append(job_id), once=True)
            listen(db, "rollback", lambda _: self._known.discard(job_id), once=True)

    def start(self, work: Work, set_aside: SetAside = lambda _: None) -> None:
        self._work = work

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        recorded = self._recorded.setdefault(self._current[-1], {})
        if name not in recorded:
            recorded[name] = work()
        return recorded[name]

    def results(self, job_id: str) -> dict[str, Any]:
        return dict(self._recorded.get(job_id, {}))

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        self.work_queued()
        return done()

    def work_queued(self) -> None:
        """Work every queued job, those queued meanwhile included."""
        while self._queued and self._work is not None:
            self.work_again(self._queued.popleft())

    def work_again(self, job_id: str) -> None:
        """Work a job from its top, as after a crash: recorded steps do not run again."""
        assert self._work is not None, "start() first"
        self._current.append(job_id)
        try:
            self._work(job_id)
            self._done.add(job_id)
        finally:
            self._current.pop()

    def pause(self, seconds: float, clock: Clock) -> None:
        clock.sleep(seconds)

    def ended(self, job_id: str) -> bool:
        return job_id in self._done

    def close(self, *, patience: float = 60.0) -> bool:
        self._work = None
        return True
