"""Rows of webhook events, stored before anything acts on them. Rejected webhooks are in ``rejected_webhooks``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, case, false, func, null, select

from ..errors import NotFound
from ..quotes.run import RunKind
from . import tables as t
from .pagination import find_place, newest_behind
from .upsert import insert_or_ignore_all

#: The results of a delivery: an authentic event, an authentic event that was delivered before, or a rejected webhook.
RESULTS = ("verified", "duplicate", "refused")


def add_all(db: Connection, rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Store authenticated events; return (workspace, plugin, event id) of those that are no duplicates."""
    # In one order everywhere, so that two transactions with the same events cannot deadlock.
    sorted_rows = sorted(rows, key=lambda row: (row["workspace"], row["plugin"], row["event_id"]))
    added = insert_or_ignore_all(db, t.webhook_deliveries, sorted_rows)
    return {(row.workspace, row.plugin, row.event_id) for row in added}


def count_redelivery(db: Connection, row: Mapping[str, Any]) -> None:
    """Record another delivery of a stored event, or the first delivery of one that an upkeep had found."""
    table, now = t.webhook_deliveries.c, row["received_at"]
    here = (table.workspace == row["workspace"]) & (table.plugin == row["plugin"]) & (table.event_id == row["event_id"])
    again = {"duplicates": table.duplicates + 1, "last_at": now}
    if not db.execute(t.webhook_deliveries.update().where(here & ~table.found).values(again)).rowcount:
        first = {"found": False, "received_at": now}
        db.execute(t.webhook_deliveries.update().where(here & table.found).values(first))


def last_received(db: Connection, workspace: str, plugin: str, account: str) -> datetime | None:
    """Return when the last event of an account was first delivered; None if none was."""
    table = t.webhook_deliveries.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.account == account) & ~table.found
    newest = select(table.received_at).where(here).order_by(table.received_at.desc()).limit(1)
    return db.execute(newest).scalar()


def find(db: Connection, workspace: str, plugin: str, event_id: str) -> RowMapping:
    """Return a stored event. Raises: NotFound."""
    table = t.webhook_deliveries.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.event_id == event_id)
    row = db.execute(select(t.webhook_deliveries).where(here)).mappings().first()
    if row is None:
        raise NotFound(
            "This workspace has received no such event.", hint="The list of deliveries shows those that are kept."
        )
    return row


def newest(
    db: Connection,
    workspace: str,
    *,
    result: str | None = None,
    plugin: str | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    after: str | None = None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return a workspace's events, and its rejected webhooks by day, plugin and reason, newest first.

    ``result`` is one of ``RESULTS``. An event's row has the ``run_id`` and ``run_status`` of the run that works it, if
    there is one; ``kept`` says whether its body is still stored. Raises: InvalidInput for an unknown ``after``.
    """
    event, rejection = t.webhook_deliveries.c, t.webhook_refusals.c
    events, by_event = _events(workspace), (event.received_at, event.event_id)
    rejected, by_rejection = _rejected(workspace), (rejection.first_at, rejection.id)
    place = find_place(db, [(events, by_event), (rejected, by_rejection)], after)
    found: list[RowMapping] = []
    if result != "refused":
        wanted = ((event.plugin, plugin), (event.type, type))
        only: list[Any] = [column == value for column, value in wanted if value is not None]
        only += [t.IS_DUPLICATE] if result == "duplicate" else []
        found += newest_behind(db, events, by_event, place, limit=limit, only=only)
    if result in {None, "refused"} and type is None:
        only = [rejection.plugin == plugin] if plugin is not None else []
        found += newest_behind(db, rejected, by_rejection, place, limit=limit, only=only)
    # Two queries instead of a union: each follows its own index, so that long lists cost no more.
    return sorted(found, key=lambda row: (row["received_at"], row["id"]), reverse=True)[:limit]


def _events(workspace: str) -> Select[Any]:
    """Select a workspace's events. ``times`` is how often each was delivered, 0 for one that an upkeep found."""
    event, run = t.webhook_deliveries.c, t.runs.c
    its_run = (run.workspace == event.workspace) & (run.plugin == event.plugin) & (run.subject == event.event_id)
    shown = (
        event.event_id.label("id"),
        event.plugin,
        event.type,
        event.account,
        event.received_at,
        func.coalesce(event.last_at, event.received_at, type_=event.last_at.type).label("last_at"),
        case((event.found, 0), else_=event.duplicates + 1).label("times"),
        event.found,
        (func.length(event.body) > 0).label("kept"),
        null().label("reason"),
        run.id.label("run_id"),
        run.status.label("run_status"),
    )
    both = t.webhook_deliveries.outerjoin(t.runs, its_run & (run.kind == RunKind.WEBHOOK))
    return select(*shown).select_from(both).where(event.workspace == workspace)


def _rejected(workspace: str) -> Select[Any]:
    """Select a workspace's rejected webhooks, with the same columns."""
    row = t.webhook_refusals.c
    here = (row.id, row.plugin, row.first_at.label("received_at"), row.last_at, row.times, row.reason)
    nothing = (null().label(name) for name in ("type", "account", "run_id", "run_status"))
    no = (false().label(name) for name in ("found", "kept"))
    return select(*here, *nothing, *no).where(row.workspace == workspace)
