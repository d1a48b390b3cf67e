"""The attempts of a run, each one job of the engine: at once, or when the wait through an outage is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..quotes.run import Run, RunStatus
from ..store import quotes, steps
from ..store import runs as rows
from ..store.database import Store
from .interface import Engine


@dataclass(frozen=True, slots=True)
class Wait:
    """A run's wait through an outage: when it tries again, since when it has waited, and how it is shown meanwhile."""

    until: datetime
    since: datetime
    error: Mapping[str, Any]
    outcome: Mapping[str, Any]


def job_id(run_id: str, attempt: int) -> str:
    """The engine's id of one attempt of a run."""
    return f"{run_id}.{attempt}"


def run_of(job_id: str) -> str:
    """The run of which a job is an attempt."""
    return job_id.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Attempts:
    """Queues further attempts of runs; the job of the attempt before then does nothing any more."""

    store: Store
    engine: Engine
    clock: Clock

    def begin_anew(self, db: Connection, run: Run) -> None:
        """Queue an attempt that begins at the first step."""
        steps.forget_results(db, run.id)
        self._next(db, run, None, None)

    def resume(self, db: Connection, run: Run, *, wait: Wait | None = None) -> None:
        """Queue an attempt that goes on with the steps that are done, as long as the settings are the same."""
        is_begun = steps.keep_results(db, run.id)
        self._next(db, run, run.settings_digest if is_begun else None, wait)

    def try_again(self, run: Run, *, resume: bool, forgotten: bool = False) -> None:
        """Queue an attempt of a run that was last seen so, unless it has ended since or another attempt is there.

        ``forgotten``: what the attempts before did is not known by its steps' names, so each step looks first.
        """
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            if present.attempt == run.attempt and not present.is_finished:
                if forgotten:
                    rows.change(db, run.id, facts={**present.facts, "forgotten": True})
                (self.resume if resume else self.begin_anew)(db, present)

    def go_on(self, workspace: str, plugin: str, reasons: Collection[str]) -> None:
        """Queue the next attempt of what waits for one of these reasons, by their codes, at once."""
        with self.store.read() as db:
            waiting = rows.waiting_for_a_plugin(db, reasons)
        for run in waiting:
            if (run.workspace, run.plugin) == (workspace, plugin):
                self.try_again(run, resume=True)

    def _next(self, db: Connection, run: Run, digest: str | None, wait: Wait | None) -> None:
        attempt = run.attempt + 1
        rows.change(
            db,
            run.id,
            attempt=attempt,
            status=RunStatus.WAITING if wait else RunStatus.QUEUED,
            settings_digest=digest,
            resumable=False,
            outcome=wait and wait.outcome,
            error=wait and wait.error,
            waits_until=wait and wait.until,
            outage_since=wait and wait.since,
            finished_at=None,
        )
        delay = (wait.until - self.clock.now()).total_seconds() if wait else 0.0
        self.engine.enqueue(db, job_id(run.id, attempt), partition=run.workspace, delay=delay)
