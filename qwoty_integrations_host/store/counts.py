"""Counts of stored things, for metrics and the doctor."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select

from ..quotes.run import RunStatus
from . import tables as t


def runs(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of runs by (plugin, kind, status)."""
    return _by(db, t.runs, t.runs.c.plugin, t.runs.c.kind, t.runs.c.status)


def oldest_queued(db: Connection) -> datetime | None:
    """Return when the oldest run that is still queued was created; None if no run is queued."""
    return db.execute(select(func.min(t.runs.c.created_at)).where(t.runs.c.status == RunStatus.QUEUED)).scalar()


def newest_run(db: Connection) -> datetime | None:
    """Return when the newest run was created; None if there are no runs."""
    return db.execute(select(func.max(t.runs.c.created_at))).scalar()


def mails(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of mails by (state,)."""
    return _by(db, t.mails, t.mails.c.state)


def deliveries(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of stored webhook events by (plugin, ``yes`` if an upkeep found them, else ``no``)."""
    by = _by(db, t.webhook_deliveries, t.webhook_deliveries.c.plugin, t.webhook_deliveries.c.found)
    return {(plugin, "yes" if found else "no"): number for (plugin, found), number in by.items()}


def quotes_without_invoice(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of quotes that have no invoice although no run is at work on them, by (workspace,)."""
    quote = t.quotes.c
    wanted = select(quote.workspace, func.count()).where(quote.without_invoice.is_not(None)).group_by(quote.workspace)
    return {(workspace,): number for workspace, number in db.execute(wanted)}


def undelivered_alerts(db: Connection) -> int:
    """Return the number of alerts that have not been delivered."""
    waiting = select(func.count()).select_from(t.alerts).where(t.alerts.c.delivered_at.is_(None))
    return db.execute(waiting).scalar_one()


def connection_problems(db: Connection) -> dict[tuple[str, ...], int]:
    """Return the number of workspaces whose connection has a known problem, by (plugin,)."""
    found: dict[tuple[str, ...], int] = {}
    for row in db.execute(select(t.connections.c.plugin, t.connections.c.problem)):
        if row.problem:
            found[row.plugin,] = found.get((row.plugin,), 0) + 1
    return found


def _by(db: Connection, table: Table, *columns: ColumnElement[Any]) -> dict[tuple[str, ...], int]:
    rows = db.execute(select(*columns, func.count()).select_from(table).group_by(*columns))
    return {tuple(row[:-1]): row[-1] for row in rows}
