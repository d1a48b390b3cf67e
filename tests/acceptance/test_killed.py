"""kill -9 in the middle of a run, then start again: nothing is lost and nothing doubled.

A handful of moments, chosen by how many requests Stripe has seen; the harness for all of them comes later.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from builders import KEY, the_example
from stripe_simulator import StripeSimulator

HOST = Path(sys.executable).parent / "qwoty-host"
SETTINGS = {"workspace_api_token": KEY, "invoice_status": "open", "send_payment_link": True}


def _host(env: dict[str, str], *words: str | Path, given: str | None = None) -> Any:
    done = subprocess.run(
        [HOST, *words, "--json"], input=given, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.mark.parametrize("requests_seen", [1, 4, 7, 9, 10], ids=lambda n: f"killed_at_request_{n}")
def test_a_killed_run_is_finished_by_the_next_start(
    requests_seen: int, stripe_simulator: StripeSimulator, tmp_path: Path
) -> None:
    env = {
        **os.environ,
        "QWOTY_HOST_DATA_DIR": str(tmp_path / "data"),
        "QWOTY_STRIPE_API_BASE": stripe_simulator.url,
        "QWOTY_HOST_PUBLIC_URL": "http://127.0.0.1:9",
    }
    quote = tmp_path / "quote.json"
    quote.write_text(json.dumps(the_example()))
    _host(env, "workspace", "add", "ws-1")
    _host(env, "settings", "set", "ws-1", "stripe_invoice", "--file", "-", given=json.dumps(SETTINGS))
    _host(env, "enable", "ws-1", "stripe_invoice")
    stripe_simulator.config.update(latency_ms=150)

    victim = subprocess.Popen([HOST, "accept", "ws-1", str(quote), "--wait"], env=env, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while len(stripe_simulator.requests) < requests_seen:
        assert time.monotonic() < deadline and victim.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    stripe_simulator.config.update(latency_ms=0)

    again = _host(env, "accept", "ws-1", quote, "--wait")

    (run,) = again["runs"]
    assert again["duplicate"] and run["status"] == "succeeded", run
    assert run["outcome"]["total"] == "9102.00"
    kinds = ("customers", "tax_rates", "invoices", "sessions", "endpoints")
    assert {kind: len(stripe_simulator.objects(kind)) for kind in kinds} == dict.fromkeys(kinds, 1)
    (invoice,) = stripe_simulator.objects("invoices")
    assert [line["amount"] for line in invoice["lines"]["data"]] == [780000, -78000, 76500, -20000]
    assert invoice["status"] == "open"
    assert len(list((tmp_path / "data" / "outbox").glob("*.eml"))) == 1
