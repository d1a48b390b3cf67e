"""A real host in processes of its own, with its database, Stripe and mail server; all of it can be restored."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import requests
from aiosmtpd.controller import Controller
from sqlalchemy import Engine, create_engine, text

from builders import KEY
from crash import child
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.no_engine import NoEngine
from qwoty_integrations_host.host import create_host
from qwoty_integrations_host.reports.quotes import quote_report
from qwoty_integrations_host.reports.runs import find_run, list_runs
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.store.database import Store
from qwoty_integrations_host.store.workspaces import add_workspace
from stripe_simulator import StripeSimulator

WORKSPACE, PLUGIN = "ws-1", "stripe_invoice"
PATIENCE = 30.0


class Database(Protocol):
    """A host's database, which may be in the data directory."""

    name: str

    @property
    def url(self) -> str | None: ...

    def save(self) -> None:
        """Save a copy of the tables."""
        ...

    def restore(self) -> None:
        """Restore the saved copy."""
        ...


class InDataDir:
    """SQLite: saved and restored with the data directory."""

    name = "SQLite"
    url = None

    def save(self) -> None:
        return None

    restore = save


class PostgreSql:
    """A PostgreSQL database, which the server itself copies."""

    name = "PostgreSQL"

    def __init__(self, server: Any, name: str) -> None:
        self._server, self._name = server, name
        self._sql(f"CREATE DATABASE {name}")

    @property
    def url(self) -> str:
        return str(self._server.get_uri(database=self._name, driver="psycopg"))

    def save(self) -> None:
        self._copy(self._name, f"{self._name}_saved")

    def restore(self) -> None:
        self._copy(f"{self._name}_saved", self._name)

    def drop(self) -> None:
        for name in (self._name, f"{self._name}_saved"):
            self._sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _copy(self, source: str, target: str) -> None:
        self._sql(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
        self._sql(f"CREATE DATABASE {target} TEMPLATE {source}")

    def _sql(self, statement: str) -> None:
        self._server.psql(statement + ";")


@dataclass
class Mailbox:
    """The mails that the mail server has accepted."""

    mails: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 taken"


class Site:
    """One workspace on one host."""

    def __init__(self, stripe: StripeSimulator, folder: Path, database: Database, *, smtp: bool) -> None:
        self.stripe, self.database = stripe, database
        self.data, self._saved, self._folder = folder / "data", folder / "saved", folder
        self._mailbox = Mailbox()
        self._mail_server = Controller(self._mailbox, hostname="127.0.0.1", port=_free_port()) if smtp else None
        if self._mail_server is not None:
            self._mail_server.start()
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._processes: list[BaseProcess] = []
        self._stripe_before: Any = None
        self._key = ""
        #: The harness's own connection to the host's database.
        self._eye: Engine | None = None

    # -- setting up, and putting back ---------------------------------------------------------------

    def set_up(self, settings: Mapping[str, Any]) -> None:
        """Create the workspace, and enable the integration."""
        host = create_host(self._config(), engine=NoEngine)
        try:
            now = host.clock.now()
            with host.store.write() as db:
                add_workspace(db, WORKSPACE, now)
                self._key = create_api_key(db, WORKSPACE, now)
            self.save_settings(settings)
            host.settings.enable(WORKSPACE, PLUGIN)
        finally:
            host.close()

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        host = create_host(self._config(), engine=NoEngine)
        try:
            host.settings.save(WORKSPACE, PLUGIN, {"workspace_api_token": KEY, **settings})
        finally:
            host.close()

    def save(self) -> None:
        """Save the present state of everything; no process may be running."""
        self.database.save()
        shutil.rmtree(self._saved, ignore_errors=True)
        shutil.copytree(self.data, self._saved)
        self._stripe_before = self.stripe.snapshot()

    def restore(self) -> None:
        """Restore the saved state, with new journals."""
        self.end()
        self._mailbox.mails.clear()
        self.stripe.restore(self._stripe_before)
        self.database.restore()
        shutil.rmtree(self.data)
        shutil.copytree(self._saved, self.data)
        for old in self._folder.glob("*.journal"):
            old.unlink()

    def end(self) -> None:
        """Kill all processes that still run."""
        for process in self._processes:
            process.kill()
            process.join()
        self._processes.clear()
        self._look_away()

    def close(self) -> None:
        self.end()
        if self._mail_server is not None:
            self._mail_server.stop()

    # -- processes ----------------------------------------------------------------------------------

    def start(self, name: str, *words: str, stop: child.Death | child.Sleep | None = None) -> BaseProcess:
        """Start a command; ``name`` names its journal."""
        journal, log = self.journal_of(name), self._folder / "log.txt"
        # PostgreSQL shows the connections of the process under this name (libpq).
        env = {**self._env(), "PGAPPNAME": name}
        process = child.start(words, env, journal=journal, log=log, stop=stop)
        self._processes.append(process)
        return process

    def serve(self, name: str, *words: str, stop: child.Death | None = None) -> BaseProcess:
        """Start a host that serves, and wait until it listens or has died."""
        process = self.start(name, "serve", "--port", str(self._port), *words, stop=stop)
        self.wait(lambda: not process.is_alive() or self._listens(), "the host did not start")
        return process

    def journal_of(self, name: str) -> Path:
        return self._folder / f"{name}.journal"

    def passed(self, name: str) -> list[str]:
        """Return the boundaries that a process has passed."""
        journal = self.journal_of(name)
        return journal.read_text().splitlines() if journal.exists() else []

    # -- what clients do ----------------------------------------------------------------------------

    def accept(self, quote: Mapping[str, Any]) -> bool:
        """Send an accepted quote; return whether the host confirmed it."""
        try:
            answer = requests.post(
                f"{self.url}/v1/workspaces/{WORKSPACE}/quotes/accepted",
                json=quote,
                headers={"Authorization": f"Bearer {self._key}"},
                timeout=PATIENCE,
            )
        except requests.RequestException:
            return False
        assert answer.status_code in {200, 202}, answer.text
        return True

    def command(self, *words: str) -> bool:
        """Run a command to its end; return whether it succeeded."""
        process = self.start("command", *words)
        process.join(PATIENCE)
        return process.exitcode == 0

    # -- what can be seen ---------------------------------------------------------------------------

    def runs(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the runs, oldest first, with their steps."""
        found = self._ask(
            lambda store: [find_run(store, r["id"]) for r in list_runs(store, quote_id=None, limit=50)["data"]]
        )
        return [run for run in reversed(found) if kind in (None, run["kind"])]

    def quote(self, quote_id: str) -> dict[str, Any]:
        from datetime import UTC, datetime

        report: dict[str, Any] = self._ask(lambda store: quote_report(store, WORKSPACE, quote_id, datetime.now(UTC)))
        return report

    @property
    def mails(self) -> int:
        if self._mail_server is not None:
            return len(self._mailbox.mails)
        return len(list((self.data / "outbox").glob("*.eml")))

    def settled(self) -> bool:
        """Return whether no work is left: no run is unfinished, and no webhook is on its way."""
        return not self._ask(_open_runs) and self.stripe.wait_for_webhooks(0.0)

    def settle(self, *, dying: BaseProcess | None = None) -> None:
        """Wait until no work is left, or the process has died."""
        self.wait(lambda: (dying is not None and not dying.is_alive()) or self.settled(), "not all work has ended")

    def wait(self, done: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, f"{otherwise}\n{(self._folder / 'log.txt').read_text()[-3000:]}"
            time.sleep(0.1)

    def cut_off(self, name: str) -> None:
        """Cut a process's connections to its database, and let its lease expire, as in a fail-over that it misses."""

        def cut(store: Store) -> None:
            of_it = text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = :name")
            with store.write() as db:
                assert db.execute(of_it, {"name": name}).all(), f"{name} has no connections"
                db.execute(text("UPDATE worker_leases SET seen = 0"))

        self._ask(cut)

    def _ask(self, question: Callable[[Store], Any]) -> Any:
        if self._eye is None:
            self._eye = create_engine(self._config().database_url, pool_size=1)
        return question(Store(self._eye))

    def _look_away(self) -> None:
        if self._eye is not None:
            self._eye.dispose()
            self._eye = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _config(self) -> HostConfig:
        return HostConfig.from_environment({**self._env()})

    def _env(self) -> dict[str, str]:
        env = {
            "QWOTY_HOST_DATA_DIR": str(self.data),
            "QWOTY_HOST_PUBLIC_URL": self.url,
            "QWOTY_STRIPE_API_BASE": self.stripe.url,
        }
        if self.database.url:
            env["QWOTY_HOST_DATABASE_URL"] = self.database.url
        if self._mail_server is not None:
            env["QWOTY_HOST_SMTP_URL"] = f"smtp://127.0.0.1:{self._mail_server.port}?tls=none"
            env["QWOTY_HOST_MAIL_FROM"] = "billing@seller.example"
        return env


def _open_runs(store: Store) -> bool:
    with store.read() as db:
        return bool(
            db.execute(text("SELECT 1 FROM runs WHERE status IN ('queued', 'running', 'waiting') LIMIT 1")).first()
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
