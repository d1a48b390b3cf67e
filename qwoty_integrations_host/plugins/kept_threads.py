"""Threads that are kept for the next call of the same kind, because a new one for each call costs more than the call.

A thread works for one kind of call only (a plugin in a workspace), so that what a plugin leaves in a thread never meets
another workspace. Each call has a context of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

#: The most threads that wait for a call, and for how many seconds each does.
_MOST_IDLE, _IDLE_SECONDS = 32, 30.0

#: Returns whether the thread may be kept for another call.
Work = Callable[[], bool]


@dataclass(eq=False, slots=True)
class _Thread:
    kind: Hashable
    calls: SimpleQueue[tuple[str, Work] | None] = field(default_factory=SimpleQueue)


class KeptThreads:
    """The threads of one host that are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Thread] = []

    def run(self, kind: Hashable, name: str, work: Work) -> None:
        """Do the work in a thread of this kind, a new one if none waits; return at once."""
        with self._lock:
            found = next((one for one in reversed(self._idle) if one.kind == kind), None)
            if found is not None:
                self._idle.remove(found)
        if found is None:
            found = _Thread(kind)
            threading.Thread(target=self._serve, args=(found,), name=name, daemon=True).start()
        found.calls.put((name, work))

    def _serve(self, mine: _Thread) -> None:
        while (call := self._next(mine)) is not None:
            threading.current_thread().name, work = call
            may_be_kept = work()
            del call, work  # they hold what the call was about, secrets too
            if not may_be_kept:
                return
            self._rest(mine)

    def _rest(self, mine: _Thread) -> None:
        with self._lock:
            self._idle.append(mine)
            if len(self._idle) > _MOST_IDLE:
                self._idle.pop(0).calls.put(None)

    def _next(self, mine: _Thread) -> tuple[str, Work] | None:
        try:
            return mine.calls.get(timeout=_IDLE_SECONDS)
        except Empty:
            with self._lock:
                if mine in self._idle:
                    self._idle.remove(mine)
                    return None
            return mine.calls.get()  # somebody has just taken this thread
