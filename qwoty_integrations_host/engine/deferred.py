"""The durable engine, built when it is first needed: DBOS takes half a second to import."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection

from .interface import Work

if TYPE_CHECKING:
    from .durable import DurableEngine


class DeferredEngine:
    """Stands for a ``DurableEngine``; a command that only reads never pays for it."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    @cached_property
    def _real(self) -> DurableEngine:
        from .durable import DurableEngine  # lazy: see above

        return DurableEngine(self._database)

    def enqueue(self, db: Connection, job_id: str, *, partition: str) -> None:
        self._real.enqueue(db, job_id, partition=partition)

    def start(self, work: Work) -> None:
        self._real.start(work)

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        return self._real.step(name, work)

    def results(self, job_id: str) -> dict[str, Any]:
        return self._real.results(job_id)

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        return self._real.wait(done, timeout=timeout)

    def close(self) -> None:
        if "_real" in self.__dict__:
            self._real.close()
