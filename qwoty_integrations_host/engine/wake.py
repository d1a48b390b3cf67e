"""Polls the queues of DBOS: at once when there is work, and seldom otherwise (ADR 0051, ADR 0087).

DBOS polls each queue in a loop that pauses on its stop event. The host starts these loops itself, with an event whose
pause also ends when there is work.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.event import listen

#: Seconds between a wake and the poll of the queue, so that one poll claims all jobs queued at the same moment. While
#: other jobs are at work it is longer: a poll costs several statements, and one poll serves many jobs then.
_GATHER, _GATHER_AT_WORK = 0.002, 0.02
#: Seconds between two looks whether another process has changed the SQLite file.
_LOOK = 1.0
_QUEUED = "qwoty_queued"


class Pauses(threading.Event):
    """The stop event of a queue's loop: its ``wait`` also returns when the queue is woken or has news."""

    def __init__(self, is_at_work: Callable[[], bool]) -> None:
        super().__init__()
        self._is_at_work = is_at_work
        self._has_news: Callable[[], bool] | None = None
        self._changed = threading.Condition()
        self._is_woken = False
        #: Whether the loop has paused here.
        self.has_paused = False

    def watch(self, has_news: Callable[[], bool]) -> None:
        """Look for news every second during a pause."""
        self._has_news = has_news

    def wake(self) -> None:
        """End the pause; a loop that does not pause at the moment polls once more."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def set(self) -> None:
        """Stop the loop."""
        super().set()
        self.wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Pause until a wake or news, at most ``timeout`` seconds; return whether the loop must stop."""
        self.has_paused = True
        if self._pause(timeout or 0.0) and not self.is_set():
            time.sleep(_GATHER_AT_WORK if self._is_at_work() else _GATHER)
        return self.is_set()

    def _pause(self, seconds: float) -> bool:
        """Return whether a wake ended the pause."""
        end = time.monotonic() + seconds
        while not self._woken(min(end - time.monotonic(), _LOOK) if self._has_news else end - time.monotonic()):
            if time.monotonic() >= end or (self._has_news and self._has_news()):
                return False
        return True

    def _woken(self, timeout: float) -> bool:
        with self._changed:
            woken = self._changed.wait_for(lambda: self._is_woken, max(timeout, 0.0))
            self._is_woken = False
        return woken


class FileChanges:
    """Tells whether anybody has changed a SQLite file, which costs no query of a table."""

    def __init__(self, path: str) -> None:
        # The loop's thread looks, another one closes.
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._seen = self._version()

    def any(self) -> bool:
        """Whether a transaction has changed the file since the last look, or might have: the file cannot be read."""
        before = self._seen
        try:
            self._seen = self._version()
        except sqlite3.Error:
            return True
        return self._seen != before

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _version(self) -> int:
        version: int = self._file.execute("PRAGMA data_version").fetchone()[0]
        return version


class Wake:
    """Wakes a queue as soon as a transaction that concerns it is over."""

    def __init__(self, engine: Engine, wake: Callable[[], None]) -> None:
        self._wake = wake
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
            self._wake()
