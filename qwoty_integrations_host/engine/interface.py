"""What the host asks of an engine. Both implementations pass one contract test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from ..clock import Clock

T = TypeVar("T")

#: Works one job from its top; called again after a crash.
Work = Callable[[str], None]

#: Told which job is not worked any more, because worker after worker died at the same place of it.
SetAside = Callable[[str], None]

#: Returns how far a job has come: deaths of workers at the same number are deaths at the same place.
Progress = Callable[[str], int]


class Engine(Protocol):
    """Takes jobs inside our own transactions and works each until it has ended."""

    def enqueue(self, db: Connection, job_id: str, *, partition: str, delay: float = 0.0) -> None:
        """Add a job in the caller's transaction: it exists exactly when that commits. Ids are never reused.

        It is not worked before ``delay`` seconds have passed, whoever is there then to work it.
        """
        ...

    def start(self, work: Work, set_aside: SetAside = lambda _: None, progress: Progress = lambda _: 0) -> None:
        """Begin to work the queued jobs, and those that a dead process left unfinished."""
        ...

    def step(self, name: str, work: Callable[[], T], record: Callable[[T], None]) -> T:
        """Inside a job: do ``work``, ``record`` what it returns, and return it.

        A job whose engine stops does not come back from this: the next start works it from its top.
        """
        ...

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        """Wait until ``done()``; False when the time (seconds) is over first."""
        ...

    def pause(self, seconds: float, clock: Clock) -> None:
        """Inside a job: wait between two tries; a job whose engine stops does not come back from it."""
        ...

    def ended(self, job_id: str) -> bool:
        """Whether nothing will be done for this job any more."""
        ...

    def which_ended(self, job_ids: Sequence[str]) -> set[str]:
        """Those of many jobs for which nothing will be done any more."""
        ...

    def forget(self, before: datetime, *, of: Callable[[Sequence[str]], list[str]], dry_run: bool = False) -> int:
        """Forget ended jobs that were queued before a moment, and give how many; with ``dry_run`` only count.

        ``of`` is handed job ids, some hundreds at a time, and gives back those that may go.
        """
        ...

    def close(self, *, patience: float = 60.0) -> bool:
        """Stop taking jobs and let running ones end their step (the next start goes on there).

        False when one still works after ``patience`` seconds: then everything stays held until the process ends.
        """
        ...
