"""The processes of a host on one machine or several: started, killed and replaced by a test, ended at its end."""

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

#: The command line, whichever code is first on the path.
CLI = "import sys; from qwoty_integrations_host.cli import entry; sys.argv[0] = 'qwoty-host'; entry()"


@dataclass
class Process:
    """One ``qwoty-host`` process that stays, and what it says."""

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
        """As a power cut does."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """In good order (SIGTERM); gives its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)


@dataclass
class Fleet:
    """Any number of processes on one database; ``observer`` looks into it and works nothing."""

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
        """A host of this code on the fleet's database; the caller closes it."""
        config = HostConfig.from_environment(self.env)
        return create_host(config, engine=lambda _: InlineEngine(), clock=SystemClock())

    def add_workspaces(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Workspaces with these settings of Stripe Invoice, switched on, with a key for the HTTP API each."""
        host = self.observer()
        for workspace, given in settings.items():
            with host.store.write() as db:
                add_workspace(db, workspace, host.clock.now())
                self.api_keys[workspace] = create_api_key(db, workspace, host.clock.now())
            host.settings.save(workspace, "stripe_invoice", dict(given))
            host.settings.enable(workspace, "stripe_invoice")
        host.close()

    def start(self, *words: str, code: Path | None = None, **variables: str) -> Process:
        """Start a process that stays; ``code``: a folder whose modules come before the installed ones."""
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
        """Call a command that ends, and give what it prints."""
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
        """Tell the host by HTTP that a quote was accepted."""
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
    """Wait, and give how long it took; ``meanwhile`` is called again and again, ``state`` when it took too long."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() < began + seconds, state()
        meanwhile()
        time.sleep(0.1)
    return time.monotonic() - began
