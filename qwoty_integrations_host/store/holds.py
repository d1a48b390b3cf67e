"""Who works on a quote: each time a worker takes it, its epoch rises, and whoever has an older one writes nothing.

A lock ends with the connection that holds it, and the worker that held it may sleep through that. So the lock decides
who may begin, and the epoch who may still write (ADR 0002).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from ..errors import Overtaken
from . import tables as t


@dataclass(frozen=True, slots=True)
class Hold:
    """One worker's hold of what one plugin does for one quote. ``job_id``: the attempt of a run that it works."""

    workspace: str
    plugin: str
    quote_id: str
    job_id: str
    epoch: int


#: What is done in a run, in the hook's own thread too, is done under its hold; everything else under none.
_held: ContextVar[Hold | None] = ContextVar("hold", default=None)

_PLACE = ("workspace", "plugin", "quote_id")
# Every write of a run asks these: built once, since that costs more than to ask (docs/performance.md).
_PRESENT = select(t.holds.c.epoch, t.holds.c.job_id).where(*(t.holds.c[name] == bindparam(name) for name in _PLACE))
_KEPT = _PRESENT.with_for_update(read=True)


def take(db: Connection, workspace: str, plugin: str, quote_id: str, job_id: str) -> Hold:
    """Take a quote, whoever has it: waits until what that one is just writing is written, and lets it write no more."""
    place = {"workspace": workspace, "plugin": plugin, "quote_id": quote_id}
    epoch = db.execute(_taking(db.dialect.name), {**place, "job_id": job_id}).scalar_one()
    return Hold(**place, job_id=job_id, epoch=epoch)


@contextmanager
def under(hold: Hold) -> Iterator[None]:
    """Do what is in the block under a hold: each transaction and ``Store.confirm`` then ask whether it still is one."""
    token = _held.set(hold)
    try:
        yield
    finally:
        _held.reset(token)


def held() -> Hold | None:
    """The hold under which this is done; None outside a run."""
    return _held.get()


def confirm(db: Connection, *, keep: bool) -> None:
    """Ask whether the present hold still is one; with ``keep`` it stays so until the transaction ends.

    Raises: Overtaken.
    """
    hold = _held.get()
    if hold is None:
        return
    place = {name: getattr(hold, name) for name in _PLACE}
    # The first lock of a transaction: a worker that takes a hold has no other, so the two never wait for each other.
    found = db.execute(_KEPT if keep else _PRESENT, place).first()
    if found is None or found.epoch != hold.epoch:
        raise Overtaken(hold.job_id, by=found and found.job_id)


@cache
def _taking(dialect: str) -> Any:
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(t.holds).values(epoch=1)
    values = {"epoch": t.holds.c.epoch + 1, "job_id": insert.excluded.job_id}
    return insert.on_conflict_do_update(index_elements=list(_PLACE), set_=values).returning(t.holds.c.epoch)
