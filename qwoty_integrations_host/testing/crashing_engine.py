"""An engine in the calling thread whose process can die at a step, and begin again."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.inline import InlineEngine
from ..engine.interface import T
from ..errors import Interruption


class Died(Interruption):
    """The process dies; no plugin may catch it by accident."""


class CrashingEngine(InlineEngine):
    """Works like the inline engine, until told at which step to die."""

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
        """Do what the next process does: work every job that was begun and has not ended, from its top."""
        for job_id in sorted(self._known - self._done - set(self._queued)):
            self.work_again(job_id)
        self.work_queued()
