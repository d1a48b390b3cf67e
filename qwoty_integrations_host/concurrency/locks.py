"""Named locks between the runs of one host."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Locks(Protocol):
    """Locks by name, among everything that works the runs of one database."""

    def hold(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock ``name`` during the block; a thread may hold the same name twice."""
        ...

    def confirm(self) -> None:
        """Check that this thread still has the locks that it holds. Raises: DatabaseUnavailable."""
        ...


class NamedLocks:
    """Implements ``Locks`` for one process: the only one that works a SQLite data directory."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._users: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold the lock ``name`` during the block; an unused name is forgotten."""
        with self._guard:
            self._users[name] += 1
            lock = self._locks[name]
        try:
            with lock:
                yield
        finally:
            with self._guard:
                self._users[name] -= 1
                if not self._users[name]:
                    del self._users[name], self._locks[name]

    def confirm(self) -> None:
        """Do nothing: a process cannot lose its own locks."""
