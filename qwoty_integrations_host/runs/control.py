"""Retries and dismisses runs, as people decide."""

from __future__ import annotations

from dataclasses import dataclass

from ..clock import Clock
from ..engine.attempts import Attempts, job_id
from ..engine.interface import Engine
from ..errors import ActionRefused
from ..quotes.run import MAKING, Run, RunStatus
from ..store import audit, mails, quotes
from ..store import runs as rows
from ..store.database import Store
from .queue import RunQueue
from .without_invoice import QuotesWithoutInvoice


@dataclass(frozen=True, slots=True)
class RunControl:
    """Retries and dismisses the runs of one host."""

    store: Store
    engine: Engine
    clock: Clock
    attempts: Attempts
    queue: RunQueue
    without_invoice: QuotesWithoutInvoice

    def retry(self, run_id: str) -> str:
        """Queue a new attempt of a run that waits or did not succeed, and return its id.

        The attempt resumes where the last one ended if the run waits or is resumable, and otherwise begins anew.
        Raises: NotFound; ActionRefused when the run succeeded or has not ended, or its quote is cancelled or undone.
        """
        with self.store.write() as db:
            run = rows.require(db, run_id)
            quotes.lock(db, run.workspace, run.quote_id)
            run = rows.require(db, run_id)
            if run.kind in MAKING:
                quotes.stops(db, run.workspace, run.quote_id).refuse(run.plugin)
            waits = run.status == RunStatus.WAITING
            ended = waits or run.is_finished or self.engine.ended(job_id(run_id, run.attempt))
            if not ended:
                raise ActionRefused(f"Run {run_id} has not ended: it is {run.status}.", hint=WAIT)
            if run.status == RunStatus.SUCCEEDED:
                raise ActionRefused(
                    f"Run {run_id} succeeded: there is nothing to retry.",
                    hint="Accept the quote again if it has changed.",
                )
            if run.error and run.error["code"] == "mail_unsure":
                mails.settle_unsure(db, run.workspace, run.plugin, run.quote_id)
            again = self.attempts.resume if waits or run.resumable else self.attempts.begin_anew
            again(db, run)
            if run.lacks_something:
                self.without_invoice.note_cause(db, run.workspace, run.quote_id)
            audit.note(db, run.workspace, "run.retried", run_id, self.clock.now())
        return run_id

    def retry_fetches(self, workspace: str) -> list[str]:
        """Queue a new attempt of every quote fetch that needs attention; return the runs' ids.

        Called after the platform was set.
        """
        with self.store.read() as db:
            stopped = rows.stopped_fetches(db, workspace)
        return [self.retry(run_id) for run_id in stopped]

    def retry_all_failed(self, workspace: str | None = None) -> list[str]:
        """Queue a new attempt of every failed run, of one workspace or of all; return the runs' ids.

        A run fails when its retries are exhausted, by a bug, or when it is set aside.
        """
        with self.store.read() as db:
            failed = rows.failed(db, workspace)
        return [self.retry(run_id) for run_id in failed]

    def dismiss(self, run_id: str, reason: str) -> str:
        """Note that a person has dealt with a run, and return its id; the run can still be retried.

        The run needs attention, failed, waits, or did nothing because something was missing.
        Raises: NotFound; ActionRefused when there is nothing to dismiss.
        """
        with self.store.write() as db:
            run = rows.require(db, run_id)
            quotes.lock(db, run.workspace, run.quote_id)
            run = rows.require(db, run_id)
            if not run.may_be_dismissed:
                raise ActionRefused(
                    f"Run {run_id} is {run.status}: there is nothing to dismiss.",
                    hint="Only a run that needs attention, failed, waits, or did nothing for want of something is "
                    "dismissed.",
                )
            self.queue.mark_dismissed(db, run, reason)
            if run.lacks_something:
                self.without_invoice.note_cause(db, run.workspace, run.quote_id)
            audit.note(db, run.workspace, "run.dismissed", run_id, self.clock.now())
        return run_id


#: The hint about a run that stands in the way.
WAIT = "Wait for that run to end."


def way_out(run: Run) -> str:
    """Return what a person can do about a run that stands in the way."""
    if run.status != RunStatus.WAITING:
        return WAIT
    return f"It waits: {run.error_title} Retry that run to try at once, or dismiss it to give it up."
