"""A desk with one host and fake plugins: real SQLite, the inline engine, a clock that only moves when told to."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builders import a_quote
from host_server import BROKEN, FAKES, REAL
from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.config import RetryPolicy
from qwoty_integrations_host.store.api_keys import create_api_key
from qwoty_integrations_host.testing import Workbench
from qwoty_integrations_host.testing.workbench import build_host

TOKEN = "key_Plain1234567890"


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
