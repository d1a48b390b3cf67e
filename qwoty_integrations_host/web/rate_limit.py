"""The rate limit on failed authentications: after a number per minute of one kind from one address, 429."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock

from ..clock import Clock
from .proxies import rate_limit_key

_WINDOW = timedelta(minutes=1)
#: The most counters in memory. The least recently used one is dropped for a new one.
_MOST_COUNTERS = 10_000


class Credential(StrEnum):
    """A kind of credential. Each has its own counters, so that a program with an old key does not lock out people."""

    API_KEY = "API key"
    PASSWORD = "password"
    LOGIN_LINK = "login link"
    #: All passwords that are tried for one workspace, from any address, against guesses from many addresses.
    WORKSPACE = "workspace"

    @property
    def limit(self) -> int:
        """The number of failures allowed within a minute."""
        # A single address cannot reach the limit that locks a workspace for everybody: its own limit is lower.
        return 400 if self is Credential.WORKSPACE else 20


class AuthFailures:
    """Counts failed authentications by credential and address or workspace, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, Lock()
        self._counters: OrderedDict[tuple[Credential, str], tuple[int, datetime]] = OrderedDict()

    def record(self, credential: Credential, source: str) -> int:
        """Count a failure from an address or workspace; return the seconds to wait, 0 below the limit."""
        now, key = self._clock.now(), _key(credential, source)
        with self._lock:
            failures, since = self._counters.pop(key, (0, now))
            if now - since >= _WINDOW:
                failures, since = 0, now
            self._counters[key] = (failures + 1, since)
            if len(self._counters) > _MOST_COUNTERS:
                self._counters.popitem(last=False)
        return _wait(credential, failures, since, now)

    def wait(self, credential: Credential, source: str) -> int:
        """Return the seconds to wait before the next try, without counting; 0 below the limit."""
        now = self._clock.now()
        with self._lock:
            return _wait(credential, *self._counters.get(_key(credential, source), (0, now)), now)


def _key(credential: Credential, source: str) -> tuple[Credential, str]:
    return credential, source if credential is Credential.WORKSPACE else rate_limit_key(source)


def _wait(credential: Credential, failures: int, since: datetime, now: datetime) -> int:
    left = (since + _WINDOW - now).total_seconds()
    return 0 if failures < credential.limit or left <= 0 else max(1, math.ceil(left))
