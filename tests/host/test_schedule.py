"""The threads that run scheduled jobs, and the jobs that `serve` schedules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import KEY, LINK, a_quote
from qwoty_integrations_host.maintenance.scheduler import Job, Schedule
from stripe_simulator import StripeSimulator

HOST = Path(sys.executable).parent / "qwoty-host"


def test_the_schedule_runs_its_job_at_once_and_again_after_an_error() -> None:
    looks: list[int] = []
    enough = threading.Event()

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            raise RuntimeError("the database was locked")
        enough.set()

    schedule = Schedule([Job("look", look, 0.01)])
    schedule.start()
    schedule.start()

    assert enough.wait(5)
    schedule.stop()
    seen = len(looks)
    time.sleep(0.05)
    assert len(looks) == seen


def test_a_schedule_that_never_started_can_be_stopped() -> None:
    Schedule([Job("look", lambda: None, 1.0)]).stop()


def test_a_job_that_hangs_or_fails_does_not_stop_the_others() -> None:
    done = {name: threading.Event() for name in ("often", "once")}
    counts = {"often": 0, "once": 0}
    go_on = threading.Event()

    def count(name: str, enough: int) -> None:
        counts[name] += 1
        if counts[name] == enough:
            done[name].set()

    def hang() -> None:
        go_on.wait(5)

    def fail() -> None:
        raise RuntimeError("the disk was full")

    schedule = Schedule(
        [
            Job("hangs", hang, 0.01),
            Job("fails", fail, 0.01),
            Job("once", lambda: count("once", 1), None),
            Job("often", lambda: count("often", 3), 0.01),
        ]
    )
    schedule.start()

    assert all(event.wait(5) for event in done.values())
    go_on.set()
    schedule.stop()
    assert counts["once"] == 1


def _host(env: dict[str, str], *words: str | Path, given: str | None = None) -> Any:
    done = subprocess.run([HOST, *words], input=given, env=env, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.fixture
def env(stripe_simulator: StripeSimulator, tmp_path: Path) -> dict[str, str]:
    """The environment of a host that webhooks cannot reach."""
    return {
        **os.environ,
        "QWOTY_HOST_DATA_DIR": str(tmp_path / "data"),
        "QWOTY_STRIPE_API_BASE": stripe_simulator.url,
        "QWOTY_HOST_PUBLIC_URL": "http://127.0.0.1:9",
    }


def _invoice(env: dict[str, str], quote: dict[str, Any], **settings: Any) -> None:
    """Enable Stripe Invoice with payment links, and let it invoice a quote."""
    _host(env, "workspace", "add", "ws-1")
    given = json.dumps({"workspace_api_token": KEY, **LINK, **settings})
    _host(env, "settings", "set", "ws-1", "stripe_invoice", "--file", "-", given=given)
    _host(env, "enable", "ws-1", "stripe_invoice")
    _host(env, "accept", "ws-1", "-", "--wait", given=json.dumps(quote))


def _serve_until(env: dict[str, str], done: Callable[[], object]) -> None:
    server = subprocess.Popen([HOST, "serve", "--port", "0"], env=env, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not done():
            assert time.monotonic() < deadline and server.poll() is None, "the expected effect did not occur"
            time.sleep(0.05)
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_serve_sends_the_installment_that_is_due(
    stripe_simulator: StripeSimulator, env: dict[str, str], tmp_path: Path
) -> None:
    # The first installment is below Stripe's minimum, so it gets no link that would delay the second.
    _invoice(env, a_quote(installments=["0.1", "99.9"]), send_next_installments="on_due_date")
    outbox = tmp_path / "data" / "outbox"
    assert not list(outbox.glob("*.eml"))

    _serve_until(env, lambda: list(outbox.glob("*.eml")))

    (session,) = stripe_simulator.objects("sessions")
    assert session["amount_total"] == 11988


def test_serve_finds_payments_that_were_made_while_it_was_down(
    stripe_simulator: StripeSimulator, env: dict[str, str]
) -> None:
    _invoice(env, a_quote(installments=2))
    stripe_simulator.pay(stripe_simulator.objects("sessions")[0]["id"])

    _serve_until(env, lambda: stripe_simulator.objects("invoices")[0]["amount_paid"])

    shown = json.loads(_host(env, "quote", "show", "ws-1", "q-7", "--json"))
    assert shown["amount_paid"] == "60.00"
