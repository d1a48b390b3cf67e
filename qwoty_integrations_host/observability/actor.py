"""The actor in the audit log: everything inside ``acting_as("…")`` is recorded under that name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_actor: ContextVar[str] = ContextVar("actor", default="host")


@contextmanager
def acting_as(who: str) -> Iterator[None]:
    """Set the actor for the block, such as ``session 1a2b (admin)``; never a secret."""
    token = _actor.set(who)
    try:
        yield
    finally:
        _actor.reset(token)


def actor() -> str:
    """Return the present actor; ``host`` by default."""
    return _actor.get()
