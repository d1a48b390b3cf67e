"""Lets threads that write at the same moment share one transaction, because a commit costs more than a row.

Nobody waits for company: a thread that finds no other at it writes at once, and whoever comes meanwhile is in the next
group. Each call returns only after the commit of its own row. What fails in a group is written once more, each row
alone, so that a bad row, or a row that somebody has locked, fails or waits alone. A lone row that somebody has locked
lets the next group go first, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Connection

from ..errors import DatabaseUnavailable
from .database import Store
from .outages import is_contention

T = TypeVar("T")
R = TypeVar("R")

#: How long a group waits for a row that another transaction has locked (PostgreSQL). A row by itself, outside a group,
#: waits as always.
_LOCK_MS = 500


@dataclass(eq=False, slots=True)
class _Place(Generic[T, R]):
    """One thread's item among those that wait. Its turn has come when the item is done, or when the thread leads."""

    item: T
    turn: threading.Event = field(default_factory=threading.Event)
    is_done: bool = False
    answers: Sequence[R] = ()
    error: BaseException | None = None
    was_alone: bool = False


class GroupedWrites(Generic[T, R]):
    """Writes items with ``write_all``, which gets a transaction and some items, and returns an answer for each."""

    def __init__(self, store: Store, write_all: Callable[[Connection, Sequence[T]], Sequence[R]]) -> None:
        self._store, self._write_all = store, write_all
        self._lock = threading.Lock()
        self._waiting: list[_Place[T, R]] = []
        self._is_led = False

    def write(self, item: T) -> R:
        """Write the item, and return its answer once it is committed. Raises: as ``write_all`` for this item alone."""
        mine: _Place[T, R] = _Place(item)
        with self._lock:
            self._waiting.append(mine)
            follows, self._is_led = self._is_led, True
        if follows:
            mine.turn.wait()
        if not mine.is_done:
            self._write_waiting()
        error = mine.error
        if error is None:
            return mine.answers[0]
        if isinstance(error, DatabaseUnavailable):
            if not is_contention(error):
                raise DatabaseUnavailable(error.title, hint=error.hint) from error
        elif mine.was_alone:
            raise error
        with self._store.write() as db:
            return self._write_all(db, [item])[0]

    def _write_waiting(self) -> None:
        """Write what waits, and let the next thread lead."""
        group: list[_Place[T, R]] = []
        try:
            with self._store.write() as db:
                group = self._take()
                if db.dialect.name == "postgresql":  # also for one alone: the next group waits for it
                    db.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MS}")
                answers = self._write_all(db, [one.item for one in group])
            for one, answer in zip(group, answers, strict=True):
                one.answers = [answer]
        except BaseException as error:  # noqa: BLE001 - it is raised again where each item was given
            group = group or self._take()
            for one in group:
                one.error, one.was_alone = error, len(group) == 1
        self._let_go(group)

    def _take(self) -> list[_Place[T, R]]:
        with self._lock:
            group, self._waiting = self._waiting, []
        return group

    def _let_go(self, group: Sequence[_Place[T, R]]) -> None:
        for one in group:
            one.is_done = True
        with self._lock:
            self._is_led = bool(self._waiting)
            following = self._waiting[:1]
        for one in (*following, *group):
            one.turn.set()
