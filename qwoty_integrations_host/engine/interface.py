"""The interface of an engine. Both implementations that work jobs pass one contract test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from ..clock import Clock

T = TypeVar("T")

#: Works one job from its beginning; called again after a crash.
Work = Callable[[str], None]

#: Called with a job that is given up because several workers have died at the same place in it.
SetAside = Callable[[str], None]

#: Returns how far a job has come, as a number. Deaths at the same number are deaths at the same place.
Progress = Callable[[str], int]


class Engine(Protocol):
    """Enqueues jobs inside our own transactions and works each until it has ended."""

    def enqueue(self, db: Connection, job_id: str, *, partition: str, delay: float = 0.0) -> None:
        """Add a job in the caller's transaction. The job exists if and only if that commits. Ids are never reused.

        No process works the job before ``delay`` seconds have passed.
        """
        ...

    def start(self, work: Work, set_aside: SetAside = lambda _: None, progress: Progress = lambda _: 0) -> None:
        """Begin to work the queued jobs, and the jobs that a dead process left unfinished."""
        ...

    def step(self, name: str, work: Callable[[], T], record: Callable[[T], None]) -> T:
        """Inside a job: call ``work``, pass its result to ``record``, and return it.

        If the engine is stopping, this raises instead: the job is worked from its beginning after the next start.
        """
        ...

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        """Wait until ``done()`` is true; return False if ``timeout`` seconds pass first."""
        ...

    def pause(self, seconds: float, clock: Clock) -> None:
        """Inside a job: wait between two tries. If the engine stops during the wait, this raises as ``step`` does."""
        ...

    def ended(self, job_id: str) -> bool:
        """Whether the job has ended, so that it is not worked any more."""
        ...

    def which_ended(self, job_ids: Sequence[str]) -> set[str]:
        """Return those of these jobs that have ended."""
        ...

    def forget(self, before: datetime, *, of: Callable[[Sequence[str]], list[str]], dry_run: bool = False) -> int:
        """Delete ended jobs that were queued before a moment, and return how many; with ``dry_run``, only count them.

        ``of`` receives job ids, some hundreds at a time, and returns those that may be deleted.
        """
        ...

    def close(self, *, patience: float = 60.0) -> bool:
        """Stop taking jobs, and wait until running jobs have ended their current step. The next start resumes them.

        Return False if a job still runs after ``patience`` seconds. Then nothing is released until the process ends.
        """
        ...
