"""Webhooks acknowledged per second, durably, while workers run; beside a bare Flask with one INSERT, and the disk."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from sqlalchemy import select

from qwoty_integrations_host.store import tables as t

from .quotes import LINK, a_quote
from .rows import Figure, Row, Target, exactly, percentile
from .site import DATABASES, Process, Site, free_port, reachable, simulator, site, wait_for_runs

#: Per cent of the bare one.
_SHARES = {"SQLite": 75, "PostgreSQL": 50}
_BUSY = 4  # quotes under way meanwhile


def measure(*, quick: bool) -> list[Row]:
    """Sixteen connections for some seconds against each, several times in turn."""
    seconds, times = (2.0, 1) if quick else (5.0, 3)
    rows = [Row("intake.disk", "the disk: one row, one commit (SQLite, full syncs)", "/s", _disk(seconds))]
    with simulator(100) as stripe, tempfile.TemporaryDirectory(prefix="qwoty-bench-") as folder:
        with _bare(Path(folder) / "bare.sqlite3") as url:
            bare = [_sent(f"{url}/hook", "whsec_none", seconds) for _ in range(times + 1)][1:]
        rows += _rows("intake.bare", "bare Flask, one INSERT", bare)
        alone = rows[-2].figure.value
        for database in DATABASES:
            with site(stripe.url, database=database) as place:
                rows += _host(place, database, alone, seconds, times)
    return rows


def _host(place: Site, database: str, alone: float, seconds: float, times: int) -> list[Row]:
    place.add_workspaces({"ws": LINK})
    place.serve()
    key = f"intake.{database.lower()}"
    with requests.Session() as session, place.looked_into() as host:
        run = place.accept(session, "ws", a_quote("q-0"))
        wait_for_runs(host, [run], seconds=60)
        with host.store.read() as db:
            known = db.execute(
                select(t.plugin_state.c.value).where(t.plugin_state.c.name.startswith("webhook_endpoint:"))
            )
            hook = known.scalars().one()["url"]
        token = hook.rsplit("/", 1)[1]
        ctx = host.integrations.contexts.make("ws", "stripe_invoice", host.settings.effective("ws", "stripe_invoice"))
        secret = str(ctx.secrets.get(f"webhook:{token}"))
        rows = []
        _sent(hook, secret, seconds / 2)
        resting = [_sent(hook, secret, seconds) for _ in range(times)]
        rows += _rows(f"{key}.resting", f"the host, {database}, worker waiting", resting, (alone, _SHARES[database]))
        with _quotes_under_way(place, session):
            working = [_sent(hook, secret, seconds) for _ in range(times)]
        rows += _rows(
            f"{key}.working",
            f"the host, {database}, worker with {_BUSY} quotes under way",
            working,
            (alone, _SHARES[database]),
        )
    return rows


def _rows(key: str, what: str, samples: list[list[float]], beside: tuple[float, int] | None = None) -> list[Row]:
    """``beside``: what the bare one took a second, and the share of it that is wanted."""
    per_second = Figure.of([round(one[-1]) for one in samples])
    p99 = Figure.of([round(percentile(one[:-1], 99), 1) for one in samples])
    rows = [Row(key, f"{what}: acknowledged", "/s", per_second), Row(f"{key}.p99", f"{what}: 99 %", "ms", p99)]
    if beside is not None:
        alone, wanted = beside
        share = exactly(round(100 * per_second.value / alone))
        rows.append(Row(f"{key}.share", f"{what}: of the bare one", "%", share, Target(wanted, at_least=True)))
    return rows


def _sent(url: str, secret: str, seconds: float) -> list[float]:
    """The milliseconds of each answer; at the end how many there were a second."""
    command = [sys.executable, "-m", "benchmarks.sender", url, secret, str(seconds), "0"]
    *took, refused = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if refused:
        raise RuntimeError(f"{refused} webhooks were refused")
    return [*took, len(took) / seconds]


@contextmanager
def _bare(file: Path) -> Iterator[str]:
    port = free_port()
    process = Process(
        subprocess.Popen([sys.executable, "-m", "benchmarks.bare_intake", str(port), str(file)], text=True)
    )
    try:
        reachable(f"http://127.0.0.1:{port}/health/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


@contextmanager
def _quotes_under_way(place: Site, session: requests.Session) -> Iterator[None]:
    """Work for the worker beside the webhooks: as many quotes at a time as one workspace may have."""
    # Enough that they do not run out; what is left when the block ends is given up with its host.
    for number in range(_BUSY * 20):
        place.accept(session, "ws", a_quote(f"busy-{number}"))
    yield


def _disk(seconds: float) -> Figure:
    with tempfile.TemporaryDirectory(prefix="qwoty-bench-") as folder:
        line = sqlite3.connect(Path(folder) / "disk.sqlite3", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            line.execute(f"PRAGMA {pragma}")
        line.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        samples = []
        for _ in range(3):
            count, until = 0, time.monotonic() + seconds / 3
            while time.monotonic() < until:
                line.execute("INSERT INTO events (body) VALUES (?)", (b"x" * 1900,))
                count += 1
            samples.append(round(count / (seconds / 3)))
        line.close()
    return Figure.of(samples)
