"""A whole host for tests: real SQLite, the real HTTP server, runs in the calling thread, and a manual clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.event import listen

from ..clock import ManualClock
from ..config import HostConfig
from ..contract.context import HookContext
from ..contract.hook_types import WebhookRequest
from ..host import Host, create_host
from ..reports.quotes import quote_report
from ..reports.runs import find_run
from ..store import tables as t
from ..store.workspaces import add_workspace
from ..workspaces.inquiries import Begin, at_once
from .crashing_engine import CrashingEngine, Died
from .outbox import Outbox

#: The workspaces that every workbench has.
WORKSPACES = ("ws-1", "ws-2")
PUBLIC_URL = "https://integrations.example.com"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The response to a webhook, and the reports of the runs that it started.

    ``received``: ``stored``, ``duplicate``, ``ignored``; empty when the webhook was rejected.
    """

    status: int
    received: str
    runs: tuple[dict[str, Any], ...]


@dataclass
class Workbench:
    """A host with the workspaces ``ws-1`` and ``ws-2``. Sleeping advances its clock, so that no test waits."""

    host: Host
    clock: ManualClock

    @property
    def engine(self) -> CrashingEngine:
        """The engine, which can simulate a crash."""
        assert isinstance(self.host.engine, CrashingEngine)
        return self.host.engine

    @property
    def outbox(self) -> Outbox:
        """The sent mails."""
        return Outbox(self.host.config.data_dir / "outbox")

    def set_up(self, plugin: str, settings: Mapping[str, Any], workspace: str = "ws-1") -> None:
        """Save a plugin's settings and enable it. Raises: SettingsError."""
        self.host.settings.save(workspace, plugin, dict(settings))
        self.host.settings.enable(workspace, plugin)

    def context(self, plugin: str, workspace: str = "ws-1") -> HookContext:
        """Return the context of a hook that the host calls outside a run."""
        contexts, settings = self.host.integrations.contexts, self.host.settings
        return contexts.make(workspace, plugin, settings.effective(workspace, plugin))

    def accept(self, quote: dict[str, Any], workspace: str = "ws-1", *, plugin: str | None = None) -> dict[str, Any]:
        """Accept a quote, work the queued runs, and report the run of ``plugin``, or of the only enabled one."""
        accepted = self.host.runs.acceptance.accept(workspace, quote)
        self.work()
        (run,) = (run for run in map(self.run, accepted.run_ids) if plugin in {None, run["plugin"]})
        return run

    def work(self) -> None:
        """Work every queued run that is due."""
        self.engine.work_queued()

    def work_until_it_dies(self) -> bool:
        """Work the queued runs; return whether the process died at the step that ``engine.die_at`` named."""
        try:
            self.work()
        except Died:
            return True
        return False

    def restart(self) -> None:
        """Resume as the process after a crash does."""
        self.engine.begin_again()

    def run(self, run_id: str) -> dict[str, Any]:
        """Report a run, as ``qwoty-host run show --json`` does."""
        return find_run(self.host.store, run_id)

    def retry(self, run_id: str) -> dict[str, Any]:
        """Retry a run, and report it."""
        self.host.runs.control.retry(run_id)
        self.work()
        return self.run(run_id)

    def quote(self, quote_id: str, workspace: str = "ws-1") -> dict[str, Any]:
        """Report a quote, as ``qwoty-host quote show --json`` does."""
        return quote_report(self.host.store, workspace, quote_id, self.clock.now())

    def runs(self, workspace: str = "ws-1") -> dict[str, dict[str, Any]]:
        """Report every run of a workspace, upkeep included, by id."""
        with self.host.store.read() as db:
            run_ids = db.execute(select(t.runs.c.id).where(t.runs.c.workspace == workspace)).scalars().all()
        return {run_id: self.run(run_id) for run_id in run_ids}

    def deliver(self, plugin: str, request: WebhookRequest, workspace: str = "ws-1") -> Delivered:
        """Post a webhook to the host's HTTP server, and work the run that it starts."""
        from ..web.app import create_app  # noqa: PLC0415 - lazy: tests without HTTP need no Flask

        before = set(self.runs(workspace))
        address = f"/webhooks/{plugin}/{workspace}/{request.token}"
        response = create_app(self.host).test_client().post(address, data=request.body, headers=dict(request.headers))
        self.work()
        received = str((response.get_json(silent=True) or {}).get("received", ""))
        new = tuple(run for run_id, run in self.runs(workspace).items() if run_id not in before)
        return Delivered(response.status_code, received, new)


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace of a workbench."""

    id: str
    bench: Workbench

    def enable(self, plugin: str, **settings: Any) -> None:
        """Save a plugin's settings and enable it. Raises: SettingsError."""
        self.bench.set_up(plugin, settings, self.id)

    def disable(self, plugin: str) -> None:
        """Disable a plugin: the host no longer calls it."""
        self.bench.host.settings.disable(self.id, plugin)

    def run(self, run_id: str) -> dict[str, Any]:
        """Report a run, as ``qwoty-host run show --json`` does."""
        return self.bench.run(run_id)

    def quote(self, quote_id: str) -> dict[str, Any]:
        """Report a quote, as ``qwoty-host quote show --json`` does."""
        return self.bench.quote(quote_id, self.id)


def build_host(data_dir: Path, clock: ManualClock, *, begin_inquiry: Begin = at_once, **config: Any) -> Host:
    """Build a host with the workspaces ``ws-1`` and ``ws-2``; ``config``: fields of HostConfig."""
    host = create_host(
        HostConfig(data_dir=data_dir, **config),
        engine=lambda _: CrashingEngine(clock),
        clock=clock,
        begin_inquiry=begin_inquiry,
    )
    if not host.config.is_shared:
        # Real SQLite, but without fsync: no test has power failures.
        listen(host.store.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA synchronous=OFF"))
    with host.store.write() as db:
        for workspace in WORKSPACES:
            add_workspace(db, workspace, clock.now())
    return host


@contextmanager
def open_workbench(data_dir: Path, clock: ManualClock, **config: Any) -> Iterator[Workbench]:
    """Build a host, start its worker, and close it after the block."""
    host = build_host(data_dir, clock, **{"public_url": PUBLIC_URL, **config})
    try:
        assert host.start_worker()
        yield Workbench(host, clock)
    finally:
        host.close()
