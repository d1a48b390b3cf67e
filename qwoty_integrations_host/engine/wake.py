"""Wakes a queue of DBOS the moment there is something for it to do; else it looks by the clock (ADR 0051)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.event import listen

#: Seconds between being woken and looking: what is queued in the same moment is then claimed by one look.
_GATHER = 0.002
#: How DBOS names the thread that looks into a queue. A thread of another name is never woken, only looks seldom.
_THREAD = "queue-worker-{}"
_QUEUED = "qwoty_queued"


class Wake:
    """Ends the pauses of the thread that looks into one queue."""

    def __init__(self, engine: Engine, queue: str) -> None:
        self._queue = queue
        self._turn = threading.Condition()
        self._calls: Counter[str] = Counter()
        self._mine = threading.local()
        # A connection is given back when its transaction is over: only then can anybody see what was queued in it.
        listen(engine, "checkin", self._given_back)

    def after(self, db: Connection) -> None:
        """Wake the queue once this connection's transaction is over."""
        db.info[_QUEUED] = True

    def after_job(self) -> None:
        """Wake the queue once it is written down that this thread's job has ended: there is room for another."""
        self._mine.job_ended = True

    def _given_back(self, _raw: Any, record: Any) -> None:
        job_ended = self._mine.__dict__.pop("job_ended", False)
        if record.info.pop(_QUEUED, False) or job_ended:
            self.now()

    def now(self, queue: str | None = None) -> None:
        """Wake the queue, or another one by name."""
        with self._turn:
            self._calls[_THREAD.format(queue or self._queue)] += 1
            self._turn.notify_all()

    def attach(self, stops: Iterable[threading.Event]) -> None:
        """Let the queues' threads, which pause by waiting for one of these to be set, be woken, too."""
        for stop in stops:
            self._attach(stop)

    def _attach(self, stop: threading.Event) -> None:
        plain_set = stop.set

        def wait(timeout: float | None = None) -> bool:
            me = threading.current_thread().name
            with self._turn:
                heard = self._mine.__dict__.get("heard", 0)
                woken = self._turn.wait_for(lambda: stop.is_set() or self._calls[me] != heard, timeout)
                self._mine.heard = self._calls[me]
            if woken and not stop.is_set():
                time.sleep(_GATHER)
            return stop.is_set()

        def set_() -> None:
            plain_set()
            with self._turn:
                self._turn.notify_all()

        stop.wait, stop.set = wait, set_  # type: ignore[method-assign]
