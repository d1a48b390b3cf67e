"""The simulator's clock: real time, or a test's own source, plus an offset that tests change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """The simulated time; ``on_move`` is called whenever a test changes it."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.on_move: Callable[[], None] = lambda: None
        self._offset = 0.0
        self._lock = threading.Lock()

    def now(self) -> int:
        return int(self.precise())

    def precise(self) -> float:
        with self._lock:
            return self._source() + self._offset

    def advance(self, seconds: float) -> int:
        """Move forward (or backward) and return the new time."""
        with self._lock:
            self._offset += seconds
        self.on_move()
        return self.now()

    def set(self, unix: float) -> int:
        """Set the time to ``unix``, from where it goes on, and return it."""
        with self._lock:
            self._offset = unix - self._source()
        self.on_move()
        return self.now()

    def reset(self) -> None:
        with self._lock:
            self._offset = 0.0
