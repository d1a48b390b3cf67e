"""The processes of a host on one or several machines. A test starts, kills and replaces them; they end with the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from qwoty_integrations_host.clock import SystemClock
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.inline import InlineEngine
from qwoty_integrations_host.host import Host, create_host
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.store.workspaces import add_workspace

#: The command line of the code that is first on the path.
CLI = "import sys; from qwoty_integrations_host.cli import entry; sys.argv[0] = 'qwoty-host'; entry()"


@dataclass
class Process:
    """One long-running ``qwoty-host`` process, and its output."""

    popen: subprocess.Popen[bytes]
    log: Path

    def says(self, words: str) -> bool:
        return words in self.log.read_text("utf-8")

    def wait_until_it_says(self, words: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.says(words):
            assert self.popen.poll() is None and time.monotonic() < deadline, self.log.read_text("utf-8")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the process as a power cut does."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """Stop the process with SIGTERM, and return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)


@dataclass
class Fleet:
    """Any number of processes on one database. The ``observer`` only reads it."""

    folder: Path
    stripe_url: str
    database: str | None = None
    smtp_port: int | None = None
    processes: list[Process] = field(default_factory=list)
    api_keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def env(self) -> dict[str, str]:
        ours = {
            "QWOTY_HOST_DATA_DIR": str(self.data_dir),
            "QWOTY_HOST_PUBLIC_URL": self.url,
            "QWOTY_STRIPE_API_BASE": self.stripe_url,
        }
        if self.database:
            ours["QWOTY_HOST_DATABASE_URL"] = self.database
        if self.smtp_port:
            ours |= {
                "QWOTY_HOST_SMTP_URL": f"smtp://127.0.0.1:{self.smtp_port}?tls=none",
                "QWOTY_HOST_MAIL_FROM": "s@s.example",
            }
        return {**os.environ, **ours}

    def observer(self) -> Host:
        """A host on the fleet's database, in this process; the caller closes it."""
        config = HostConfig.from_environment(self.env)
        return create_host(config, engine=lambda _: InlineEngine(), clock=SystemClock())

    def add_workspaces(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Add workspaces with Stripe Invoice enabled under these settings, each with an API key."""
        host = self.observer()
        for workspace, given in settings.items():
            with host.store.write() as db:
                add_workspace(db, workspace, host.clock.now())
                self.api_keys[workspace] = create_api_key(db, workspace, host.clock.now())
            host.settings.save(workspace, "stripe_invoice", dict(given))
            host.settings.enable(workspace, "stripe_invoice")
        host.close()

    def start(self, *words: str, code: Path | None = None, **variables: str) -> Process:
        """Start a long-running process. Modules in the folder ``code`` take precedence over the installed ones."""
        log = self.folder / f"process-{len(self.processes)}.log"
        env = {**self._env_of(code), **variables}
        with log.open("wb") as out:
            # Python looks for modules in the working directory first: it must not be this repository.
            popen = subprocess.Popen(
                [sys.executable, "-c", CLI, *words], env=env, cwd=self.folder, stdout=out, stderr=out
            )
        self.processes.append(Process(popen, log))
        return self.processes[-1]

    def worker(self, *, code: Path | None = None) -> Process:
        found = self.start("worker", code=code)
        found.wait_until_it_says("Working")
        return found

    def serve(self, *options: str, code: Path | None = None, **variables: str) -> Process:
        found = self.start("serve", "--port", str(self.port), *options, code=code, **variables)
        found.wait_until_it_says("Listening")
        return found

    def _env_of(self, code: Path | None) -> dict[str, str]:
        return {**self.env, "PYTHONPATH": str(code)} if code else self.env

    def run(self, *words: str, code: Path | None = None, given: str | None = None) -> str:
        """Run a command to its end, and return its output."""
        done = subprocess.run(
            [sys.executable, "-c", CLI, *words],
            env=self._env_of(code),
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def accept(self, workspace: str, quote: Mapping[str, Any]) -> None:
        """Report an accepted quote to the host over HTTP."""
        answer = requests.post(
            f"{self.url}/v1/workspaces/{workspace}/quotes/accepted",
            json=quote,
            headers={"Authorization": f"Bearer {self.api_keys[workspace]}"},
            timeout=30,
        )
        assert answer.status_code in {200, 202}, answer.text

    def end(self) -> None:
        for process in self.processes:
            if process.popen.poll() is None:
                process.kill()


def until(
    done: Callable[[], bool], state: Callable[[], object], *, seconds: float, meanwhile: Callable[[], object] = bool
) -> float:
    """Wait, and return how long it took. ``meanwhile`` is called repeatedly, and ``state`` after a timeout."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() < began + seconds, state()
        meanwhile()
        time.sleep(0.1)
    return time.monotonic() - began
