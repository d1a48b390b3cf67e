"""From accept to link at 100 ms per call, one quote alone on SQLite; how soon work begins, and what idling costs."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from qwoty_integrations_host.host import Host
from qwoty_integrations_host.store import runs, steps

from .plain_script import a_client, invoice_quote
from .quotes import KEY, LINK, a_quote
from .rows import Figure, Row, Target, exactly
from .site import DATABASES, Simulator, Site, simulator, site, wait_for_runs

LATENCY = 100  # ms per call
_LINES = 20
_IDLE = {"SQLite": Target(1), "PostgreSQL": Target(2)}


def measure(*, quick: bool) -> list[Row]:
    """Quotes one after the other, each at a moment of its own against whatever polls."""
    rows = []
    with simulator(LATENCY) as stripe:
        for database in DATABASES:
            rows += _on(database, stripe, quotes=5 if quick else 40, idle=5 if quick else 30)
    return rows


def _on(database: str, stripe: Simulator, *, quotes: int, idle: int) -> list[Row]:
    stripe.reset()
    with site(stripe.url, database=database) as place:
        place.add_workspaces({"ws": LINK})
        server = place.serve()
        with place.looked_into() as host, requests.Session() as session:
            _one(place, host, session, "warm-up")
            links, starts = [], []
            for number in range(quotes):
                stripe.forget_requests()
                time.sleep(random.uniform(0.2, 0.7))  # noqa: S311 - not for secrecy
                link, start = _one(place, host, session, f"q-{number}")
                links.append(link)
                starts.append(start)
            calls = critical_path(stripe.requests())
        time.sleep(1)
        cpu = server.cpu_seconds()
        time.sleep(idle)
        resting = 100 * (server.cpu_seconds() - cpu) / idle
    bound = calls * LATENCY + 75
    beside = {"calls × latency": calls * LATENCY, **_plain(stripe, quotes)} if database == "SQLite" else {}
    at = f"latency.{database.lower()}"
    goal, late = (Target(bound), Target(bound + 150)) if database == "SQLite" else (None, None)
    return [
        Row(f"{at}.link.p50", f"accept → link, {database}, median", "ms", Figure.of(links), goal, beside),
        Row(f"{at}.link.p95", f"accept → link, {database}, 95 %", "ms", Figure.p95(links), late),
        Row(f"{at}.start.p50", f"accept → first step, {database}, median", "ms", Figure.of(starts)),
        Row(f"{at}.start.p95", f"accept → first step, {database}, 95 %", "ms", Figure.p95(starts), Target(100)),
        Row(f"{at}.idle", f"a core's share while idle, {database}", "%", exactly(round(resting, 2)), _IDLE[database]),
    ]


def _one(place: Site, host: Host, session: requests.Session, quote_id: str) -> tuple[float, float]:
    """Give ms from the request to the link, and from the run's row to its first step."""
    asked = datetime.now(UTC)
    run = place.accept(session, "ws", a_quote(quote_id, lines=_LINES))
    start = start_of(host, run)
    with host.store.read() as db:
        (link,) = (step for step in steps.of_runs(db, [run])[run] if step["name"] == "link:1")
    made = link["started_at"] + timedelta(milliseconds=link["ms"])
    return (made - asked).total_seconds() * 1000, start


def start_of(host: Host, run: str) -> float:
    """Wait until a run has ended, and give the ms from its row to its first step."""
    wait_for_runs(host, [run], seconds=60)
    with host.store.read() as db:
        began = steps.of_runs(db, [run])[run][0]["started_at"] - runs.require(db, run).created_at
    return float(began.total_seconds() * 1000)


def critical_path(found: list[dict[str, Any]]) -> int:
    """How many calls wait for one another; those that are under way at the same time count once."""
    calls, free = 0, 0.0
    for request in sorted(found, key=lambda one: one["arrived"]):
        if request["arrived"] >= free:
            calls += 1
            free = request["arrived"] + LATENCY / 1000
    return calls


def _plain(stripe: Simulator, quotes: int) -> dict[str, float]:
    client = a_client(KEY, stripe.url)
    quote = a_quote("plain", lines=_LINES)
    took = []
    for _ in range(max(2, quotes // 8)):
        began = time.monotonic()
        invoice_quote(client, quote, finalize=True)
        took.append((time.monotonic() - began) * 1000)
    return {"plain script": Figure.of(took).value}
