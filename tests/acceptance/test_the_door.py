"""Neither tests of a slow service nor held connections block the HTTP server. The tests use a process and real sockets.

The service answers only when the test releases it, so no earlier answer of the host can have waited for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import requests

from builders import KEY, a_quote
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.no_engine import NoEngine
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.store.workspaces import add_workspace

TOKEN, SECRET = "token-of-the-webhook-0001", "whsec_OfTheTest00000001"
HOOK = f"/webhooks/stripe_invoice/ws-0/{TOKEN}"
WORKSPACES = [f"ws-{number}" for number in range(10)]
#: Seconds that an answer may take on a machine that is busy with other tests. The targets apply to the fastest of several.
PATIENCE = 30.0
TESTS, HALF_A_HEADER = "plugins/stripe_invoice/connection/test", b"POST /webhooks/a/b/c HTTP/1.1\r\nHost: h\r\n"


class SlowService:
    """Receives every request, and answers none until it is released."""

    def __init__(self) -> None:
        asked, released = Queue[str](), threading.Event()
        self.asked, self.released = asked, released

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.put(self.path)
                released.wait()
                body = b'{"error": {"type": "invalid_request_error", "message": "No such key."}}'
                self.send_response(401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Ignore errors, because the client may be gone."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[SlowService]:
    found = SlowService()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.released.set()
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@dataclass
class Served:
    """A `serve` process, and the keys of its workspaces."""

    env: dict[str, str]
    port: int
    popen: subprocess.Popen[bytes]
    keys: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, workspace: str = "ws-0", **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.keys[workspace]}"}
        where = path if path.startswith("/") else f"/v1/workspaces/{workspace}/{path}"
        return requests.request(
            method, f"http://127.0.0.1:{self.port}{where}", headers=headers, timeout=PATIENCE, **given
        )

    def hook(self, number: int) -> requests.Response:
        """Send a signed event as Stripe does."""
        body, now = (
            json.dumps({"id": f"evt_{number}", "object": "event", "type": "x", "data": {"object": {}}}),
            int(time.time()),
        )
        digest = hmac.new(SECRET.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={now},v1={digest}"}
        return requests.post(f"http://127.0.0.1:{self.port}{HOOK}", body, headers=headers, timeout=PATIENCE)

    def stop(self) -> int:
        self.popen.terminate()
        return self.popen.wait(PATIENCE)


@contextmanager
def looked_into(env: dict[str, str]) -> Iterator[Host]:
    host = create_host(HostConfig.from_environment(env), engine=NoEngine)
    yield host
    host.close()


@pytest.fixture
def served(tmp_path: Path, service: SlowService) -> Iterator[Served]:
    env = {**os.environ, "QWOTY_HOST_DATA_DIR": str(tmp_path / "data"), "QWOTY_STRIPE_API_BASE": service.url}
    keys = {}
    with looked_into(env) as host:
        for workspace in WORKSPACES:
            with host.store.write() as db:
                add_workspace(db, workspace, host.clock.now())
                keys[workspace] = create_api_key(db, workspace, host.clock.now())
            host.settings.save(workspace, "stripe_invoice", {"workspace_api_token": KEY})
            host.settings.enable(workspace, "stripe_invoice")
        host.integrations.contexts.make("ws-0", "stripe_invoice", {}).secrets.set(f"webhook:{TOKEN}", SECRET)
    program = Path(sys.executable).with_name("qwoty-host")
    command = [program, "serve", "--no-worker", "--port", "0"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE) as popen:
        assert popen.stderr is not None
        log = threading.Thread(target=popen.stderr.read)
        try:
            while not (line := popen.stderr.readline()).startswith(b"Listening"):
                assert line, "the server did not start"
            log.start()  # read its output, so that the pipe does not fill up
            yield Served(env, int(re.findall(rb":(\d+)", line)[0]), popen, keys)
        finally:
            popen.kill()
            log.join()


def begin_ten_tests(served: Served, service: SlowService) -> list[str]:
    """Start a test in each workspace, wait until the service got a request from each, and return the tests' addresses."""
    begun = [served.ask("POST", TESTS, workspace) for workspace in WORKSPACES]
    assert {answer.status_code for answer in begun} == {202}
    for _ in WORKSPACES:
        service.asked.get(timeout=PATIENCE)
    return [answer.headers["Location"] for answer in begun]


@contextmanager
def held(port: int, *, silent: int, half_headers: int = 0, half_bodies: int = 0) -> Iterator[None]:
    """Hold connections that send nothing, or that never finish their headers or bodies."""
    half_a_body = HALF_A_HEADER + b"Content-Length: 1000\r\n\r\n{"
    with ExitStack() as lines:
        for words in (*[b""] * silent, *[HALF_A_HEADER] * half_headers, *[half_a_body] * half_bodies):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            line.sendall(words)
        yield


def fastest(ask: Any) -> float:
    """The seconds of the fastest of several answers."""
    took = []
    for number in range(5):
        began = time.perf_counter()
        assert ask(number).ok
        took.append(time.perf_counter() - began)
    return min(took)


def test_slow_tests_and_two_hundred_held_connections_do_not_delay_other_requests(
    served: Served, service: SlowService
) -> None:
    with held(served.port, silent=100, half_headers=50, half_bodies=50):
        places = begin_ten_tests(served, service)

        live = fastest(lambda _: served.ask("GET", "/health/live"))
        quotes = fastest(lambda n: served.ask("POST", "quotes/accepted", json=a_quote(id=f"q-{n}")))
        webhooks = fastest(served.hook)
        console = fastest(lambda _: served.ask("GET", "/console/login"))

        assert [served.ask("GET", place, f"ws-{n}").json()["status"] for n, place in enumerate(places)] == [
            "running"
        ] * 10
    assert not service.released.is_set()
    assert live < 0.5 and max(quotes, webhooks, console) < 2

    service.released.set()
    ended = [wait_for(served, place, workspace) for place, workspace in zip(places, WORKSPACES, strict=True)]
    assert [found["status"] for found in ended] == ["succeeded"] * 10
    assert served.ask("GET", "plugins/stripe_invoice/connection").json()["status"] == "needs_attention"


def wait_for(served: Served, place: str, workspace: str) -> dict[str, Any]:
    """Wait for the result of a test whose service was released."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found: dict[str, Any] = served.ask("GET", place, workspace).json()
        if found["status"] != "running":
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_held_connections_always_leave_room_for_requests(served: Served) -> None:
    with held(served.port, silent=300, half_headers=150, half_bodies=150):
        assert fastest(lambda _: served.ask("GET", "/health/live")) < 0.5
        assert fastest(lambda n: served.ask("POST", "quotes/accepted", json=a_quote(id=f"q-{n}"))) < 2


def test_a_server_stopped_during_a_test_ends_at_once_and_marks_the_test_as_lost(
    served: Served, service: SlowService
) -> None:
    settings = {"workspace_api_token": KEY.replace("51", "52")}
    answer = served.ask("PUT", "plugins/stripe_invoice/settings", json=settings)
    service.asked.get(timeout=PATIENCE)

    assert served.stop() == 0

    with looked_into(served.env) as host:
        assert host.inquiries.find("ws-0", answer.json()["id"])["status"] == "lost"
        assert host.settings.effective("ws-0", "stripe_invoice")["workspace_api_token"] == KEY
