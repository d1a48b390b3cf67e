"""How a workspace's integration stands with its service: tried on request, and marked when a run was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from .clock import Clock
from .contexts import Contexts
from .errors import ActionRefused, IntegrationError, NotFound
from .hook_types import ConnectionReport, ConnectionRequest
from .plugins import Plugins
from .redaction import redacted
from .settings import WorkspaceSettings
from .store import connections as rows
from .store import runs
from .store.database import Store
from .store.workspaces import require_workspace

#: The worst of a report's keys decides; what cannot be reached says nothing about the settings.
_WORST_FIRST = ("refused", "missing", "unreachable", "ok")


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of one host.

    ``test`` and ``show`` give the same document::

        {"workspace", "plugin", "enabled",
         "status": "ok" | "needs_attention" | "unreachable" | "untested",
         "problem": None | {"code", "title", "hint", "run_id", "since"},   # until a test succeeds
         "outdated": bool,                     # the settings were saved after the last test, or after the problem
         "checked_at": None | ISO time,
         "keys": [{"label", "last4", "mode", "account", "status", "code", "title", "hint",
                   "rights": [{"resource", "access", "status"}]}],
         "notes": [sentence]}

    A key's ``status`` is ``ok``, ``missing`` (a right), ``refused`` or ``unreachable``, a right's ``ok``, ``missing``
    or ``unclear``. ``run_id`` is the first run that met the problem, None when a test did.
    """

    store: Store
    plugins: Plugins
    settings: WorkspaceSettings
    contexts: Contexts
    clock: Clock

    def test(self, workspace: str, plugin: str) -> dict[str, Any]:
        """Try the saved settings at the service, without any effect there; switched on or not.

        Raises: NotFound without workspace, plugin or settings; ActionRefused when the plugin cannot be tested.
        """
        self._require_settings(workspace, plugin)
        if not self.plugins.implements(plugin, "check_connection"):
            raise ActionRefused(f"The connection of {plugin} cannot be tested.")
        with self.store.read() as db:
            before = rows.load(db, workspace, plugin)
            units = rows.recent_business_units(db, workspace)
        begun = self.clock.now()
        ctx = self.contexts.make(workspace, plugin, self.settings.effective(workspace, plugin))
        report = self.plugins.check_connection(plugin, ctx, ConnectionRequest(units))
        with self.store.write() as db:
            present = rows.load(db, workspace, plugin, lock=True)
            values: dict[str, Any] = {"report": redacted(asdict(report)), "checked_at": begun}
            # What a run met while the test was under way is not what was tested.
            if _problem(present) == _problem(before):
                values["problem"] = redacted(_after(report, _problem(before), begun))
            rows.change(db, workspace, plugin, **values)
        return self.show(workspace, plugin)

    def show(self, workspace: str, plugin: str) -> dict[str, Any]:
        """The last test, and what runs met since; no network. Raises: NotFound."""
        self._require_settings(workspace, plugin)
        with self.store.read() as db:
            row = rows.load(db, workspace, plugin)
            saved_at = rows.settings_saved_at(db, workspace, plugin)
        report: Mapping[str, Any] = (row and row["report"]) or {"keys": [], "notes": []}
        checked_at, problem = row["checked_at"] if row else None, _problem(row)
        seen = [checked_at, problem and datetime.fromisoformat(problem["since"])]
        last = max((moment for moment in seen if moment), default=None)
        return {
            "workspace": workspace,
            "plugin": plugin,
            "enabled": self.settings.is_enabled(workspace, plugin),
            "status": _status(report, problem, checked_at),
            "problem": problem,
            "outdated": last is not None and saved_at is not None and saved_at > last,
            "checked_at": checked_at.isoformat() if checked_at else None,
            "keys": report["keys"],
            "notes": report["notes"],
        }

    def list(self, workspace: str) -> dict[str, Any]:
        """``{"workspace", "data"}``: ``show`` of each integration that has settings and loads. Raises: NotFound."""
        with self.store.read() as db:
            require_workspace(db, workspace)
            plugins = rows.configured_plugins(db, workspace)
        data = [self.show(workspace, plugin) for plugin in plugins if self.plugins.is_loaded(plugin)]
        return {"workspace": workspace, "data": data}

    def services(self) -> dict[str, Any]:
        """``{"data": [{"plugin", "reachable", "ms", "detail"}]}``: whether the services answer from here.

        Those of the plugins that a workspace has enabled; nobody else's is asked for anything.
        """
        used = sorted({plugin for _, plugin in self.settings.enabled_everywhere()} & set(self.plugins.loaded()))
        asked = [plugin for plugin in used if self.plugins.implements(plugin, "service_status")]
        return {"data": [{"plugin": plugin, **self._service(plugin)} for plugin in asked]}

    def _service(self, plugin: str) -> dict[str, Any]:
        try:
            return asdict(self.plugins.service_status(plugin, self.contexts.make("", plugin, {})))
        except IntegrationError as error:
            return {"reachable": False, "ms": 0, "detail": error.title}

    def _require_settings(self, workspace: str, plugin: str) -> None:
        self.plugins.manifest(plugin)
        with self.store.read() as db:
            require_workspace(db, workspace)
        if not self.settings.is_configured(workspace, plugin):
            raise NotFound(
                f"Workspace {workspace!r} has no settings of {plugin}.",
                hint=f"Save them: qwoty-host settings set {workspace} {plugin} --file F",
            )


def met_in_a_run(
    db: Connection, workspace: str, plugin: str, run_id: str, error: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    """Mark the connection after a run was refused; a problem that is known stays the first. Give what is known now."""
    return rows.mark(db, workspace, plugin, {**_shown(error), "run_id": run_id, "since": now.isoformat()})


def worked_in_a_run(db: Connection, run: RowMapping) -> None:
    """Forget what is wrong after a run succeeded at what an earlier one, or a test, was refused for.

    It must be a run of the same kind, with the same key: where there are several, one of the same business unit's.
    Of a missing right that a test found, a run that does not need it says nothing.
    """
    workspace, plugin = run["workspace"], run["plugin"]
    row = rows.load(db, workspace, plugin)
    problem = _problem(row)
    if row is None or problem is None or not runs.has_asked_a_service(db, run["id"]):
        return
    met = runs.find(db, problem["run_id"]) if problem["run_id"] else None
    if met is None and problem["code"] == "permission_missing":
        return
    if met is not None and (met["kind"] != run["kind"] or not rows.is_same_key(db, met, run)):
        return
    # What a test had found of the keys is no longer so.
    tested = {} if met is not None else {"report": None, "checked_at": None}
    rows.change(db, workspace, plugin, problem=None, **tested)


def _problem(row: RowMapping | None) -> dict[str, Any] | None:
    return (row["problem"] or None) if row else None


def _overall(keys: list[Mapping[str, Any]]) -> str:
    found = {key["status"] for key in keys}
    return next((status for status in _WORST_FIRST if status in found), "ok")


def _status(report: Mapping[str, Any], problem: Mapping[str, Any] | None, checked_at: datetime | None) -> str:
    if problem:
        return "needs_attention"
    if checked_at is None:
        return "untested"
    return "unreachable" if _overall(report["keys"]) == "unreachable" else "ok"


def _after(report: ConnectionReport, known: Mapping[str, Any] | None, now: datetime) -> dict[str, Any] | None:
    """What is wrong after a test: nothing, what it found, or, if it reached nobody, what was known before."""
    overall = _overall([asdict(key) for key in report.keys])
    if overall == "ok":
        return None
    if overall == "unreachable":
        return dict(known) if known else None
    worst = next(key for key in report.keys if key.status == overall)
    title = worst.title if len(report.keys) == 1 else f"{worst.label}: {worst.title}"
    before = known or {"run_id": None, "since": now.isoformat()}
    return {**_shown(asdict(worst)), "title": title, "run_id": before["run_id"], "since": before["since"]}


def _shown(error: Mapping[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("code", "title", "hint")}
