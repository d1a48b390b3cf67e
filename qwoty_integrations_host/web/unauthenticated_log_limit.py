"""A limit on the log lines of unauthenticated requests: a number per minute, then one line that counts the others."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock

from ..clock import Clock

MOST_LINES = 120
_WINDOW = timedelta(minutes=1)


class LogLimit:
    """Counts the log lines of unauthenticated requests in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, Lock()
        self._began: datetime | None = None
        self._lines = 0

    def allows_line(self) -> bool:
        """Count one request; return whether it may write its line."""
        with self._lock:
            if self._began is None:
                self._began = self._clock.now()
            self._lines += 1
            return self._lines <= MOST_LINES

    def take_suppressed(self) -> int:
        """Return how many lines the last window suppressed and reset; 0 within a window.

        The next window begins with the next unauthenticated request.
        """
        with self._lock:
            if self._began is None or self._clock.now() - self._began < _WINDOW:
                return 0
            suppressed, self._began, self._lines = self._lines - MOST_LINES, None, 0
            return max(suppressed, 0)
