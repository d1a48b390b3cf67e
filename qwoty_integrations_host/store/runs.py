"""Rows of runs; their steps are in steps.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Text, bindparam, cast, func, or_, select

from ..errors import NotFound
from . import quotes, search
from . import tables as t
from .pagination import newest_first
from .upsert import insert_or_ignore

#: A run that needs attention, failed or waits is ``dismissed`` by a person who has dealt with it.
#: One that waits through an outage has not finished: it goes on by itself.
#: Every state of a run, in the order of its life.
STATUSES = ("queued", "running", "waiting", "succeeded", "skipped", "needs_attention", "failed", "dismissed")
FINISHED = ("succeeded", "skipped", "needs_attention", "failed", "dismissed")
#: Of these nobody has to do anything any more.
DEALT_WITH = ("succeeded", "skipped", "dismissed")


#: Runs that concern no quote: they look after a plugin's connection to its service.
UPKEEP = "upkeep"
#: Runs of the host's own: they fetch a quote that a platform has told of.
PLATFORM_EVENT = "platform_event"

#: The columns from which is said where a run's quote stands.
_SHOWN = {"status", "error"}

# Every step asks this: built once, since that costs more than to ask (docs/performance.md).
_ONE = select(t.runs).where(t.runs.c.id == bindparam("run"))


def add(db: Connection, row: Mapping[str, Any]) -> bool:
    """Insert a run; False when one of the same kind and subject exists."""
    added = insert_or_ignore(db, t.runs, row)
    if added:
        search.touch(db, row["workspace"], row["quote_id"])
    return added


def find(db: Connection, run_id: str) -> RowMapping | None:
    """Give one run."""
    return db.execute(_ONE, {"run": run_id}).mappings().first()


def require(db: Connection, run_id: str, *, workspace: str | None = None) -> RowMapping:
    """Give one run. Raises: NotFound, also for a run of another workspace than the one given."""
    row = find(db, run_id)
    if row is None or workspace not in {None, row["workspace"]}:
        raise NotFound(f"There is no run {run_id!r}.", hint="The list of runs shows those that are kept.")
    return row


def change(db: Connection, run_id: str, **values: Any) -> None:
    """Update columns of one run."""
    changed = t.runs.update().where(t.runs.c.id == run_id).values(**values)
    whose = db.execute(changed.returning(t.runs.c.workspace, t.runs.c.quote_id)).first()
    if whose is not None and not _SHOWN.isdisjoint(values):
        search.touch(db, whose.workspace, whose.quote_id)


def say(db: Connection, run_id: str, about: str, note: str | None) -> None:
    """Keep a note on a run beside what its outcome will say, one for each thing it is about; None takes it away."""
    db.execute(select(t.runs.c.id).where(t.runs.c.id == run_id).with_for_update())
    facts = require(db, run_id)["facts"]
    said = {**facts.get("said", {}), about: note}
    kept = {key: text for key, text in said.items() if text}
    if kept != facts.get("said", {}):
        change(db, run_id, facts={**facts, "said": kept})


def own_notes(row: RowMapping) -> list[str]:
    """The notes that stay on a run whichever attempt ends: of a changed quote, and what was said meanwhile."""
    return [*row["facts"].get("changes", []), *row["facts"].get("said", {}).values()]


def of_quote(db: Connection, workspace: str, quote_id: str, *, kind: str | None = None) -> Sequence[RowMapping]:
    """A quote's runs, oldest first."""
    here = (t.runs.c.workspace == workspace) & (t.runs.c.quote_id == quote_id)
    if kind is not None:
        here &= t.runs.c.kind == kind
    return db.execute(select(t.runs).where(here).order_by(t.runs.c.created_at, t.runs.c.id)).mappings().all()


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
) -> Sequence[RowMapping]:
    """Runs of one workspace or of all, newest first; those of upkeep that had nothing to do only if ``quiet``.

    ``without_invoice``: those that did nothing for an accepted quote for want of something.
    ``quote_id``: a quote's id or its number; of several quotes with this number the runs of each are wanted.
    Those that began ``since`` a moment, and before ``until`` another.
    Raises: InvalidInput for an unknown ``after``.
    """
    run = t.runs.c
    wanted = ((run.plugin, plugin), (run.kind, kind), (run.status, status))
    only: list[Any] = [column == value for column, value in wanted if value is not None]
    only += [_of_quotes(db, workspace, quote_id)] if quote_id is not None else []
    only += [run.created_at >= since] if since else []
    only += [run.created_at < until] if until else []
    if to_look_at:
        only.append(t.IS_OPEN)
    if without_invoice:
        # An error that is None is kept as the JSON null.
        lacks = cast(run.error, Text) != "null"
        only += [run.kind == "quote_accepted", run.status == "skipped", lacks]
    if not quiet:
        only.append((run.kind != UPKEEP) | (run.status != "skipped"))
    whose = select(t.runs) if workspace is None else select(t.runs).where(run.workspace == workspace)
    return newest_first(db, whose, (run.created_at, run.id), after=after, limit=limit, only=only)


def _of_quotes(db: Connection, workspace: str | None, name: str) -> ColumnElement[bool]:
    # A quote that could not be fetched has runs, and is not there.
    found = quotes.named(db, name, workspace)
    here = [(t.runs.c.workspace == where) & (t.runs.c.quote_id == quote_id) for where, quote_id in found]
    return or_(*here) if here else t.runs.c.quote_id == name


def of_event(db: Connection, workspace: str, plugin: str, event_id: str) -> RowMapping | None:
    """The run that works a webhook's event."""
    run = t.runs.c
    here = (run.workspace == workspace) & (run.plugin == plugin) & (run.kind == "webhook") & (run.subject == event_id)
    return db.execute(select(t.runs).where(here)).mappings().first()


def last_upkeep(db: Connection, workspace: str, plugin: str) -> RowMapping | None:
    """The newest run that looked after a plugin's connection."""
    here = (t.runs.c.workspace == workspace) & (t.runs.c.plugin == plugin) & (t.runs.c.kind == UPKEEP)
    return db.execute(select(t.runs).where(here).order_by(t.runs.c.created_at.desc()).limit(1)).mappings().first()


def count_open(db: Connection, workspace: str) -> dict[str, int]:
    """How many runs of each plugin a person has to look at."""
    run = t.runs.c
    found = select(run.plugin, func.count()).where((run.workspace == workspace) & t.IS_OPEN).group_by(run.plugin)
    return {row[0]: row[1] for row in db.execute(found)}


def failed(db: Connection, workspace: str | None = None) -> Sequence[str]:
    """The ids of the runs that failed, in one workspace or in all, oldest first."""
    wanted = select(t.runs.c.id).where(t.runs.c.status == "failed")
    if workspace is not None:
        wanted = wanted.where(t.runs.c.workspace == workspace)
    return db.execute(wanted.order_by(t.runs.c.created_at, t.runs.c.id)).scalars().all()


def open_since(db: Connection, workspace: str, before: datetime) -> Sequence[RowMapping]:
    """The runs that a person has to look at and that ended before a moment, oldest first.

    Of upkeep only the last run counts: it says what is still wrong.
    """
    run = t.runs.c
    wanted = (
        select(t.runs)
        .where((run.workspace == workspace) & t.IS_OPEN & (run.finished_at < before))
        .order_by(run.created_at, run.id)
    )
    found = db.execute(wanted).mappings().all()
    return [row for row in found if row["kind"] != UPKEEP or _is_last_upkeep(db, row)]


def _is_last_upkeep(db: Connection, row: RowMapping) -> bool:
    last = last_upkeep(db, row["workspace"], row["plugin"])
    return last is not None and last["id"] == row["id"]


def stopped_fetches(db: Connection, workspace: str) -> Sequence[str]:
    """The ids of the runs that could not fetch a quote until a person does something, oldest first."""
    run = t.runs.c
    here = (run.workspace == workspace) & (run.kind == PLATFORM_EVENT) & (run.status == "needs_attention")
    return db.execute(select(run.id).where(here).order_by(run.created_at, run.id)).scalars().all()


def unfinished(db: Connection, run_ids: Sequence[str]) -> bool:
    """Whether one of these runs is still queued or running; one that waits through an outage is neither."""
    here = t.runs.c.id.in_(run_ids) & t.runs.c.status.not_in((*FINISHED, "waiting"))
    return db.execute(select(t.runs.c.id).where(here).limit(1)).first() is not None


def waiting(db: Connection, run_ids: Sequence[str]) -> Sequence[RowMapping]:
    """Those of these runs that wait through an outage."""
    here = t.runs.c.id.in_(run_ids) & (t.runs.c.status == "waiting")
    return db.execute(select(t.runs).where(here).order_by(t.runs.c.created_at)).mappings().all()


def last_origin(db: Connection, plugin: str) -> str | None:
    """The distribution and version that worked a plugin's newest runs, where one of them was begun."""
    newest_runs = select(t.runs.c.facts).where(t.runs.c.plugin == plugin).order_by(t.runs.c.created_at.desc()).limit(50)
    found = (facts.get("origin") for facts in db.execute(newest_runs).scalars())
    return next((origin for origin in found if origin), None)


def waiting_for_a_plugin(db: Connection, codes: Collection[str]) -> Sequence[RowMapping]:
    """The runs that wait for one of these reasons, oldest first."""
    waits = db.execute(select(t.runs).where(t.runs.c.status == "waiting").order_by(t.runs.c.created_at)).mappings()
    return [row for row in waits if row["error"] and row["error"]["code"] in codes]


def all_unfinished(db: Connection) -> Sequence[RowMapping]:
    """Runs that are queued or running, or wait: what names each, its status and its error."""
    run = t.runs.c
    wanted = (run.id, run.workspace, run.plugin, run.quote_id, run.attempt, run.status, run.error)
    return db.execute(select(*wanted).where(run.status.not_in(FINISHED))).mappings().all()


def is_current(db: Connection, run_id: str, attempt: int) -> bool:
    """Whether this is the run's present attempt, and nobody has dismissed the run meanwhile."""
    row = find(db, run_id)
    return row is not None and (row["attempt"], row["status"] != "dismissed") == (attempt, True)
