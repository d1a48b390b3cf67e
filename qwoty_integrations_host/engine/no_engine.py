"""An engine for commands that start no runs. It saves them the half second that importing DBOS takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from sqlalchemy import Connection, Engine

from ..clock import Clock
from .interface import Progress, SetAside, T, Work


class NoEngine:
    """Raises RuntimeError for all work, because a job that it accepted would be lost."""

    def __init__(self, _database: Engine) -> None:
        pass

    def enqueue(self, db: Connection, job_id: str, *, partition: str, delay: float = 0.0) -> None:
        self._refuse()

    def start(self, work: Work, set_aside: SetAside = lambda _: None, progress: Progress = lambda _: 0) -> None:
        self._refuse()

    def step(self, name: str, work: Callable[[], T], record: Callable[[T], None]) -> T:
        self._refuse()

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        self._refuse()

    def pause(self, seconds: float, clock: Clock) -> None:
        self._refuse()

    def ended(self, job_id: str) -> bool:
        self._refuse()

    def which_ended(self, job_ids: Sequence[str]) -> set[str]:
        self._refuse()

    def forget(self, before: datetime, *, of: Callable[[Sequence[str]], list[str]], dry_run: bool = False) -> int:
        self._refuse()

    def close(self, *, patience: float = 60.0) -> bool:
        return True

    def _refuse(self) -> NoReturn:
        raise RuntimeError("This host was opened without an engine.")
