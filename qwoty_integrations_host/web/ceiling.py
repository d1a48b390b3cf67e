"""How many lines of the log strangers can cause: so many a minute, then one that says how many there were more."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock

from ..clock import Clock

MOST_LINES = 120
_WITHIN = timedelta(minutes=1)


class LogCeiling:
    """Counts the requests of who proved nothing, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, Lock()
        self._began: datetime | None = None
        self._lines = 0

    def lets_through(self) -> bool:
        """Count one more, and tell whether it may have its line."""
        with self._lock:
            if self._began is None:
                self._began = self._clock.now()
            self._lines += 1
            return self._lines <= MOST_LINES

    def left_out(self) -> int:
        """Once a minute is over: how many lines it lacks. The next minute begins with the next stranger."""
        with self._lock:
            if self._began is None or self._clock.now() - self._began < _WITHIN:
                return 0
            lacking, self._began, self._lines = self._lines - MOST_LINES, None, 0
            return max(lacking, 0)
