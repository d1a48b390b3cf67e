"""Writes of a run that wait for its next transaction, so that one commit takes them together (ADR 0082)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from ..errors import DatabaseUnavailable, Interruption
from .outages import detecting_outages

#: After this many seconds, the host writes what waits while the run's hook is busy with something else.
LONGEST_WAIT = 0.1
#: How many seconds one thread of the run waits until the other has ended its transaction.
_PATIENCE = 30.0

Write = Callable[[Connection], object]
#: A write and its place. A later write to the same place replaces an earlier one.
Placed = tuple[Hashable, Write]


class WritesFailed(Interruption):
    """A waiting write failed for its own fault, and would fail in each further transaction; so the run ends.

    Its cause is the error.
    """


class DeferredWrites:
    """The waiting writes of one run, in order."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: dict[Hashable, Write] = {}
        self._since = 0.0
        #: Why the run must not go on: no further transaction of the run begins.
        self._interruption: Interruption | None = None
        #: Whether the host goes on without the thread whose writes these are, which may still be at work.
        self.is_given_up = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def are_overdue(self) -> bool:
        """Whether a write has waited for ``LONGEST_WAIT`` seconds."""
        return bool(self._waiting) and time.monotonic() - self._since >= LONGEST_WAIT

    @property
    def is_interrupted(self) -> bool:
        """Whether the run must not go on."""
        return self._interruption is not None

    def go_on(self) -> None:
        """Raises: the Interruption after which the run must not go on, whichever thread has met it."""
        if self._interruption is not None:
            raise self._interruption

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the run's other thread from its transactions during the block.

        A run has two threads: its hook's, and the one that waits for the hook. Raises: DatabaseUnavailable.
        """
        if not self._lock.acquire(timeout=_PATIENCE):
            raise DatabaseUnavailable(
                "The host's database is too busy: the run's hook does not end its transaction.",
                hint="The run goes on by itself. Is the database's disk slow, or does another program hold it?",
            )
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def alone_at_once(self) -> Iterator[bool]:
        """Do as ``alone`` if that needs no waiting; yield whether it does not."""
        is_alone = self._lock.acquire(blocking=False)
        try:
            yield is_alone
        finally:
            if is_alone:
                self._lock.release()

    def add(self, place: Hashable, write: Write) -> None:
        """Add a write."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.pop(place, None)
        self._waiting[place] = write

    def write(self, db: Connection) -> Sequence[Placed]:
        """Do the waiting writes in a transaction, and return them; call ``forget`` with them after the commit.

        A write that raises an Interruption is the last one that is done. Raises: DatabaseUnavailable, WritesFailed.
        """
        waiting = list(self._waiting.items())
        for _, write in waiting:
            try:
                with detecting_outages():
                    write(db)
            except Interruption as error:
                self._interruption = error
                break
            except DatabaseUnavailable:
                raise
            except Exception as error:
                self._interruption = WritesFailed(str(error))
                raise self._interruption from error
        return waiting

    def forget(self, done: Sequence[Placed]) -> None:
        """Forget these writes, but not a later one to the same place."""
        for place, write in done:
            if self._waiting.get(place) is write:
                del self._waiting[place]
