"""Wakes a queue of DBOS as soon as it has work; without that, DBOS polls (ADR 0051).

DBOS has no interface for this. A queue's thread pauses in ``stop_event.wait(seconds)``, so that method is replaced by
one that also returns on a wake. tests/host/test_wake.py fails when an upgrade of DBOS pauses in another way.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.event import listen

#: Seconds between a wake and the poll of the queue, so that one poll claims all jobs queued at the same moment. While
#: other jobs are at work it is longer: a poll costs several statements, and one poll serves many jobs then.
_GATHER, _GATHER_AT_WORK = 0.002, 0.02
#: The name that DBOS gives the thread of a queue. A thread with another name is not woken and only polls.
QUEUE_THREAD = "queue-worker-{}"
_QUEUED = "qwoty_queued"


class Wake:
    """Ends the pauses of the threads that poll the queues."""

    def __init__(self, engine: Engine, queue: str, is_at_work: Callable[[], bool]) -> None:
        self._queue, self._is_at_work = queue, is_at_work
        self._changed = threading.Condition()
        self._wakes: Counter[str] = Counter()
        #: The names of the threads that have paused here.
        self.paused: set[str] = set()
        self._local = threading.local()
        # A connection is checked in after its transaction has ended. Only then can others see the queued jobs.
        listen(engine, "checkin", self._checked_in)

    def after(self, db: Connection) -> None:
        """Wake the queue once this connection's transaction is over."""
        db.info[_QUEUED] = True

    def after_job(self) -> None:
        """Wake the queue once the end of this thread's job is committed, because then there is room for another job."""
        self._local.job_ended = True

    def _checked_in(self, _raw: Any, record: Any) -> None:
        job_ended = self._local.__dict__.pop("job_ended", False)
        if record.info.pop(_QUEUED, False) or job_ended:
            self.now()

    def now(self, queue: str | None = None) -> None:
        """Wake the queue, or another one by name, at once."""
        with self._changed:
            self._wakes[QUEUE_THREAD.format(queue or self._queue)] += 1
            self._changed.notify_all()

    def attach(self, stops: Iterable[threading.Event]) -> None:
        """Replace ``wait`` of the events that stop DBOS's threads, so that it also returns on a wake."""
        for stop in stops:
            self._attach(stop)

    def _attach(self, stop: threading.Event) -> None:
        plain_set = stop.set

        def wait(timeout: float | None = None) -> bool:
            thread = threading.current_thread().name
            with self._changed:
                self.paused.add(thread)
                seen = self._local.__dict__.get("seen", 0)
                woken = self._changed.wait_for(lambda: stop.is_set() or self._wakes[thread] != seen, timeout)
                self._local.seen = self._wakes[thread]
            if woken and not stop.is_set():
                time.sleep(_GATHER_AT_WORK if self._is_at_work() else _GATHER)
            return stop.is_set()

        def set_() -> None:
            plain_set()
            with self._changed:
                self._changed.notify_all()

        stop.wait, stop.set = wait, set_  # type: ignore[method-assign]
