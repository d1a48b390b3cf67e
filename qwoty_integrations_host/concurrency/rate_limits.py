"""The pace of requests: turns by name, spaced evenly, so that no service is asked more often than it allows."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Protocol

from ..clock import Clock

#: A turn that comes later than this, in seconds, is given up for another: late ones together would be a burst.
_LATE = 0.1
_TURNS_GIVEN_UP = 5
#: No queue is this long, in seconds: where a turn is further away, the clock was set back.
LONGEST_QUEUE = 60.0


class Slots(Protocol):
    """Where turns are reserved, between everything that works on one database."""

    def reserve(self, name: str, gap: float) -> float:
        """Reserve the next free turn of a name, ``gap`` seconds after the one before; give the seconds until it."""
        ...


class Paces:
    """Implements ``context.Pace``, whoever keeps the slots."""

    def __init__(self, slots: Slots, clock: Clock) -> None:
        self._slots, self._clock = slots, clock

    def turn(self, name: str, per_second: float) -> None:
        """Wait for the next turn of this name."""
        for _ in range(_TURNS_GIVEN_UP):
            asked = self._clock.now()
            seconds = self._slots.reserve(name, 1 / per_second)
            if seconds > 0:
                self._clock.sleep(seconds)
            if (self._clock.now() - asked).total_seconds() - max(seconds, 0.0) < _LATE:
                return


class ProcessSlots:
    """Implements ``Slots`` for one process, which is all that works a SQLite data directory."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._guard = clock, threading.Lock()
        self._free: dict[str, datetime] = {}

    def reserve(self, name: str, gap: float) -> float:
        with self._guard:
            now = self._clock.now()
            longest = now + timedelta(seconds=LONGEST_QUEUE)
            # A name whose turn is free at once need not be remembered.
            self._free = {each: free for each, free in self._free.items() if now < free < longest}
            start = self._free.get(name, now)
            self._free[name] = start + timedelta(seconds=gap)
        return (start - now).total_seconds()
