"""Queues the attempts of runs. An attempt is one job of the engine. It is due at once, or after a wait in an outage."""

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
    """A run's wait in an outage: when it ends, when it began, and the error and outcome that are shown meanwhile."""

    until: datetime
    since: datetime
    error: Mapping[str, Any]
    outcome: Mapping[str, Any]


def job_id(run_id: str, attempt: int) -> str:
    """Return the engine's job id of one attempt of a run."""
    return f"{run_id}.{attempt}"


def run_of(job_id: str) -> str:
    """Return the id of the run that a job is an attempt of."""
    return job_id.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Attempts:
    """Queues further attempts of runs. After that, the job of the previous attempt does nothing."""

    store: Store
    engine: Engine
    clock: Clock

    def begin_anew(self, db: Connection, run: Run) -> None:
        """Queue an attempt that begins at the first step."""
        steps.forget_results(db, run.id)
        self._next(db, run, None, None)

    def resume(self, db: Connection, run: Run, *, wait: Wait | None = None) -> None:
        """Queue an attempt that keeps the results of succeeded steps, as long as the settings are the same."""
        is_begun = steps.keep_results(db, run.id)
        self._next(db, run, run.settings_digest if is_begun else None, wait)

    def try_again(self, run: Run, *, resume: bool, forgotten: bool = False) -> None:
        """Queue another attempt, unless the stored run has finished or has another attempt than ``run``.

        With ``forgotten``, the recorded steps do not say what earlier attempts have done. Then each step first looks
        for what it may have made.
        """
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            if present.attempt == run.attempt and not present.is_finished:
                if forgotten:
                    rows.change(db, run.id, facts={**present.facts, "forgotten": True})
                (self.resume if resume else self.begin_anew)(db, present)

    def go_on(self, workspace: str, plugin: str, reasons: Collection[str]) -> None:
        """Queue at once the next attempt of a plugin's runs that wait with one of these error codes."""
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
