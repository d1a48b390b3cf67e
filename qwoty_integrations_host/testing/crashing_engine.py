"""An engine in the calling thread that can simulate a process dying at a step, and its restart."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.inline import InlineEngine
from ..engine.interface import T
from ..errors import Interruption


class Died(Interruption):
    """The simulated death of the process; not an ``Exception``, so that no plugin catches it by accident."""


class CrashingEngine(InlineEngine):
    """An inline engine that dies at a given step."""

    def die_at(self, step: str, *, recorded: bool = False) -> None:
        """Die once when this step is done: before its result is recorded, or (``recorded``) right after."""
        self._dies_at, self._recorded_first = step, recorded

    _dies_at: str | None = None
    _recorded_first = False

    def step(self, name: str, work: Callable[[], T], record: Callable[[T], None]) -> T:
        if name != self._dies_at:
            return super().step(name, work, record)
        self._dies_at = None
        ended = work()
        if self._recorded_first:
            record(ended)
        raise Died

    def begin_again(self) -> None:
        """Restart: run every unfinished job again from its top, as the next process does."""
        for job_id in sorted(self._known - self._done - set(self._queued)):
            self.work_again(job_id)
        self.work_queued()
