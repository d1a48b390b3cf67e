"""The thread that looks at the calendar."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from builders import KEY, LINK, a_quote
from qwoty_integrations_host.schedule import Schedule
from stripe_simulator import StripeSimulator

HOST = Path(sys.executable).parent / "qwoty-host"


def test_it_looks_at_once_and_again_whatever_happened_the_first_time() -> None:
    looks: list[int] = []
    enough = threading.Event()

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            raise RuntimeError("the database was locked")
        enough.set()

    schedule = Schedule(look, every=0.01)
    schedule.start()
    schedule.start()

    assert enough.wait(5)
    schedule.stop()
    seen = len(looks)
    time.sleep(0.05)
    assert len(looks) == seen


def test_one_that_never_started_can_be_stopped() -> None:
    Schedule(lambda: None).stop()


def _host(env: dict[str, str], *words: str | Path, given: str | None = None) -> Any:
    done = subprocess.run([HOST, *words], input=given, env=env, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_serve_sends_what_is_due(stripe_simulator: StripeSimulator, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "QWOTY_HOST_DATA_DIR": str(tmp_path / "data"),
        "QWOTY_STRIPE_API_BASE": stripe_simulator.url,
        "QWOTY_HOST_PUBLIC_URL": "http://127.0.0.1:9",
    }
    settings = {"workspace_api_token": KEY, **LINK, "send_next_installments": "on_due_date"}
    quote = tmp_path / "quote.json"
    # The first part is below what Stripe takes, so no link of it stands in the way.
    quote.write_text(json.dumps(a_quote(installments=["0.1", "99.9"])))
    _host(env, "workspace", "add", "ws-1")
    _host(env, "settings", "set", "ws-1", "stripe_invoice", "--file", "-", given=json.dumps(settings))
    _host(env, "enable", "ws-1", "stripe_invoice")
    _host(env, "accept", "ws-1", quote, "--wait")
    outbox = tmp_path / "data" / "outbox"
    assert not list(outbox.glob("*.eml"))

    server = subprocess.Popen([HOST, "serve", "--port", "0"], env=env, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not list(outbox.glob("*.eml")):
            assert time.monotonic() < deadline and server.poll() is None, "nothing was sent"
            time.sleep(0.05)
    finally:
        server.terminate()
        server.wait(timeout=30)
    (session,) = stripe_simulator.objects("sessions")
    assert session["amount_total"] == 11988
