"""A desk: one host with fake plugins, a real SQLite database, the inline engine, and a clock that the test moves."""

from __future__ import annotations

import email
import email.policy
import importlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from builders import a_key_report, a_quote
from host_server import BROKEN, FAKES, REAL
from qwoty_integrations_host import (
    ConnectionReport,
    CredentialsError,
    InstallmentRecord,
    InvoiceRecord,
    KeyReport,
    Outcome,
    QuoteRecord,
    WebhookEndpoint,
    WebhookEvent,
)
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.config import RetryPolicy
from qwoty_integrations_host.contract.hook_types import WebhookRequest
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.testing import Workbench
from qwoty_integrations_host.testing.workbench import build_host
from written_log import logging_restored

TOKEN = "key_Plain1234567890"
ANA, BEN = "ana@seller.example", "ben@seller.example"
ENDPOINT = WebhookEndpoint("main", "test", "we_1", "https://host.example/webhooks/recorder/ws-1/tokentokentoken1234")
#: The fields of a run, as the command line and the API show it.
RUN_KEYS = set(
    "id kind workspace plugin quote_id status created_at finished_at waits_until outcome steps error".split()
)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Put the fake distributions on the path, and give the module of the plugin ``recorder``."""
    monkeypatch.syspath_prepend(str(FAKES))
    recorder = importlib.import_module("fake_recorder")
    recorder.reset()
    yield recorder
    recorder.reset()
    for name in [name for name in sys.modules if name.startswith("fake_")]:
        del sys.modules[name]


@dataclass
class Desk(Workbench):
    """A workbench with the two working fake plugins. One of them, the recorder, records every call."""

    recorder: Any
    slept: list[float] = field(default_factory=list)
    #: The secret that signs the alerts of ``webhook_desk``.
    alert_secret: str = ""
    #: The run of ``refused_desk`` that was refused.
    refused_run_id: str = ""

    def enable(self, workspace: str = "ws-1", plugin: str = "recorder", **settings: Any) -> None:
        given = {"token": TOKEN, **settings} if plugin == "recorder" else settings
        self.set_up(plugin, given, workspace)

    def accept(self, workspace: str = "ws-1", **changes: Any) -> dict[str, Any]:
        """Accept a quote, work the queue, and return the recorder's run."""
        return super().accept(a_quote(**changes), workspace, plugin="recorder")

    def work_again(self, run_id: str, attempt: int = 1) -> dict[str, Any]:
        """Work a job from its beginning, as after a crash."""
        self.engine.work_again(f"{run_id}.{attempt}")
        return self.run(run_id)

    def api_key(self, workspace: str = "ws-1") -> str:
        with self.host.store.write() as db:
            return create_api_key(db, workspace, self.clock.now())

    def count(self, table: str) -> int:
        with self.host.store.read() as db:
            return int(db.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    def fail_with(self, error: Exception) -> None:
        """Let the recorder raise an error for every quote from now on."""

        def hook(ctx: Any, quote: Any) -> Outcome:
            raise error

        self.recorder.answers["on_quote_accepted"] = hook

    def report_keys(self, *keys: KeyReport, notes: tuple[str, ...] = ()) -> None:
        """Let the recorder's test of its connection report these keys from now on."""
        self.recorder.answers["check_connection"] = lambda ctx, _: ConnectionReport(keys, notes)

    def test_connection(self) -> dict[str, Any]:
        """Test the recorder's connection."""
        return self.host.connections.test("ws-1", "recorder")

    def connection(self) -> dict[str, Any]:
        """The recorder's connection, as the host shows it."""
        return self.host.connections.show("ws-1", "recorder")

    def alerts(self, workspace: str = "ws-1") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.host.alert_recipients.show(workspace)["alerts"]
        return found

    def mails(self) -> list[Any]:
        """The mails that the host has written to its outbox."""
        found = [path.read_bytes() for path in (self.host.config.data_dir / "outbox").glob("*.eml")]
        return [email.message_from_bytes(one, policy=email.policy.default) for one in found]

    def add_open_link(self, *, quote_id: str = "q-7", status: str = "sent", account: str = "main") -> None:
        """Record an open invoice whose payment link expires in a day."""
        part = InstallmentRecord(
            number=1, amount=Decimal(50), status=status, expires_at=self.clock.now() + timedelta(hours=24)
        )
        invoice = InvoiceRecord(id="in_1", status="open", account=account)
        record = QuoteRecord(currency="EUR", invoice=invoice, installments=(part,))
        self.host.integrations.contexts.make("ws-1", "recorder", {}).records.update(quote_id, lambda _: record)

    def receive_event(self, event: str) -> None:
        """Receive an authentic webhook event of the account ``main``."""
        body = json.dumps({"id": event, "type": "t", "quote_id": "q-7"}).encode()
        self.recorder.answers["authenticate_webhook"] = lambda ctx, _: WebhookEvent(event, "t", {}, account="main")
        self.host.runs.webhooks.receive("ws-1", "recorder", WebhookRequest("right", body, {"X-Signature": "signed"}))


class NotingClock(ManualClock):
    """A clock that records for how long it was asked to sleep."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


@pytest.fixture
def desks(tmp_path: Path, fakes: Any) -> Iterator[Callable[..., Desk]]:
    """A function that builds desks, each with its own configuration."""
    with ExitStack() as opened:

        def build(name: str = "data", **config: Any) -> Desk:
            clock = NotingClock(datetime(2026, 3, 10, 9, tzinfo=UTC))
            given = {"retry": RetryPolicy(tries=4), "plugins_blocked": BROKEN | REAL, **config}
            host = build_host(tmp_path / name, clock, **given)
            opened.callback(host.close)
            assert host.start_worker()
            return Desk(host, clock, fakes, clock.slept)

        yield build


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    return desks()


class CommandLine:
    """Calls ``qwoty-host`` on the data directory ``data`` in one folder."""

    def __init__(self, folder: Path, recorder: Any) -> None:
        self.folder, self.recorder = folder, recorder

    def __call__(self, *words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(self.folder / "data"), *words], input=given)

    def ok(self, *words: str, given: str | None = None) -> Any:
        """Call with --json, expect exit code 0, and return the document."""
        found = self(*words, "--json", given=given)
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    def file(self, document: Any, name: str = "given.json") -> str:
        """Write a document to a file, and return its path."""
        path = self.folder / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
        return str(path)

    def ready(self) -> None:
        """Make the workspace ws-1, in which the recorder is enabled."""
        self.ok("workspace", "add", "ws-1")
        self.ok("settings", "set", "ws-1", "recorder", "--file", self.file({"token": TOKEN}))
        self.ok("enable", "ws-1", "recorder")


@pytest.fixture
def cli(tmp_path: Path, fakes: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """The command line of a data directory that does not exist yet."""
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(BROKEN | REAL))
    with logging_restored():
        yield CommandLine(tmp_path, fakes)


@pytest.fixture
def desk_cli(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """The command line of the desk's data directory."""
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(desk.host.config.plugins_blocked))
    with logging_restored():
        yield lambda *words: CliRunner().invoke(main, ["--data-dir", str(desk.host.config.data_dir), *words])


def refused(found: Result, code: int) -> str:
    """Expect an exit code, an error on stderr, nothing on stdout and no traceback; return stderr."""
    assert found.exit_code == code, found.output
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    assert "Error" in found.stderr
    return found.stderr


def words_of(mail: Any) -> str:
    """The plain text of a mail."""
    return str(mail.get_body(("plain",)).get_content())


@pytest.fixture
def alert_desk(desk: Desk) -> Desk:
    """A desk whose alerts go to Ana by mail."""
    desk.host.alert_recipients.replace("ws-1", {"mails": [ANA]})
    desk.enable()
    return desk


class AlertReceiver:
    """An HTTP server that receives alerts, and answers with the status ``answer``."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answer = 200
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.received.append((dict(self.headers.items()), body))
                self.send_response(owner.answer)
                if owner.answer == 302:
                    self.send_header("Location", owner.url + "elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.received]


@pytest.fixture
def alert_receiver() -> Iterator[AlertReceiver]:
    found = AlertReceiver()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def webhook_desk(desks: Callable[..., Desk], alert_receiver: AlertReceiver) -> Desk:
    """A desk whose alerts go to the alert receiver."""
    desk = desks(private_alerts=True)
    saved = desk.host.alert_recipients.replace("ws-1", {"webhook_url": alert_receiver.url})
    desk.alert_secret = saved["webhook_secret"]
    desk.enable()
    return desk


@pytest.fixture
def saved_desk(desk: Desk) -> Desk:
    """A desk with saved settings of the recorder, which is not enabled yet; a test of its connection finds no problem."""
    desk.host.settings.save("ws-1", "recorder", {"token": TOKEN})
    desk.report_keys(a_key_report())
    return desk


@pytest.fixture
def refused_desk(saved_desk: Desk) -> Desk:
    """A desk on which the service refused the key of a run, ``refused_run_id``."""
    saved_desk.host.settings.enable("ws-1", "recorder")
    saved_desk.fail_with(CredentialsError("The key is refused.", hint="Enter another one."))
    saved_desk.refused_run_id = saved_desk.accept()["id"]
    return saved_desk
