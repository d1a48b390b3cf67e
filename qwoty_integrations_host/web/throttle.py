"""Slows down whoever tries wrong keys: so many a minute from one address, then 429."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock

from ..clock import Clock

_WRONG_AT_MOST = 20
_WITHIN = timedelta(minutes=1)
#: Addresses that are remembered at once; the one that was seen longest ago makes room.
_ADDRESSES = 10_000


class WrongKeys:
    """Counts the wrong keys of each address, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, Lock()
        self._seen: OrderedDict[str, tuple[int, datetime]] = OrderedDict()

    def note(self, address: str) -> int:
        """Count one more; give the seconds to wait when there were too many, else 0."""
        now = self._clock.now()
        with self._lock:
            times, since = self._seen.pop(address, (0, now))
            if now - since >= _WITHIN:
                times, since = 0, now
            self._seen[address] = (times + 1, since)
            if len(self._seen) > _ADDRESSES:
                self._seen.popitem(last=False)
        return self._wait(times, since, now)

    def wait(self, address: str) -> int:
        """Give the seconds to wait before this address may try at all, without counting; 0 when it may."""
        now = self._clock.now()
        with self._lock:
            return self._wait(*self._seen.get(address, (0, now)), now)

    @staticmethod
    def _wait(times: int, since: datetime, now: datetime) -> int:
        left = (since + _WITHIN - now).total_seconds()
        return 0 if times < _WRONG_AT_MOST or left <= 0 else max(1, math.ceil(left))
