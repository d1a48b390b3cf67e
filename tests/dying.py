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


def work_and_die(
    bench: Any, monkeypatch: pytest.MonkeyPatch, after: str, number: int, *, gateway: type = Gateway, asks: str = "_do"
) -> bool:
    """Work what is queued; the process dies after so many commits, or answers of the service. Whether it did.

    ``asks``: the gateway's method through which every request goes.
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
