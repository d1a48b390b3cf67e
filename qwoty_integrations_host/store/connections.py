"""Rows of the connections to services: the last test of each integration, and its known problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select

from ..quotes.run import Run
from . import quotes
from . import tables as t
from .upsert import insert_or_ignore

#: The number of newest quotes in which business units are looked for.
_RECENT = 100


# Every run executes these. They are built once, because building costs more (docs/performance.md).
_ONE = select(t.connections).filter_by(workspace=bindparam("workspace"), plugin=bindparam("plugin"))
_ONE_LOCKED = _ONE.with_for_update()


def load(db: Connection, workspace: str, plugin: str, *, lock: bool = False) -> RowMapping | None:
    """Return the row with ``report``, ``checked_at`` and ``problem``; None before the first test or problem."""
    place = {"workspace": workspace, "plugin": plugin}
    return db.execute(_ONE_LOCKED if lock else _ONE, place).mappings().first()


def record_problem(db: Connection, workspace: str, plugin: str, problem: Mapping[str, Any]) -> Mapping[str, Any]:
    """Record a problem, unless one is known already; return the one that is known now."""
    insert_or_ignore(db, t.connections, {"workspace": workspace, "plugin": plugin})
    row = load(db, workspace, plugin, lock=True)
    assert row is not None, "it was inserted above"
    if row["problem"]:
        known: Mapping[str, Any] = row["problem"]
        return known
    change(db, workspace, plugin, problem=dict(problem))
    return problem


def change(db: Connection, workspace: str, plugin: str, **values: Any) -> None:
    """Update columns of a row, which is created if it does not exist."""
    insert_or_ignore(db, t.connections, {"workspace": workspace, "plugin": plugin})
    here = (t.connections.c.workspace == workspace) & (t.connections.c.plugin == plugin)
    db.execute(t.connections.update().where(here).values(**values))


def problems(db: Connection, workspace: str) -> dict[str, dict[str, Any]]:
    """Return the known problems by plugin, without those of disabled integrations."""
    off = select(t.settings.c.plugin).where((t.settings.c.workspace == workspace) & t.settings.c.enabled.is_(False))
    connection = t.connections.c
    here = (connection.workspace == workspace) & connection.plugin.not_in(off)
    found = db.execute(select(connection.plugin, connection.problem).where(here).order_by(connection.plugin))
    return {row.plugin: row.problem for row in found if row.problem}


def forget_problem(db: Connection, workspace: str, plugin: str) -> None:
    """Clear the known problem, after a person has changed or removed the connection."""
    row = load(db, workspace, plugin, lock=True)
    if row is not None and row["problem"]:
        change(db, workspace, plugin, problem=None)


def is_same_key(db: Connection, one: Run, other: Run) -> bool:
    """Whether two runs used the same secret key.

    They did if the integration's settings have at most one secret, or if both quotes are of one business unit.
    """
    secret = t.secrets.c
    here = (secret.workspace == one.workspace) & (secret.plugin == one.plugin) & secret.field.like("settings/%")
    if len(db.execute(select(secret.field).where(here).limit(2)).all()) < 2:
        return True
    found = (quotes.find(db, run.workspace, run.quote_id) for run in (one, other))
    units = [quote.business_unit.id if quote and quote.business_unit else None for quote in found]
    return units[0] == units[1]


def recent_business_units(db: Connection, workspace: str) -> dict[str, str]:
    """Return the names of the newest quotes' business units, by id and sorted by it. Without a name, the id is used."""
    units = (quote.business_unit for quote in quotes.recent(db, workspace, limit=_RECENT))
    return dict(sorted({unit.id: unit.name or unit.id for unit in units if unit}.items()))
