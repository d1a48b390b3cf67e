"""Simulates the death of a process within the test's own process. This is fast enough to try many moments.

tests/crash kills real processes at every moment.
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


def work_and_die(
    bench: Any, monkeypatch: pytest.MonkeyPatch, after: str, number: int, *, gateway: type = Gateway, asks: str = "_do"
) -> bool:
    """Work the queue; the process dies after so many commits, or answers of the service. Return whether it died.

    ``asks`` is the gateway's method that sends every request.
    """
    left = [number]

    def one_more() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Crash

    write, ask = Store.write, getattr(gateway, asks)

    @contextmanager
    def writing(store: Store) -> Iterator[Any]:
        with write(store) as db:
            yield db
        one_more()

    def asking(service: Any, *given: Any) -> Any:
        answer = ask(service, *given)
        one_more()
        return answer

    with monkeypatch.context() as patch:
        if after == "commit":
            patch.setattr(Store, "write", writing)
        else:
            patch.setattr(gateway, asks, asking)
        try:
            bench.work()
        except Crash:
            return True
    return False
