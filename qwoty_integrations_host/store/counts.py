"""Counts of stored things, for metrics and the doctor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from ..quotes.run import OPEN, UNFINISHED, RunStatus
from . import tables as t
from . import tallies


def runs(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of runs by (plugin, kind, status)."""
    run, found = t.runs.c, Counter[tuple[str, ...]](tallies.count(db, "runs"))
    for present in ((t.IS_UNFINISHED, run.status.in_(UNFINISHED)), (t.IS_UNUSUAL, run.status.in_(OPEN))):
        found.update(_by(db, present, run.plugin, run.kind, run.status))
    return dict(found)


def oldest_queued(db: Connection) -> datetime | None:
    """Return when the oldest run that is still queued was created; None if no run is queued."""
    queued = (t.IS_UNFINISHED, t.runs.c.status == RunStatus.QUEUED)
    return db.execute(select(func.min(t.runs.c.created_at)).where(*queued)).scalar()


def newest_run(db: Connection) -> datetime | None:
    """Return when the newest run was created; None if there are no runs."""
    return db.execute(select(func.max(t.runs.c.created_at))).scalar()


def mails(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of mails by (state,)."""
    return {(state,): number for (*_, state), number in tallies.count(db, "mails").items()}


def deliveries(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of stored webhook events by (plugin, ``yes`` if an upkeep found them, else ``no``)."""
    found = tallies.count(db, "webhook_deliveries")
    return {(plugin, is_found): number for (plugin, _, is_found), number in found.items()}


def quotes_without_invoice(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of quotes that have no invoice although no run is at work on them, by (workspace,)."""
    quote = t.quotes.c
    wanted = select(quote.workspace, func.count()).where(quote.without_invoice.is_not(None)).group_by(quote.workspace)
    return {(workspace,): number for workspace, number in db.execute(wanted)}


def undelivered_alerts(db: Connection) -> int:
    """Return the number of alerts that have not been delivered."""
    waiting = select(func.count()).select_from(t.alerts).where(t.IS_UNDELIVERED)
    return db.execute(waiting).scalar_one()


def connection_problems(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of workspaces whose connection has a known problem, by (plugin,)."""
    found: dict[tuple[str, ...], int] = {}
    for row in db.execute(select(t.connections.c.plugin, t.connections.c.problem)):
        if row.problem:
            found[row.plugin,] = found.get((row.plugin,), 0) + 1
    return found


def _by(db: Connection, only: Iterable[Any], *columns: ColumnElement[Any]) -> dict[Any, int]:
    rows = db.execute(select(*columns, func.count()).where(*only).group_by(*columns))
    return {tuple(row[:-1]): row[-1] for row in rows}
