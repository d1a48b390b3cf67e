"""Two workers on one PostgreSQL: one is killed in the middle of a request, the other finishes the run.

tests/crash covers every other moment. Here Stripe is still working on the dead worker's request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from builders import KEY, LINK, the_example
from stripe_simulator import StripeSimulator

HOST = Path(sys.executable).parent / "qwoty-host"


@pytest.fixture
def env(stripe_simulator: StripeSimulator, postgresql: str, tmp_path: Path) -> dict[str, str]:
    found = {
        **os.environ,
        "QWOTY_HOST_DATA_DIR": str(tmp_path / "data"),
        "QWOTY_HOST_DATABASE_URL": postgresql,
        "QWOTY_STRIPE_API_BASE": stripe_simulator.url,
        "QWOTY_HOST_PUBLIC_URL": "http://127.0.0.1:9",
    }
    _host(found, "workspace", "add", "ws-1")
    settings = json.dumps({"workspace_api_token": KEY, **LINK})
    _host(found, "settings", "set", "ws-1", "stripe_invoice", "--file", "-", given=settings)
    _host(found, "enable", "ws-1", "stripe_invoice")
    return found


def _host(env: dict[str, str], *words: str | Path, given: str | None = None) -> Any:
    done = subprocess.run(
        [HOST, *words, "--json"], input=given, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@contextmanager
def _worker(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([HOST, "worker"], env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        assert "Working" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _until(done: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def _accept(env: dict[str, str], folder: Path, **changes: Any) -> str:
    quote = folder / f"{changes.get('id', 'q')}.json"
    quote.write_text(json.dumps(the_example(**changes)))
    (run,) = _host(env, "accept", "ws-1", quote)["runs"]
    return str(run["id"])


def test_another_worker_finishes_the_run_of_a_killed_one_within_five_seconds(
    stripe_simulator: StripeSimulator, env: dict[str, str], tmp_path: Path
) -> None:
    stripe_simulator.config.update(latency_ms=150)
    with _worker(env) as victim:
        run_id = _accept(env, tmp_path)
        # The draft exists, and the request for its lines is on its way.
        _until(lambda: len(stripe_simulator.requests) >= 8, "the run did not get so far")
        # The next request hangs until the other worker runs; Stripe answers it when its sender is dead.
        stripe_simulator.config.update(latency_ms=4000)
        with _worker(env):
            victim.kill()
            stripe_simulator.config.update(latency_ms=20)
            died, seen = time.monotonic(), len(stripe_simulator.requests)
            _until(lambda: len(stripe_simulator.requests) > seen + 1, "nobody took over")
            took = time.monotonic() - died
            _until(lambda: _host(env, "run", "show", run_id)["status"] == "succeeded", "the run did not end")

    assert took < 5.0
    kinds = ("customers", "tax_rates", "invoices", "sessions", "endpoints")
    assert {kind: len(stripe_simulator.objects(kind)) for kind in kinds} == dict.fromkeys(kinds, 1)
    (invoice,) = stripe_simulator.objects("invoices")
    assert [line["amount"] for line in invoice["lines"]["data"]] == [780000, -78000, 76500, -20000]
    assert (invoice["status"], invoice["total"]) == ("open", 910200)
    assert len(list((tmp_path / "data" / "outbox").glob("*.eml"))) == 1


def test_a_worker_that_is_stopped_gives_its_run_back(
    stripe_simulator: StripeSimulator, env: dict[str, str], tmp_path: Path
) -> None:
    stripe_simulator.config.update(latency_ms=300)
    with _worker(env) as first:
        run_id = _accept(env, tmp_path)
        _until(lambda: len(stripe_simulator.requests) >= 3, "the run did not begin")
        first.terminate()
        assert first.wait(timeout=20) == 0
    stripe_simulator.config.update(latency_ms=0)

    with _worker(env):
        _until(lambda: _host(env, "run", "show", run_id)["status"] == "succeeded", "the run did not end")

    found = _host(env, "run", "show", run_id)
    assert {step["attempts"] for step in found["steps"]} == {1}, "the worker ended its step before it stopped"
    assert len(stripe_simulator.objects("invoices")) == 1


def test_two_workers_create_one_customer_for_a_new_contact(
    stripe_simulator: StripeSimulator, env: dict[str, str], tmp_path: Path
) -> None:
    stripe_simulator.config.update(latency_ms=50)
    with _worker(env), _worker(env):
        runs = [_accept(env, tmp_path, id=f"q-{n}") for n in range(6)]
        _until(
            lambda: all(_host(env, "run", "show", run)["status"] == "succeeded" for run in runs), "not all ended", 60
        )

    counts = {kind: len(stripe_simulator.objects(kind)) for kind in ("customers", "tax_rates", "endpoints", "invoices")}
    assert counts == {"customers": 1, "tax_rates": 1, "endpoints": 1, "invoices": 6}
