"""Reports of runs, the same for CLI, API and console.

Amounts are decimal strings in major units; times are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping

from ..contract.record import QuoteRecord
from ..quotes.run import Run, RunStatus
from ..store import runs as runs_table
from ..store import steps
from ..store.database import Store


def outcome_of(record: QuoteRecord | None, now: datetime) -> dict[str, Any]:
    """Return the figures of a run's outcome, from the record at the run's end."""
    invoice = record.invoice if record else None
    link = record.open_link(now) if record else None
    return {
        "invoice_id": invoice.id if invoice else None,
        "invoice_status": invoice.status if invoice else None,
        "payment_status": record.payment_status if record else None,
        "currency": record.currency if record and invoice else None,
        **{name: amount(getattr(record, name)) if record else None for name in ("net", "tax", "total")},
        "customer_id": invoice.customer_id if invoice else None,
        "payment_link": link
        and {
            "url": link.url,
            "amount": format(link.amount, "f"),
            "expires_at": link.expires_at.isoformat() if link.expires_at else None,
        },
    }


def amount(number: Decimal | None) -> str | None:
    """Return an amount as a decimal string."""
    return None if number is None else format(number, "f")


def run_reports(db: Connection, rows: Sequence[Run]) -> list[dict[str, Any]]:
    """Report runs with their steps, as ``run show`` prints them."""
    of_runs = steps.of_runs(db, [run.id for run in rows])
    return [_run_report(run, of_runs.get(run.id, [])) for run in rows]


def _run_report(run: Run, step_rows: Sequence[RowMapping]) -> dict[str, Any]:
    steps = [
        {
            **{name: step[name] for name in ("name", "status", "attempts", "ms", "request_ids")},
            "started_at": step["started_at"].isoformat(timespec="seconds"),
        }
        for step in step_rows
    ]
    head = {name: getattr(run, name) for name in ("id", "kind", "workspace", "plugin", "quote_id", "status")}
    until = run.waits_until if run.status == RunStatus.WAITING else None
    moments = {"created_at": run.created_at, "finished_at": run.finished_at, "waits_until": until}
    head |= {name: moment.isoformat(timespec="seconds") if moment else None for name, moment in moments.items()}
    no_outcome = {**outcome_of(None, run.created_at), "notes": []}
    return {**head, "outcome": run.outcome or no_outcome, "steps": steps, "error": run.error}


def find_run(store: Store, run_id: str, *, workspace: str | None = None) -> dict[str, Any]:
    """Report one run. Raises: NotFound, also for a run of another workspace than the given one."""
    with store.read() as db:
        (report,) = run_reports(db, [runs_table.require(db, run_id, workspace=workspace)])
    return report


def list_runs(
    store: Store, *, workspace: str | None = None, limit: int = 50, after: str | None = None, **filters: Any
) -> dict[str, Any]:
    """Report the newest runs as ``{"data", "has_more"}``, of one workspace or of all, after the run ``after``.

    ``filters``: those of ``store.runs.newest``. Raises: InvalidInput for an unknown ``after``.
    """
    with store.read() as db:
        rows = runs_table.newest(db, workspace=workspace, limit=limit + 1, after=after, **filters)
        return {"data": run_reports(db, rows[:limit]), "has_more": len(rows) > limit}
