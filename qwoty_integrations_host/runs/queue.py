"""The queue of runs: stores a new run together with its job, in one transaction, and dismisses runs.

A run is one plugin's work on one event of one quote. Each attempt is one job of the engine; executor.py executes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from ..clock import Clock
from ..contract.quote import Quote
from ..engine.attempts import job_id
from ..engine.interface import Engine
from ..quotes.run import Run, RunStatus
from ..reports.runs import outcome_of
from ..store import runs as rows
from ..store.database import Store
from ..store.plugin_storage import records_of_quote
from ..store.workspaces import timezone_of


@dataclass(frozen=True, slots=True)
class RunQueue:
    """Adds and dismisses runs, inside the caller's transaction."""

    store: Store
    engine: Engine
    clock: Clock

    def add(
        self,
        db: Connection,
        workspace: str,
        plugin: str,
        kind: str,
        quote_id: str,
        *,
        subject: str,
        facts: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Store a run with its job and return its id; None if a run of this kind and subject exists."""
        row = self.new_row(workspace, plugin, kind, quote_id, subject=subject, facts=facts)
        if not rows.add(db, row):
            return None
        self.engine.enqueue(db, job_id(row["id"], 1), partition=workspace)
        return str(row["id"])

    def new_row(
        self, workspace: str, plugin: str, kind: str, quote_id: str, *, subject: str, facts: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the row of a new run."""
        return {
            "id": uuid4().hex,
            "workspace": workspace,
            "plugin": plugin,
            "kind": kind,
            "quote_id": quote_id,
            "subject": subject,
            "facts": dict(facts or {}),
            "status": RunStatus.QUEUED,
            "attempt": 1,
            "resumable": False,
            "created_at": self.clock.now(),
        }

    def mark_dismissed(self, db: Connection, run: Run, reason: str) -> None:
        """Dismiss a run, and add a note with the day and the reason. A run that waited can be resumed."""
        now = self.clock.now()
        day = today(db, self.clock, run.workspace).isoformat()
        note = f"Dismissed on {day}: {one_line(reason)}"
        shown = run.outcome or self._figures(run)
        outcome = {**shown, "notes": [*shown["notes"], note]}
        # If a person retries a run that waited, it resumes with what it has done.
        resumable = run.resumable or run.status == RunStatus.WAITING
        finished = run.finished_at or now
        rows.change(db, run.id, status=RunStatus.DISMISSED, outcome=outcome, resumable=resumable, finished_at=finished)

    def _figures(self, run: Run) -> dict[str, Any]:
        """Return the outcome to show for a run that has none yet."""
        record = records_of_quote(self.store, run.workspace, run.quote_id).get(run.plugin)
        return {**outcome_of(record, self.clock.now()), "notes": run.notes}


def today(db: Connection, clock: Clock, workspace: str, quote: Quote | None = None) -> date:
    """Return today's date in the time zone of the quote, or of the workspace (UTC if it has none)."""
    zone = quote.timezone if quote else timezone_of(db, workspace) or UTC
    return clock.now().astimezone(zone).date()


def one_line(text: str) -> str:
    """Return a person's text as one line of at most 500 characters."""
    return " ".join(text.split())[:500]
