"""Who acts: whatever is done inside ``acting_as("…")`` is written to the audit log under that name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_actor: ContextVar[str] = ContextVar("actor", default="host")


@contextmanager
def acting_as(who: str) -> Iterator[None]:
    """Name who acts inside the block, such as ``session 1a2b (admin)``; never a secret."""
    token = _actor.set(who)
    try:
        yield
    finally:
        _actor.reset(token)


def actor() -> str:
    """Who acts now; ``host`` when nobody said so."""
    return _actor.get()
