"""A desk with one host and fake plugins: real SQLite, the inline engine, a clock that only moves when told to."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from builders import a_quote
from host_server import BROKEN, FAKES, REAL
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.config import RetryPolicy
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.testing import Workbench
from qwoty_integrations_host.testing.workbench import build_host
from written_log import logging_restored

TOKEN = "key_Plain1234567890"
#: The fields of a run, as the command line and the API show it.
RUN_KEYS = set(
    "id kind workspace plugin quote_id status created_at finished_at waits_until outcome steps error".split()
)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The fake distributions on the path; gives the module of the plugin ``recorder``."""
    monkeypatch.syspath_prepend(str(FAKES))
    recorder = importlib.import_module("fake_recorder")
    recorder.reset()
    yield recorder
    recorder.reset()
    for name in [name for name in sys.modules if name.startswith("fake_")]:
        del sys.modules[name]


@dataclass
class Desk(Workbench):
    """A workbench that loads the two working fakes, one of which notes every call."""

    recorder: Any
    slept: list[float] = field(default_factory=list)

    def enable(self, workspace: str = "ws-1", plugin: str = "recorder", **settings: Any) -> None:
        given = {"token": TOKEN, **settings} if plugin == "recorder" else settings
        self.set_up(plugin, given, workspace)

    def accept(self, workspace: str = "ws-1", **changes: Any) -> dict[str, Any]:
        """Accept a quote, work the queue, and report the recorder's run."""
        return super().accept(a_quote(**changes), workspace, plugin="recorder")

    def work_again(self, run_id: str, attempt: int = 1) -> dict[str, Any]:
        """Work a job from its top, as after a crash."""
        self.engine.work_again(f"{run_id}.{attempt}")
        return self.run(run_id)

    def api_key(self, workspace: str = "ws-1") -> str:
        with self.host.store.write() as db:
            return create_api_key(db, workspace, self.clock.now())

    def count(self, table: str) -> int:
        with self.host.store.read() as db:
            return int(db.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


class NotingClock(ManualClock):
    """Notes how long it was asked to sleep."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


@pytest.fixture
def desks(tmp_path: Path, fakes: Any) -> Iterator[Callable[..., Desk]]:
    """Build desks, each with the configuration that a test wants."""
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
