"""Which WSGI server stands at the door: intake, CPU per request, and answers while others hold on to it (ADR 0074).

``python -m benchmarks.servers [NAME …]`` prints a line for each server that is installed, medians of several rounds.
Beside the host's own server, the others are not among its dependencies: install those that are to be compared.
The door: ten tests of connections at a service that takes five seconds, 100 connections that say nothing, 50 whose
headers and 50 whose bodies never end; then health, quotes and webhooks are asked for, one after another.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.host import create_host
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.store.workspaces import add_workspace

from .quotes import DRAFT, a_quote
from .rows import percentile
from .sender import _event, _signed
from .site import free_port, reachable, simulator

WORKSPACES = [f"ws-{number}" for number in range(10)]
TOKEN, SECRET = "token-of-the-benchmark-0001", "whsec_OfTheBenchmark0001"
HOOK = f"/webhooks/stripe_invoice/ws-0/{TOKEN}"
THREADS, CONNECTIONS = 8, 16


# -- the servers -----------------------------------------------------------------------------------------------


def make_app() -> Any:
    """The host's application, in a process that works no runs."""
    from qwoty_integrations_host.web.app import create_app

    return create_app(create_host(HostConfig.from_environment()))


def _ours(port: int) -> None:
    from qwoty_integrations_host.web.server import create_server

    create_server(make_app(), "127.0.0.1", port).run()


def _waitress_as_it_comes(port: int) -> None:
    from waitress import serve

    serve(make_app(), host="127.0.0.1", port=port, threads=THREADS)


def _cheroot(port: int) -> None:
    from cheroot.wsgi import Server

    Server(("127.0.0.1", port), make_app(), numthreads=THREADS, request_queue_size=100).start()


def _gunicorn(port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self) -> None:
            given = {"bind": f"127.0.0.1:{port}", "workers": 1, "worker_class": "gthread", "threads": THREADS}
            for name, value in given.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return make_app()

    Application().run()


def _granian(port: int) -> None:
    from granian.server import Server

    target, where = "benchmarks.servers:make_app", {"address": "127.0.0.1", "port": port}
    Server(target, **where, interface="wsgi", factory=True, blocking_threads=THREADS, log_enabled=False).serve()


def _uvicorn(port: int) -> None:
    import uvicorn
    from a2wsgi import WSGIMiddleware

    uvicorn.run(WSGIMiddleware(make_app(), workers=THREADS), port=port, access_log=False, log_level="error")


def _hypercorn(port: int) -> None:
    import asyncio

    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind, config.accesslog = [f"127.0.0.1:{port}"], None

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        await serve(make_app(), config, mode="wsgi")

    asyncio.run(run())


#: Each with the module that must be there.
SERVERS: dict[str, tuple[str, Callable[[int], None]]] = {
    "the host's": ("waitress", _ours),
    "waitress as it comes": ("waitress", _waitress_as_it_comes),
    "cheroot": ("cheroot", _cheroot),
    "gunicorn gthread": ("gunicorn", _gunicorn),
    "granian": ("granian", _granian),
    "uvicorn + a2wsgi": ("a2wsgi", _uvicorn),
    "hypercorn": ("hypercorn", _hypercorn),
}


@contextmanager
def _serving(name: str, env: dict[str, str], stripe: str) -> Iterator[tuple[str, dict[str, str], int]]:
    """A server of its own process on a new database: its address, an API key of each workspace, its process."""
    with tempfile.TemporaryDirectory(prefix="qwoty-door-") as folder:
        env = {**env, "QWOTY_HOST_DATA_DIR": str(Path(folder) / "data"), "QWOTY_STRIPE_API_BASE": stripe}
        keys = _set_up(env)
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.servers", "--serve", name, str(port)]
        with (Path(folder) / "log").open("w") as log:
            popen = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            reachable(f"http://127.0.0.1:{port}/health/ready")
            yield f"http://127.0.0.1:{port}", keys, popen.pid
        finally:
            popen.terminate()
            try:
                popen.wait(15)
            except subprocess.TimeoutExpired:
                popen.kill()


def _set_up(env: dict[str, str]) -> dict[str, str]:
    host, keys = create_host(HostConfig.from_environment(env)), {}
    try:
        for workspace in WORKSPACES:
            with host.store.write() as db:
                add_workspace(db, workspace, host.clock.now())
                keys[workspace] = create_api_key(db, workspace, host.clock.now())
            host.settings.save(workspace, "stripe_invoice", dict(DRAFT))
            host.settings.enable(workspace, "stripe_invoice")
        host.integrations.contexts.make("ws-0", "stripe_invoice", {}).secrets.set(f"webhook:{TOKEN}", SECRET)
    finally:
        host.close()
    return keys


# -- what is asked ---------------------------------------------------------------------------------------------


def _quote(line: HTTPConnection, key: str) -> int:
    body, headers = json.dumps(a_quote(f"q-{uuid4().hex}", lines=5)), {"Authorization": f"Bearer {key}"}
    line.request("POST", "/v1/workspaces/ws-0/quotes/accepted", body, headers)
    return _status(line)


def _webhook(line: HTTPConnection, _key: str) -> int:
    body = _event("q-of-nobody")
    line.request("POST", HOOK, body, {"Stripe-Signature": _signed(body, SECRET)})
    return _status(line)


def _live(line: HTTPConnection, _key: str) -> int:
    line.request("GET", "/health/live")
    return _status(line)


def _status(line: HTTPConnection) -> int:
    answer = line.getresponse()
    answer.read()
    return answer.status


KINDS = {"live": (_live, 200), "quotes": (_quote, 202), "webhooks": (_webhook, 200)}


def _send(url: str, key: str, kind: str, seconds: float) -> None:
    """Ask on several connections and print the milliseconds of each answer."""
    ask, expected = KINDS[kind]
    until = time.monotonic() + seconds

    def send(_: int) -> list[float]:
        took, line = [], HTTPConnection(urlsplit(url).netloc, timeout=60)
        for _number in count():
            if time.monotonic() > until:
                return took
            began = time.perf_counter()
            if (status := ask(line, key)) != expected:
                raise RuntimeError(f"{kind} was answered with {status}")
            took.append((time.perf_counter() - began) * 1000)
        raise AssertionError

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        print(json.dumps([ms for took in pool.map(send, range(CONNECTIONS)) for ms in took]))


def _intake(url: str, key: str, kind: str, pid: int, seconds: float) -> tuple[float, float, float]:
    """Answers per second, CPU milliseconds of each, and their 99th percentile."""
    command, before = [sys.executable, "-m", "benchmarks.servers", "--send", url, key, kind, str(seconds)], _cpu(pid)
    took = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return len(took) / seconds, 1000 * (_cpu(pid) - before) / len(took), percentile(took, 99)


def _cpu(pid: int) -> float:
    """Seconds of a process and of what it started."""
    total, tick = 0.0, os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text("utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[3]) == pid:  # the session that it leads
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


# -- the door --------------------------------------------------------------------------------------------------


@contextmanager
def _held(url: str) -> Iterator[None]:
    """Connections that say nothing, or never end what they say."""
    place, started = urlsplit(url), b"POST /webhooks/stripe_invoice/ws-0/x HTTP/1.1\r\nHost: h\r\n"
    said = [b""] * 100 + [started] * 50 + [started + b"Content-Length: 1000\r\n\r\n{"] * 50
    with ExitStack() as lines:
        for words in said:
            line = lines.enter_context(socket.create_connection((place.hostname, place.port), 10))
            line.sendall(words)
        time.sleep(1)  # until the server has taken them
        yield


def _door(url: str, keys: dict[str, str]) -> dict[str, float | str]:
    """The slowest of ten answers of each kind, in milliseconds; what was not answered within ten seconds, so."""
    with _held(url), ThreadPoolExecutor(len(WORKSPACES)) as pool:
        for workspace in WORKSPACES:
            pool.submit(_test, url, workspace, keys[workspace])
        time.sleep(0.5)  # until they have begun
        return {kind: _slowest(url, keys["ws-0"], kind) for kind in KINDS}


def _test(url: str, workspace: str, key: str) -> int:
    line = HTTPConnection(urlsplit(url).netloc, timeout=60)
    path = f"/v1/workspaces/{workspace}/plugins/stripe_invoice/connection/test"
    line.request("POST", path, b"", {"Authorization": f"Bearer {key}"})
    return _status(line)


def _slowest(url: str, key: str, kind: str) -> float | str:
    ask, expected = KINDS[kind]
    slowest = 0.0
    for _ in range(10):
        began = time.perf_counter()
        try:
            if (status := ask(HTTPConnection(urlsplit(url).netloc, timeout=10), key)) != expected:
                return f"HTTP {status}"
        except (OSError, HTTPException):
            return "no answer"
        slowest = max(slowest, (time.perf_counter() - began) * 1000)
    return slowest


def measure(names: list[str], *, seconds: float = 3.0, times: int = 3) -> None:
    """Print a line for each server."""
    with simulator(5000) as slow:
        for name in names:
            found: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
            with _serving(name, dict(os.environ), slow.url) as (url, keys, pid):
                for kind in KINDS:
                    _intake(url, keys["ws-0"], kind, pid, 1.0)
                for _ in range(times):
                    for kind in KINDS:
                        found[kind].append(_intake(url, keys["ws-0"], kind, pid, seconds))
                door = _door(url, keys)
            print(f"{name}  (load {os.getloadavg()[0]:.1f})")
            for kind, rounds in found.items():
                rate, cpu, p99 = (median(one[place] for one in rounds) for place in range(3))
                at_the_door = door[kind] if isinstance(door[kind], str) else f"{door[kind]:.0f} ms"
                print(f"  {kind:9} {rate:6.0f}/s  {cpu:5.2f} ms CPU  99 % {p99:6.1f} ms  at the door {at_the_door}")


def main() -> None:
    """See the module."""
    words = sys.argv[1:]
    if words[:1] == ["--serve"]:
        SERVERS[words[1]][1](int(words[2]))
    elif words[:1] == ["--send"]:
        _send(words[1], words[2], words[3], float(words[4]))
    else:
        measure(words or [name for name, (module, _) in SERVERS.items() if find_spec(module)])


if __name__ == "__main__":
    main()
