"""Rows of a run's steps: its timeline and its memory. Each row has a step's status and its result.

``put`` stores steps of the run's present attempt. ``end`` stores how a step ended although another attempt has begun.
A further attempt of the run starts with ``keep_results`` if it resumes, or with ``forget_results`` if it begins anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import JSON, Connection, RowMapping, bindparam, case, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from ..quotes.run import RunStatus, StepStatus
from . import tables as t

# Every step executes these. They are built once, because building costs more (docs/performance.md).
_OF_RUN = select(t.steps).where(t.steps.c.run_id == bindparam("run"))
_IS_CURRENT = (
    select(literal(1))
    .where((t.runs.c.id == bindparam("run")) & (t.runs.c.attempt == bindparam("attempt")))
    .scalar_subquery()
    .is_not(None)
)
_END = (
    t.steps.update()
    .where((t.steps.c.run_id == bindparam("run")) & (t.steps.c.name == bindparam("step")))
    .values(
        result=case((_IS_CURRENT, bindparam("given", type_=t.steps.c.result.type)), else_=t.steps.c.result),
        place=case((_IS_CURRENT, bindparam("at")), else_=t.steps.c.place),
    )
)
#: What is stored when a step begins, when a try of it ends, and when it ends.
_FACTS = (
    "name",
    "position",
    "attempts",
    "status",
    "ms",
    "key",
    "request_ids",
    "started_at",
    "error",
    "result",
    "place",
)


def of_run(db: Connection, run_id: str) -> dict[str, RowMapping]:
    """Return the steps that a run has begun, by name."""
    return {row["name"]: row for row in db.execute(_OF_RUN, {"run": run_id}).mappings()}


def of_runs(db: Connection, run_ids: Sequence[str]) -> dict[str, list[RowMapping]]:
    """Return the steps of each run in their order, by run id."""
    here = t.steps.c.run_id.in_(run_ids)
    found: defaultdict[str, list[RowMapping]] = defaultdict(list)
    for step in db.execute(select(t.steps).where(here).order_by(t.steps.c.run_id, t.steps.c.position)).mappings():
        found[step["run_id"]].append(step)
    return found


def put(db: Connection, run_id: str, attempt: int, steps: Sequence[Mapping[str, Any]]) -> bool:
    """Store steps, and return True; return False when the run has another attempt by now, or is dismissed.

    A step: ``name``, ``position``, ``attempts``, ``status``, ``ms``, ``key``, ``request_ids``, ``started_at``,
    ``error``, ``result`` (``{"value": …}`` or ``{"error": …}``, None without one) and ``place``, the result's number
    within this attempt.
    """
    rows = [{"run": run_id, "attempt": attempt, **step} for step in steps]
    return bool(db.execute(_putting(db.dialect.name), rows).rowcount == len(rows))


@cache
def _putting(dialect: str) -> Any:
    step, run = t.steps.c, t.runs.c
    first: dict[Any, Any] = {step.run_id: run.id}
    # A missing error is NULL, and not the null of JSON.
    types = {name: JSON(none_as_null=True) if name == "error" else step[name].type for name in _FACTS}
    first |= {step[name]: bindparam(name, type_=types[name]) for name in _FACTS}
    is_current = (
        (run.id == bindparam("run")) & (run.attempt == bindparam("attempt")) & (run.status != RunStatus.DISMISSED)
    )
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(t.steps)
    putting = insert.from_select([column.name for column in first], select(*first.values()).where(is_current))
    changed = {name: putting.excluded[name] for name in _FACTS[2:]}
    return putting.on_conflict_do_update(index_elements=["run_id", "name"], set_=changed).execution_options(
        preserve_rowcount=True
    )


def end(db: Connection, run_id: str, attempt: int, step: Mapping[str, Any]) -> None:
    """Store how a step ended that was stored before, even if the run has another attempt by now, or is dismissed.

    The result of an earlier attempt is not stored, because the present one does the step again.
    """
    ended = ("status", "ms", "key", "request_ids", "started_at", "error")
    given = {"attempt": attempt, "given": step["result"], "at": step["place"]}
    db.execute(_END, {"run": run_id, "step": step["name"], **given, **{name: step[name] for name in ended}})


def count_results(db: Connection, run_id: str) -> int:
    """Return how many steps of a run have a result."""
    mine = (t.steps.c.run_id == run_id) & t.steps.c.result.is_not(None)
    return db.execute(select(func.count()).select_from(t.steps).where(mine)).scalar_one()


def keep_results(db: Connection, run_id: str) -> bool:
    """Keep the values of succeeded steps for the next attempt of a run; return whether there are any.

    Their places are cleared, because the next attempt may take steps in another order: it repeats the failed step, and
    others may come before it.
    """
    mine = t.steps.c.run_id == run_id
    unfinished = t.steps.update().where(mine & (t.steps.c.status != StepStatus.SUCCEEDED))
    db.execute(unfinished.values(result=None, place=None))
    kept = t.steps.update().where(mine & t.steps.c.result.is_not(None)).values(place=None)
    return db.execute(kept).rowcount > 0


def forget_results(db: Connection, run_id: str) -> None:
    """Delete the results of a run's steps, so that its next attempt begins at the first step."""
    db.execute(t.steps.update().where(t.steps.c.run_id == run_id).values(result=None, place=None))


def renew_keys(db: Connection, run_id: str, now: datetime) -> None:
    """Give a run's succeeded steps their next key, so that they can be done again.

    With the old key, a service could repeat its old answer, although what the step created was undone since.
    """
    here = (t.steps.c.run_id == run_id) & (t.steps.c.status == StepStatus.SUCCEEDED)
    db.execute(t.steps.update().where(here).values(key=t.steps.c.key + 1, started_at=now))


def fail_waiting(db: Connection, run_id: str) -> None:
    """Set the status of the step at which a run waited to failed."""
    here = (t.steps.c.run_id == run_id) & (t.steps.c.status == StepStatus.WAITING)
    db.execute(t.steps.update().where(here).values(status=StepStatus.FAILED))


def has_asked_a_service(db: Connection, run_id: str) -> bool:
    """Whether a step of the run has an answer of its service."""
    answered = db.execute(select(t.steps.c.request_ids).where(t.steps.c.run_id == run_id)).scalars()
    return any(answered)
