"""Rows of runs. The rows of their steps are in ``steps``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, bindparam, cast, or_, select

from ..errors import NotFound
from ..quotes.run import FINISHED, OPEN, UNFINISHED, Run, RunKind, RunStatus
from . import quotes, search
from . import tables as t
from .pagination import newest_first
from .upsert import insert_or_ignore

#: The columns that decide the state of a run's quote.
_SHOWN = {"status", "error"}

# Every run executes these. They are built once, because building costs more (docs/performance.md).
_ONE = select(t.runs).where(t.runs.c.id == bindparam("run"))
_CHANGE = t.runs.update().where(t.runs.c.id == bindparam("run")).returning(t.runs.c.workspace, t.runs.c.quote_id)
_OF_QUOTE = (
    select(t.runs)
    .where((t.runs.c.workspace == bindparam("of_workspace")) & (t.runs.c.quote_id == bindparam("of_quote")))
    .order_by(t.runs.c.created_at, t.runs.c.id)
)
_OF_KIND = _OF_QUOTE.where(t.runs.c.kind == bindparam("of_kind"))
#: So many of the newest runs are looked through for a plugin's origin.
_RECENT = 1000
#: The states that ``t.IS_UNUSUAL`` selects.
_UNUSUAL = {RunStatus.WAITING, *FINISHED} - {RunStatus.SUCCEEDED}
#: Selects the runs that need a person.
_OPEN = (t.IS_UNUSUAL, t.runs.c.status.in_(OPEN))
_IS_UNFINISHED = (t.IS_UNFINISHED, t.runs.c.status.in_(UNFINISHED))


def add(db: Connection, row: Mapping[str, Any]) -> bool:
    """Insert a run; return False if the plugin has one of the same kind and subject."""
    added = insert_or_ignore(db, t.runs, row)
    if added:
        search.touch(db, row["workspace"], row["quote_id"])
    return added


def find(db: Connection, run_id: str) -> Run | None:
    """Return one run; None if there is none with this id."""
    row = db.execute(_ONE, {"run": run_id}).mappings().first()
    return None if row is None else Run.of(row)


def require(db: Connection, run_id: str, *, workspace: str | None = None) -> Run:
    """Return one run. Raises: NotFound, also for a run of another workspace than the one given."""
    run = find(db, run_id)
    if run is None or workspace not in {None, run.workspace}:
        raise NotFound(f"There is no run {run_id!r}.", hint="The list of runs shows those that are kept.")
    return run


def change(db: Connection, run_id: str, **values: Any) -> None:
    """Update columns of one run."""
    whose = db.execute(_CHANGE, {"run": run_id, **values}).first()
    if whose is not None and not _SHOWN.isdisjoint(values):
        search.touch(db, whose.workspace, whose.quote_id)


def say(db: Connection, run_id: str, about: str, note: str | None) -> None:
    """Store a note on a run, in addition to its outcome's notes. Each ``about`` has one note; None removes it."""
    db.execute(select(t.runs.c.id).where(t.runs.c.id == run_id).with_for_update())
    facts = require(db, run_id).facts
    said = {**facts.get("said", {}), about: note}
    kept = {key: text for key, text in said.items() if text}
    if kept != facts.get("said", {}):
        change(db, run_id, facts={**facts, "said": kept})


def of_quote(db: Connection, workspace: str, quote_id: str, *, kind: RunKind | None = None) -> list[Run]:
    """Return a quote's runs, oldest first."""
    these = {"of_workspace": workspace, "of_quote": quote_id}
    return _all(db, _OF_QUOTE, these) if kind is None else _all(db, _OF_KIND, {**these, "of_kind": kind})


def _all(db: Connection, wanted: Select[Any], values: Mapping[str, Any] | None = None) -> list[Run]:
    return [Run.of(row) for row in db.execute(wanted, values).mappings()]


def newest(
    db: Connection,
    *,
    workspace: str | None = None,
    quote_id: str | None = None,
    plugin: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    quiet: bool = False,
    without_invoice: bool = False,
    to_look_at: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    limit: int,
) -> list[Run]:
    """Return the runs of one workspace or of all, newest first.

    ``quote_id``: a quote's id or number; if several quotes have this number, the runs of all of them.
    ``quiet``: include the upkeep runs that had nothing to do.
    ``without_invoice``: only runs that were skipped for an accepted quote because something was missing.
    ``to_look_at``: only runs that need a person.
    ``since``, ``until``: only runs created at or after the one, and before the other.
    Raises: InvalidInput for an unknown ``after``.
    """
    run = t.runs.c
    wanted = ((run.plugin, plugin), (run.kind, kind), (run.status, status))
    only: list[Any] = [column == value for column, value in wanted if value is not None]
    only += [_of_quotes(db, workspace, quote_id)] if quote_id is not None else []
    only += [run.created_at >= since] if since else []
    only += [run.created_at < until] if until else []
    if status in UNFINISHED - {RunStatus.WAITING}:
        only.append(t.IS_UNFINISHED)
    elif status in _UNUSUAL:
        only.append(t.IS_UNUSUAL)
    if to_look_at:
        only += _OPEN
    if without_invoice:
        # This column stores None as the JSON null.
        lacks = cast(run.error, Text) != "null"
        only += [t.IS_UNUSUAL, run.kind == RunKind.QUOTE_ACCEPTED, run.status == RunStatus.SKIPPED, lacks]
    if not quiet:
        only.append((run.kind != RunKind.UPKEEP) | (run.status != RunStatus.SKIPPED))
    whose = select(t.runs)
    if workspace is not None and status in UNFINISHED - {RunStatus.WAITING}:
        # Concatenated, so that the database reads the few unfinished runs, and not all of the workspace.
        whose = whose.where(run.workspace.concat("") == workspace)
    elif workspace is not None:
        whose = whose.where(run.workspace == workspace)
    return [
        Run.of(row) for row in newest_first(db, whose, (run.created_at, run.id), after=after, limit=limit, only=only)
    ]


def _of_quotes(db: Connection, workspace: str | None, name: str) -> ColumnElement[bool]:
    # A quote that could not be fetched has runs but is not stored.
    found = quotes.named(db, name, workspace)
    here = [(t.runs.c.workspace == where) & (t.runs.c.quote_id == quote_id) for where, quote_id in found]
    if here:
        return or_(*here)
    # Its index begins with the workspace.
    return t.runs.c.workspace.in_(select(t.workspaces.c.id)) & (t.runs.c.quote_id == name)


def of_event(db: Connection, workspace: str, plugin: str, event_id: str) -> Run | None:
    """Return the run that works a webhook's event; None if there is none."""
    run = t.runs.c
    here = (
        (run.workspace == workspace)
        & (run.plugin == plugin)
        & (run.kind == RunKind.WEBHOOK)
        & (run.subject == event_id)
    )
    return next(iter(_all(db, select(t.runs).where(here))), None)


def last_upkeep(db: Connection, workspace: str, plugin: str) -> Run | None:
    """Return a plugin's newest upkeep run; None if there is none."""
    here = (t.runs.c.workspace == workspace) & (t.runs.c.plugin == plugin) & (t.runs.c.kind == RunKind.UPKEEP)
    return next(iter(_all(db, select(t.runs).where(here).order_by(t.runs.c.created_at.desc()).limit(1))), None)


def count_open(db: Connection, workspace: str) -> dict[str, int]:
    """Return how many runs need a person, by plugin."""
    # They are few. To group them, SQLite would read all runs of the workspace in the order of their plugins.
    return Counter(db.execute(select(t.runs.c.plugin).where(t.runs.c.workspace == workspace, *_OPEN)).scalars())


def failed(db: Connection, workspace: str | None = None) -> Sequence[str]:
    """Return the ids of the failed runs, in one workspace or in all, oldest first."""
    wanted = select(t.runs.c.id).where(t.IS_UNUSUAL, t.runs.c.status == RunStatus.FAILED)
    if workspace is not None:
        wanted = wanted.where(t.runs.c.workspace == workspace)
    return db.execute(wanted.order_by(t.runs.c.created_at, t.runs.c.id)).scalars().all()


def open_since(db: Connection, workspace: str, before: datetime) -> list[Run]:
    """Return the runs that need a person and ended before a moment, oldest first.

    Of a plugin's upkeep runs only the last one counts, because it shows what is still wrong.
    """
    run = t.runs.c
    wanted = (
        select(t.runs)
        .where(run.workspace == workspace, *_OPEN, run.finished_at < before)
        .order_by(run.created_at, run.id)
    )
    return [one for one in _all(db, wanted) if one.kind != RunKind.UPKEEP or _is_last_upkeep(db, one)]


def _is_last_upkeep(db: Connection, run: Run) -> bool:
    last = last_upkeep(db, run.workspace, run.plugin)
    return last is not None and last.id == run.id


def stopped_fetches(db: Connection, workspace: str) -> Sequence[str]:
    """Return the ids of the runs that need a person before they can fetch a quote, oldest first."""
    run = t.runs.c
    needs_a_person = (t.IS_UNUSUAL, run.status == RunStatus.NEEDS_ATTENTION)
    here = (run.workspace == workspace, run.kind == RunKind.PLATFORM_EVENT, *needs_a_person)
    return db.execute(select(run.id).where(*here).order_by(run.created_at, run.id)).scalars().all()


def unfinished(db: Connection, run_ids: Sequence[str]) -> bool:
    """Whether any of these runs is queued or running. A run that waits through an outage is neither."""
    here = t.runs.c.id.in_(run_ids) & t.runs.c.status.in_([RunStatus.QUEUED, RunStatus.RUNNING])
    return db.execute(select(t.runs.c.id).where(here).limit(1)).first() is not None


def waiting(db: Connection, run_ids: Sequence[str]) -> list[Run]:
    """Return those of these runs that wait through an outage, oldest first."""
    here = t.runs.c.id.in_(run_ids) & (t.runs.c.status == RunStatus.WAITING)
    return _all(db, select(t.runs).where(here).order_by(t.runs.c.created_at))


def last_origin(db: Connection, plugin: str) -> str | None:
    """Return the plugin's "distribution version" in its newest run that has one; None if no recent run has one."""
    newest_runs = select(t.runs.c.plugin, t.runs.c.facts).order_by(t.runs.c.created_at.desc(), t.runs.c.id.desc())
    recent = newest_runs.limit(_RECENT).subquery()
    found = (
        facts.get("origin") for facts in db.execute(select(recent.c.facts).where(recent.c.plugin == plugin)).scalars()
    )
    return next((origin for origin in found if origin), None)


def waiting_for_a_plugin(db: Connection, codes: Collection[str]) -> list[Run]:
    """Return the waiting runs whose error has one of these codes, oldest first."""
    waits = select(t.runs).where(t.IS_UNFINISHED, t.runs.c.status == RunStatus.WAITING).order_by(t.runs.c.created_at)
    return [run for run in _all(db, waits) if run.error_code in codes]


def all_unfinished(db: Connection) -> Sequence[tuple[str, int]]:
    """Return the ids and attempts of the runs that are queued, running or waiting."""
    wanted = select(t.runs.c.id, t.runs.c.attempt).where(*_IS_UNFINISHED)
    return [(row.id, row.attempt) for row in db.execute(wanted)]


def is_current(db: Connection, run_id: str, attempt: int) -> bool:
    """Whether this is the run's current attempt, and the run is not dismissed."""
    run = find(db, run_id)
    return run is not None and run.attempt == attempt and run.status != RunStatus.DISMISSED
