"""Slows down whoever tries wrong keys: so many a minute of one kind from one place, then 429."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock

from ..clock import Clock
from .proxies import one_place

_WITHIN = timedelta(minutes=1)
#: Places that are remembered at once; the one that was seen longest ago makes room.
_PLACES = 10_000


class Kind(StrEnum):
    """What can be wrong. Each is counted by itself: a program with an old key locks no person out."""

    API_KEY = "API key"
    PASSWORD = "password"
    LOGIN_LINK = "login link"
    #: Passwords of one workspace, from wherever they come: guessing from many places at once.
    WORKSPACE = "workspace"

    @property
    def at_most(self) -> int:
        """How many wrong ones within a minute."""
        # One place alone never reaches what closes a workspace's passwords to everybody.
        return 400 if self is Kind.WORKSPACE else 20


class WrongKeys:
    """Counts the wrong keys of each kind and place, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, Lock()
        self._seen: OrderedDict[tuple[Kind, str], tuple[int, datetime]] = OrderedDict()

    def note(self, kind: Kind, whose: str) -> int:
        """Count one more, of an address or a workspace; give the seconds to wait when there were too many, else 0."""
        now, place = self._clock.now(), _place(kind, whose)
        with self._lock:
            times, since = self._seen.pop(place, (0, now))
            if now - since >= _WITHIN:
                times, since = 0, now
            self._seen[place] = (times + 1, since)
            if len(self._seen) > _PLACES:
                self._seen.popitem(last=False)
        return _wait(kind, times, since, now)

    def wait(self, kind: Kind, whose: str) -> int:
        """Give the seconds to wait before they may try at all, without counting; 0 when they may."""
        now = self._clock.now()
        with self._lock:
            return _wait(kind, *self._seen.get(_place(kind, whose), (0, now)), now)


def _place(kind: Kind, whose: str) -> tuple[Kind, str]:
    return kind, whose if kind is Kind.WORKSPACE else one_place(whose)


def _wait(kind: Kind, times: int, since: datetime, now: datetime) -> int:
    left = (since + _WITHIN - now).total_seconds()
    return 0 if times < kind.at_most or left <= 0 else max(1, math.ceil(left))
