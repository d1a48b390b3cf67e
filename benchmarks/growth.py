"""Cheap as it grows: memory over ten thousand quotes, the database's size per run, lists with 100,000 runs stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import requests
from sqlalchemy import Connection, text

from qwoty_integrations_host.host import Host

from .quotes import DRAFT, LINK, a_quote
from .rows import Figure, Row, Target, exactly
from .site import DATABASES, Site, simulator, site, wait_for_runs

_QUOTES, _WARM_UP, _STORED = 10_000, 1_000, 100_000
_WORKSPACES = 2
_COPIES = """
    INSERT INTO quotes (workspace, id, number, document, version, replaced, received_at)
    SELECT workspace, {name}, 'N-' || n, document, version, replaced, {at} FROM quotes, numbers WHERE id = 'first';
    INSERT INTO runs (id, workspace, plugin, kind, quote_id, subject, facts, status, attempt, settings_digest,
        resumable, carried, outcome, error, created_at, finished_at)
    SELECT {name}, workspace, plugin, kind, {name}, {name}, facts,
        CASE WHEN (n / 1000) * 1000 = n THEN 'failed' ELSE status END, attempt, settings_digest,
        resumable, carried, outcome, error, {at}, {at} FROM runs, numbers WHERE quote_id = 'first';
    INSERT INTO steps (run_id, name, position, status, attempts, "key", ms, request_ids, error, started_at)
    SELECT {name}, steps.name, position, steps.status, attempts, "key", ms, request_ids, error, started_at
    FROM steps, numbers
"""
_NAME = "'copy-' || n"
_AT = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', 1700000000 + n, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(1700000000 + n) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
    " || '.000000+00:00'",
}
_NUMBERS = {
    "sqlite": "CREATE TEMP TABLE numbers AS WITH RECURSIVE r(n) AS "
    "(SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < :most) SELECT n FROM r",
    "postgresql": "CREATE TEMP TABLE numbers AS SELECT generate_series(1, :most) AS n",
}


def measure(*, quick: bool) -> list[Row]:
    """Drafts of one line for the memory, since what is kept does not depend on the lines; links for the sizes."""
    rows = []
    with simulator(0) as stripe:
        for database in DATABASES:
            with site(stripe.url, database=database) as place:
                rows += _stored(place, database, 5_000 if quick else _STORED, times=5 if quick else 30)
        with site(stripe.url) as place:
            rows += _memory(place, 300 if quick else _QUOTES, 100 if quick else _WARM_UP)
    return rows


def _stored(place: Site, database: str, count: int, *, times: int) -> list[Row]:
    place.add_workspaces({"ws": LINK})
    place.serve()
    with place.looked_into() as host, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {place.api_keys['ws']}"
        run = place.accept(session, "ws", a_quote("first"))
        wait_for_runs(host, [run], seconds=60)
        with host.store.write() as db:
            _fill(db, count)
        runs = f"{place.url}/v1/workspaces/ws/runs"
        asked = {
            "list": ("the newest 50 runs", lambda: session.get(f"{runs}?limit=50")),
            "failed": ("the newest 50 that failed", lambda: session.get(f"{runs}?limit=50&status=failed")),
            "quotes": (
                "the newest 50 quotes, of 20 lines each",
                lambda: session.get(f"{place.url}/v1/workspaces/ws/quotes?limit=50"),
            ),
            "open": ("open a run with its steps", lambda: session.get(f"{runs}/copy-{count // 2}")),
        }
        return [
            Row(
                f"growth.{name}.{database.lower()}",
                f"{count:,} runs stored, {database}: {what}",
                "ms",
                Figure.of(_timed(ask, times)),
                Target(50) if name != "quotes" else None,
            )
            for name, (what, ask) in asked.items()
        ]


def _fill(db: Connection, count: int) -> None:
    """Copies of one run with its quote and its steps, a second apart; each thousandth failed."""
    kind = db.dialect.name
    db.execute(text(_NUMBERS[kind]), {"most": count})
    for statement in _COPIES.format(name=_NAME, at=_AT[kind]).split(";"):
        db.exec_driver_sql(statement)
    db.exec_driver_sql("ANALYZE")


def _timed(ask: Callable[[], requests.Response], times: int) -> list[float]:
    took = []
    for _ in range(times + 3):
        began = time.perf_counter()
        ask().raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return took[3:]


def _memory(place: Site, quotes: int, warm_up: int) -> list[Row]:
    place.add_workspaces({f"ws-{number}": DRAFT for number in range(_WORKSPACES)})
    server = place.serve()
    with place.looked_into() as host, requests.Session() as session:
        _work(place, host, session, 0, warm_up)
        size, memory, cpu = _size(place), server.memory(), server.cpu_seconds()
        began = time.monotonic()
        peak = memory
        for start in range(warm_up, warm_up + quotes, 100):
            _work(place, host, session, start, 100)
            peak = max(peak, server.memory())
        took = time.monotonic() - began
        grown, per_run = server.memory() - memory, (_size(place) - size) / quotes / 1000
    return [
        Row(
            "growth.memory", f"resident memory grown over {quotes:,} quotes", "MB", exactly(round(grown, 1)), Target(10)
        ),
        Row("growth.peak", "the most memory meanwhile", "MB", exactly(round(peak))),
        Row(
            "growth.size",
            "the database per run (a draft of one line, DBOS's tables included)",
            "KB",
            exactly(round(per_run, 1)),
        ),
        Row(
            "growth.cpu",
            "CPU per quote (a draft of one line)",
            "ms",
            exactly(round(1000 * (server.cpu_seconds() - cpu) / quotes)),
        ),
        Row(
            "growth.rate", "drafts per second at no latency, one SQLite worker", "/s", exactly(round(quotes / took, 1))
        ),
    ]


def _work(place: Site, host: Host, session: requests.Session, start: int, count: int) -> None:
    """Hand quotes over and wait for all of them; the contacts are a few, as Stripe's stand-in keeps everything."""
    for number in range(start, start + count):
        quote = a_quote(f"q-{number}", lines=1, contact=f"c-{number % 20}")
        place.accept(session, f"ws-{number % _WORKSPACES}", quote)
    deadline = time.monotonic() + 600
    while _ended(host) < start + count:
        if time.monotonic() > deadline:
            raise RuntimeError("the runs do not end")
        time.sleep(0.1)


def _ended(host: Host) -> int:
    with host.store.read() as db:
        return int(db.exec_driver_sql("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL").scalar_one())


def _size(place: Site) -> int:
    """Bytes of the SQLite file, once what is in its log has been put into it."""
    with place.looked_into() as host, host.store.engine.connect() as db:
        db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    file: Path = place.folder / "data" / "host.sqlite3"
    return file.stat().st_size
