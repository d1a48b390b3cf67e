"""Quotes per second with 1, 8 and 32 in flight, and their CPU time.

Beside them stand DBOS alone, what latency alone would allow, and the CPU time of the calls by the plain SDK.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests
from sqlalchemy import text

from qwoty_integrations_host.config import JOBS
from qwoty_integrations_host.host import Host

from .latency import LATENCY, critical_path
from .quotes import KEY, LINK, a_quote
from .rows import Row, Target, exactly
from .site import Simulator, Site, simulator, site, wait_for_runs

_IN_FLIGHT = (1, 8, 32)
#: A workspace has at most half of a worker's jobs, so there have to be several.
_WORKSPACES = 8
_LINES = 20
#: What a quote with a link has: steps that are recorded.
_STEPS = 11
#: At 8 in flight, by database: of the ideal in percent, CPU per quote in ms, and that by six plain calls of the SDK.
_TARGETS = {"SQLite": (85, 50, 3.5), "PostgreSQL": (70, 70, None)}
#: Quotes per second at 32 in flight, by database and workers.
_QUOTES_PER_SECOND = {("SQLite", 1): 22, ("PostgreSQL", 1): 14, ("PostgreSQL", 2): 20}


@dataclass(frozen=True)
class _Result:
    per_second: float
    cpu_ms: float
    memory: float
    #: How many calls of one quote wait for each other.
    calls: int
    new_connections: float


def measure(*, quick: bool) -> list[Row]:
    """Every combination for some seconds; quotes of 20 lines, each to the link and its mail."""
    seconds = 5 if quick else 12
    rows = []
    with simulator(0) as stripe:
        ceiling = _ceiling(stripe, seconds=3)
        plain = _six_plain_calls(stripe, times=20 if quick else 200)
    rows += [
        Row("throughput.simulator", "the simulator's own ceiling", "calls/s", exactly(round(ceiling))),
        Row("throughput.plain", "six calls by the plain SDK: CPU", "ms", exactly(round(plain, 1))),
    ]
    with simulator(LATENCY) as stripe:
        for database, workers in (("SQLite", 1), ("PostgreSQL", 1), ("PostgreSQL", 2)):
            stripe.reset()
            with site(stripe.url, database=database) as place:
                rows += _on(place, stripe, database, workers, seconds, plain)
    return rows


def _on(place: Site, stripe: Simulator, database: str, workers: int, seconds: float, plain_ms: float) -> list[Row]:
    # A key each: the host asks Stripe at most 18 times a second with one key.
    keys = {f"ws-{number}": f"{KEY}{number}" for number in range(_WORKSPACES)}
    place.add_workspaces({name: {**LINK, "workspace_api_token": key} for name, key in keys.items()})
    place.serve()
    for _ in range(workers - 1):
        place.worker()
    rows = []
    where = f"{database}, {workers} {'worker' if workers == 1 else 'workers'}"
    with place.looked_into() as host, requests.Session() as session:
        for number in range(_WORKSPACES):
            run = place.accept(session, f"ws-{number}", a_quote("warm-up", lines=_LINES))
            wait_for_runs(host, [run], seconds=60)
        for in_flight in _IN_FLIGHT:
            found = _flow(place, host, session, stripe, in_flight, seconds)
            ideal = min(in_flight, workers * JOBS) / (found.calls * LATENCY / 1000)
            beside = {"ideal": round(ideal, 1)}
            if workers == 1:
                beside["DBOS alone"] = _dbos_alone(place, in_flight, seconds, found.calls)
            key = f"throughput.{database.lower()}.{workers}.{in_flight}"
            share = round(100 * found.per_second / ideal)
            of_ideal, cpu, multiple = _TARGETS[database] if in_flight == 8 else (None, None, None)
            what = f"{where}, {in_flight} in flight"
            many = _QUOTES_PER_SECOND[database, workers] if in_flight == 32 else None
            rows += [
                Row(key, what, "quotes/s", exactly(round(found.per_second, 2)), _at_least(many), beside),
                Row(f"{key}.share", f"{what}: of the ideal", "%", exactly(share), _at_least(of_ideal)),
                Row(f"{key}.cpu", f"{what}: CPU per quote", "ms", exactly(round(found.cpu_ms)), _at_most(cpu)),
                Row(
                    f"{key}.multiple",
                    f"{what}: CPU per quote ÷ six calls by the plain SDK",
                    "×",
                    exactly(round(found.cpu_ms / plain_ms, 1)),
                    _at_most(multiple),
                ),
                Row(
                    f"{key}.connections",
                    f"{what}: new connections per quote",
                    "",
                    exactly(round(found.new_connections, 2)),
                ),
                Row(f"{key}.memory", f"{what}: memory, all processes", "MB", exactly(round(found.memory))),
            ]
    return rows


def _at_most(bound: float | None) -> Target | None:
    return None if bound is None else Target(bound)


def _at_least(bound: float | None) -> Target | None:
    return None if bound is None else Target(bound, at_least=True)


def _flow(
    place: Site, host: Host, session: requests.Session, stripe: Simulator, in_flight: int, seconds: float
) -> _Result:
    """Keep so many quotes under way for some seconds."""
    stripe.forget_requests()
    cpu = sum(process.cpu_seconds() for process in place.processes)
    before = asked = _ended(host)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        ended = _ended(host)
        while asked - ended < in_flight:
            workspace = f"ws-{asked % _WORKSPACES}"
            place.accept(session, workspace, a_quote(f"{in_flight}-{asked}", lines=_LINES))
            asked += 1
        time.sleep(0.01)
    took, done = time.monotonic() - began, _ended(host) - before
    while _ended(host) < asked:
        time.sleep(0.05)
    everything = _ended(host) - before
    cpu = sum(process.cpu_seconds() for process in place.processes) - cpu
    memory = sum(process.memory() for process in place.processes)
    connections = sum(request["new_connection"] for request in stripe.requests()) / everything
    alone = _critical_path_alone(place, host, session, stripe, f"alone-{in_flight}")
    return _Result(done / took, 1000 * cpu / everything, memory, alone, connections)


def _critical_path_alone(place: Site, host: Host, session: requests.Session, stripe: Simulator, quote_id: str) -> int:
    stripe.forget_requests()
    run = place.accept(session, "ws-0", a_quote(quote_id, lines=_LINES))
    wait_for_runs(host, [run], seconds=60)
    return critical_path(stripe.requests())


def _ended(host: Host) -> int:
    with host.store.read() as db:
        return int(db.execute(text("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL")).scalar_one())


def _dbos_alone(place: Site, in_flight: int, seconds: float, calls: int) -> float:
    """On a database of its own, of the same kind."""
    url = f"sqlite:///{place.folder / f'alone-{in_flight}.sqlite3'}"
    if place.database:
        url = place.database.replace("/bench?", "/alone?")
    words = [url, str(in_flight), str(seconds / 2), str(_STEPS), str(calls), str(LATENCY)]
    command = [sys.executable, "-m", "benchmarks.dbos_alone", *words]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return round(float(found.splitlines()[-1]), 2)


def _six_plain_calls(stripe: Simulator, *, times: int) -> float:
    """Return the CPU milliseconds, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.sdk_calls", stripe.url, str(times)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _ceiling(stripe: Simulator, *, seconds: float) -> float:
    """How many calls a second it answers at no latency, to eight connections: a cheap read each."""
    until = time.monotonic() + seconds

    def ask(_: int) -> int:
        count = 0
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {KEY}"
            while time.monotonic() < until:
                session.get(f"{stripe.url}/v1/tax_rates", timeout=30).raise_for_status()
                count += 1
        return count

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(ask, range(8))) / seconds
