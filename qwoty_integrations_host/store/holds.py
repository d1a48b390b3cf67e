"""Holds on quotes: fencing tokens that stop an overtaken worker from writing.

Each time a worker takes a hold, its epoch rises. A worker with an older epoch cannot write any more. A lock alone is
not enough: it ends with its connection, and a worker that was suspended does not notice that. So the lock decides who
may begin, and the epoch decides who may still write (ADR 0002).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from ..errors import Overtaken
from . import tables as t
from .deferred_writes import DeferredWrites


@dataclass(frozen=True, slots=True)
class Hold:
    """One worker's hold on one plugin's work for one quote. ``job_id`` is the attempt of a run that it works."""

    workspace: str
    plugin: str
    quote_id: str
    job_id: str
    epoch: int
    #: What the run writes in its next transaction.
    deferred: DeferredWrites = field(default_factory=DeferredWrites, repr=False, compare=False)


#: The hold of the current run, also in the thread of a hook; None outside a run.
_held: ContextVar[Hold | None] = ContextVar("hold", default=None)

_PLACE = ("workspace", "plugin", "quote_id")
# Every write of a run executes these. They are built once, because building costs more (docs/performance.md).
_PRESENT = select(t.holds.c.epoch, t.holds.c.job_id).where(*(t.holds.c[name] == bindparam(name) for name in _PLACE))
_KEPT = _PRESENT.with_for_update(read=True)
_QUOTE = select(t.quotes.c.id).filter_by(workspace=bindparam("workspace"), id=bindparam("id")).with_for_update()


def take(db: Connection, workspace: str, plugin: str, quote_id: str, job_id: str) -> Hold:
    """Take over the hold on a quote. Waits for a write of the present holder, which cannot write after that."""
    place = {"workspace": workspace, "plugin": plugin, "quote_id": quote_id}
    epoch = db.execute(_taking(db.dialect.name), {**place, "job_id": job_id}).scalar_one()
    return Hold(workspace, plugin, quote_id, job_id, epoch)


@contextmanager
def under(hold: Hold) -> Iterator[None]:
    """Run the block under a hold, so that each transaction and ``Store.confirm`` check that it is still valid."""
    token = _held.set(hold)
    try:
        yield
    finally:
        _held.reset(token)


@contextmanager
def without_deferred_writes() -> Iterator[None]:
    """Run the block under the same hold, but give up what waits to be written, and what has interrupted the run."""
    hold = _held.get()
    assert hold is not None, "a run is at work"
    hold.deferred.is_given_up = True
    with under(replace(hold, deferred=DeferredWrites())):
        yield


def held() -> Hold | None:
    """Return the current run's hold; None outside a run."""
    return _held.get()


def deferred() -> DeferredWrites | None:
    """Return what the current run writes in its next transaction; None outside a run."""
    hold = _held.get()
    return None if hold is None else hold.deferred


def confirm(db: Connection, *, keep: bool) -> None:
    """Check that the current hold is still valid; with ``keep``, lock it until the transaction ends.

    Raises: Overtaken.
    """
    hold = _held.get()
    if hold is None:
        return
    place = {name: getattr(hold, name) for name in _PLACE}
    # This is the transaction's first lock. A worker that takes a hold has no other lock, so no deadlock can arise.
    found = db.execute(_KEPT if keep else _PRESENT, place).first()
    if found is None or found.epoch != hold.epoch:
        raise Overtaken(hold.job_id, by=found and found.job_id)


def lock_quote(db: Connection) -> None:
    """Lock the row of the held quote, as everybody does who changes the steps of a quote's runs.

    A transaction that locks a step before it would deadlock with one that decides about the quote.
    """
    if (hold := _held.get()) is not None and db.dialect.name == "postgresql":
        db.execute(_QUOTE, {"workspace": hold.workspace, "id": hold.quote_id})


@cache
def _taking(dialect: str) -> Any:
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(t.holds).values(epoch=1)
    values = {"epoch": t.holds.c.epoch + 1, "job_id": insert.excluded.job_id}
    return insert.on_conflict_do_update(index_elements=list(_PLACE), set_=values).returning(t.holds.c.epoch)
