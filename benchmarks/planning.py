"""Large quotes: what reading and planning cost by the number of lines, and whether that grows in proportion."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from qwoty_integrations_host.contract.quote import Quote
from qwoty_integrations_host.contract.quote_document import load_quote
from qwoty_stripe_invoice.plan import make_plan

from .quotes import a_quote
from .rows import Figure, Row, Target, exactly

_LINES = (1, 20, 100, 250)


def measure(*, quick: bool) -> list[Row]:
    """Time pure functions in this process, by the CPU time of this thread."""
    times = 5 if quick else 40
    rows = []
    for lines in _LINES:
        document = a_quote("q", lines=lines)
        quote = _loaded(document)
        items = f"{lines} {'item' if lines == 1 else 'items'}"
        goal = Target(20) if lines == 250 else None
        rows += [
            Row(
                f"planning.plan.{lines}",
                f"plan {items}",
                "ms",
                Figure.of(_timed(lambda q=quote: make_plan(q), times)),
                goal,
            ),
            Row(
                f"planning.load.{lines}",
                f"read and check {items}",
                "ms",
                Figure.of(_timed(lambda d=document: _loaded(d), times)),
            ),
        ]
    half = _loaded(a_quote("q", lines=125))
    ratio = _best(lambda: make_plan(quote), times) / _best(lambda: make_plan(half), times)
    linear = Row("planning.linear", "plan 250 items ÷ plan 125", "times", exactly(round(ratio, 2)), Target(2.5))
    return [*rows, linear]


def _loaded(document: dict[str, Any]) -> Quote:
    return load_quote(document, workspace_id="ws", received_at=datetime(2026, 3, 10, tzinfo=UTC))


def _timed(work: Callable[[], object], times: int) -> list[float]:
    took = []
    for _ in range(times):
        began = time.thread_time()
        work()
        took.append((time.thread_time() - began) * 1000)
    return took


def _best(work: Callable[[], object], times: int) -> float:
    return min(_timed(work, times))
