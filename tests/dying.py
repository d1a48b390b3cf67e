"""A process that dies in the middle of its work, played in this one: fast, for stories told at many places.

The real thing, at every place, is tests/crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from qwoty_integrations_host.errors import Interruption
from qwoty_integrations_host.store.database import Store
from qwoty_stripe_invoice.gateway import Gateway


class Crash(Interruption):
    """The process dies."""


def work_and_die(bench: Any, monkeypatch: pytest.MonkeyPatch, after: str, number: int) -> bool:
    """Work what is queued; the process dies after so many commits, or answers of Stripe. Whether it did."""
    left = [number]

    def one_more() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Crash

    write, ask = Store.write, Gateway._do

    @contextmanager
    def writing(store: Store) -> Iterator[Any]:
        with write(store) as db:
            yield db
        one_more()

    def asking(stripe: Gateway, *given: Any) -> dict[str, Any]:
        answer = ask(stripe, *given)
        one_more()
        return answer

    with monkeypatch.context() as patch:
        if after == "commit":
            patch.setattr(Store, "write", writing)
        else:
            patch.setattr(Gateway, "_do", asking)
        try:
            bench.work()
        except Crash:
            return True
    return False


def restart(bench: Any) -> None:
    """As the next process does: every job that has not ended begins at its top."""
    engine = bench.host.engine
    for job in sorted(engine._known - engine._done - set(engine._queued)):
        engine.work_again(job)
    bench.work()
