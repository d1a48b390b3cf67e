"""The bench of the tests: a real host on a real SQLite database, and the simulator over real HTTP.

The inline engine works runs in the calling thread, and sleeping moves the clock, so no test waits.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from werkzeug.serving import make_server

from builders import KEY
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.store import deferred_writes
from qwoty_integrations_host.testing import Workbench
from qwoty_integrations_host.testing.workbench import build_host
from qwoty_integrations_host.web.app import create_app
from stripe_simulator import StripeSimulator

pytest_plugins = ["postgresql", "mail_server", "crash.report", "pytester"]

# The same examples on every machine and in every run, however slow it is.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True)
hypothesis.settings.load_profile("house")

# On a slow machine a run would commit more often, and tests count commits. Those of this one wait for no clock.
deferred_writes.LONGEST_WAIT = math.inf


@dataclass
class Bench(Workbench):
    """A host with Stripe Invoice, served over HTTP, and the Stripe simulator that it calls."""

    stripe: StripeSimulator
    url: str

    def enable(self, workspace: str = "ws-1", **settings: Any) -> None:
        """Save settings of Stripe Invoice (with the usual key unless given) and enable it."""
        self.set_up("stripe_invoice", {"workspace_api_token": KEY, **settings}, workspace)

    def send_installment(
        self, quote_id: str, number: int | None = None, workspace: str = "ws-1", *, look_first: bool = False
    ) -> dict[str, Any]:
        run_id = self.host.runs.installments.request(workspace, quote_id, number, look_first=look_first)
        self.work()
        return self.run(run_id)

    def webhooks(self) -> None:
        """Let the simulator deliver its events, then work the runs that follow."""
        self.stripe.deliver()
        self.work()
        # These runs may have caused further events.
        while self.stripe.wait_for_webhooks(10.0) and self.engine._next_due() is not None:
            self.work()

    def pay(self, session_id: str) -> None:
        """The customer pays a link, Stripe sends its event, and the host works it."""
        self.stripe.pay(session_id)
        self.webhooks()

    def mails(self) -> list[Path]:
        return sorted((self.host.config.data_dir / "outbox").glob("*.eml"))

    def posts(self, prefix: str = "/v1/") -> list[str]:
        return [r.path for r in self.stripe.requests if r.method == "POST" and r.path.startswith(prefix)]


@pytest.fixture
def bench(
    tmp_path: Path,
    clock: ManualClock,
    stripe_simulator: StripeSimulator,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    host_config: dict[str, Any],
) -> Iterator[Bench]:
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", stripe_simulator.url)
    server = make_server("127.0.0.1", 0, Flask("not yet"), threaded=True)
    # The server waits for its threads at the end, so that none outlives the database.
    server.daemon_threads = False  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{server.server_port}"
    shared = request.getfixturevalue("postgresql") if request.config.getoption("--database") == "postgresql" else None
    host = build_host(tmp_path / "data", clock, public_url=url, shared_database=shared, **host_config)
    server.app = create_app(host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    assert host.start_worker()
    yield Bench(host, clock, stripe_simulator, url)
    server.shutdown()
    thread.join()
    server.server_close()
    host.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("stripe", "how the cassettes' tests meet Stripe (tests/cassettes/README.md)")
    group.addoption(
        "--stripe", choices=("cassette", "simulated", "live"), default="cassette", help="cassette is the default"
    )
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="what the bench works on")
    parser.addoption("--screenshots", action="store_true", help="take the pictures of docs/console anew")
    parser.addoption("--fleet", action="store_true", help="the load of 200 quotes too, which takes minutes")
    group.addoption("--pay-by-hand", action="store_true", help="with --stripe=live: wait for you to pay the links")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--fleet"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("fleet")])
        items[:] = [item for item in items if not item.get_closest_marker("fleet")]


def pytest_xdist_auto_num_workers() -> int:
    """Twice the cores, because the long tests mostly wait for processes to start and die, and for time to pass."""
    return 2 * (os.cpu_count() or 1)
