"""Rate limits by name: evenly spaced slots, so that no service gets more requests than it allows."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Protocol

from ..clock import Clock

#: A slot that is used later than this, in seconds, is given up for another: late requests together are a burst.
_LATE = 0.1
_SLOTS_GIVEN_UP = 5
#: Seconds. No queue is this long: a slot that is further away means that the clock was set back.
LONGEST_QUEUE = 60.0


class Slots(Protocol):
    """Reserves slots among everything that uses one database."""

    def reserve(self, name: str, gap: float) -> float:
        """Reserve the name's next slot, ``gap`` seconds after the one before; return the seconds until it."""
        ...


class RateLimits:
    """Implements ``context.Pace`` on the slots of a process or of a database."""

    def __init__(self, slots: Slots, clock: Clock) -> None:
        self._slots, self._clock = slots, clock

    def acquire(self, name: str, per_second: float) -> None:
        """Wait for the next slot of this name."""
        for _ in range(_SLOTS_GIVEN_UP):
            asked = self._clock.now()
            seconds = self._slots.reserve(name, 1 / per_second)
            if seconds > 0:
                self._clock.sleep(seconds)
            if (self._clock.now() - asked).total_seconds() - max(seconds, 0.0) < _LATE:
                return


class ProcessSlots:
    """Implements ``Slots`` for one process: the only one that works a SQLite data directory."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._guard = clock, threading.Lock()
        self._free: dict[str, datetime] = {}

    def reserve(self, name: str, gap: float) -> float:
        with self._guard:
            now = self._clock.now()
            longest = now + timedelta(seconds=LONGEST_QUEUE)
            # A name whose next slot is free now need not be remembered.
            self._free = {each: free for each, free in self._free.items() if now < free < longest}
            start = self._free.get(name, now)
            self._free[name] = start + timedelta(seconds=gap)
        return (start - now).total_seconds()
