"""The connections of integrations to their services: tests them, and records the problems of tests and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from ..clock import Clock
from ..contract.hook_types import ConnectionReport, ConnectionRequest, KeyReport
from ..engine.attempts import Attempts
from ..errors import ActionRefused, IntegrationError, NotFound, SettingsIncomplete
from ..plugins.settings_migrations import UNFIT
from ..quotes.run import Run
from ..redaction import redacted
from ..store import connections as rows
from ..store import runs, steps
from ..store import settings as settings_rows
from ..store.database import Store
from ..store.workspaces import require_workspace
from .connection_status import ConnectionStatus
from .inquiries import Proceed
from .integration import Integrations, WithIntegrations

#: A report has the worst status of its keys. An unreachable service says nothing about the settings, so a refusal is
#: worse.
_WORST_FIRST = ("refused", "missing", "unreachable", "ok")


@dataclass(frozen=True, slots=True)
class _Test:
    """One test: its report, the fingerprint of the tested settings, and the problem that was known when it began."""

    report: ConnectionReport
    settings: str
    begun: datetime
    known: Mapping[str, Any] | None

    @property
    def problem(self) -> dict[str, Any] | None:
        """The problem after the test: the one that it found, or None. If the service was unreachable, the known one."""
        return _after(self.report, self.known, self.begun)


def _at_once() -> None:
    """Allow every change. This is the ``proceed`` of a caller that waits for the result."""


@dataclass(frozen=True, slots=True)
class Connections(WithIntegrations):
    """The connections of one host.

    ``test`` and ``show`` return the same document::

        {"workspace", "plugin", "enabled",
         "testable": bool,                     # whether the plugin has a test
         "status": ConnectionStatus,
         "problem": None | {"code", "title", "hint", "run_id", "since"},   # until a test succeeds
         "outdated": bool,                     # the test or the problem concerns earlier settings
         "checked_at": None | ISO time,
         "keys": [{"label", "last4", "mode", "account", "status", "code", "title", "hint",
                   "rights": [{"resource", "access", "status"}]}],
         "notes": [sentence]}

    The ``status`` of a key is ``ok``, ``missing`` (it lacks a right), ``refused`` or ``unreachable``; that of a right
    is ``ok``, ``missing`` or ``unclear``. ``run_id`` is the first run with the problem, or None if a test found it. A
    test counts only for the settings that it tried: after they change, ``status`` is ``untested``. If the settings do
    not fit the plugin's present release, ``status`` is ``settings_incomplete``; the problem says why, and its ``since``
    is the time when they were saved.

    ``enable``, ``save`` and ``settings_of`` return ``{"workspace", "plugin", "enabled", "settings", "connection"}``;
    ``connection`` is the document above, or None without settings.
    """

    store: Store
    integrations: Integrations
    clock: Clock
    attempts: Attempts

    def enabling_calls_service(self, workspace: str, plugin: str) -> bool:
        """Return whether ``enable`` will call the service. Raises: as ``enable`` does before that call."""
        if self.settings.is_enabled(workspace, plugin):
            return False
        self.settings.as_saved(workspace, plugin, self.settings.present(workspace, plugin))
        return self.plugins.implements(plugin, "check_connection")

    def saving_calls_service(self, workspace: str, plugin: str, given: Any) -> bool:
        """Return whether ``save`` will call the service. Raises: as ``save`` does before that call."""
        self.settings.as_saved(workspace, plugin, given)
        one = self.integrations.of(workspace, plugin)
        return one.is_enabled and one.supports("check_connection")

    def enable(
        self, workspace: str, plugin: str, *, anyway: bool = False, proceed: Proceed = _at_once
    ) -> dict[str, Any]:
        """Test the saved settings, and enable the integration unless a key is refused or lacks a permission.

        An unreachable service says nothing about the keys, so the integration is enabled, and ``connection`` reports
        it. ``proceed`` is called between the test and the change, and may raise.

        Raises: NotFound; SettingsError without valid settings; ActionRefused (``connection_refused``) for what the test
        found, unless ``anyway``. When this raises, the integration stays off.
        """
        if self.settings.is_enabled(workspace, plugin):
            return self.settings_of(workspace, plugin)  # it is enabled already, and was tested then if it has a test
        present = self.settings.present(workspace, plugin)
        tested = self._tried(workspace, plugin, self.settings.as_saved(workspace, plugin, present))
        if tested:
            self._note(workspace, plugin, tested)
            _refuse(tested, anyway=anyway)
        proceed()
        self.settings.enable(workspace, plugin)
        return self.settings_of(workspace, plugin)

    def save(
        self, workspace: str, plugin: str, given: Any, *, anyway: bool = False, proceed: Proceed = _at_once
    ) -> dict[str, Any]:
        """Save settings. If the integration is enabled, test them first, because they take effect at once.

        ``proceed`` is called before they are saved, and may raise. Runs that waited for settings that fit go on.

        Raises: as ``WorkspaceSettings.save``; ActionRefused (``connection_refused``) for what the test found, unless
        ``anyway``. When this raises, the earlier settings stay.
        """
        wanted, tested = self.settings.as_saved(workspace, plugin, given), None
        if self.settings.is_enabled(workspace, plugin) and (tested := self._tried(workspace, plugin, wanted)):
            _refuse(tested, anyway=anyway)
        proceed()
        self.settings.save(workspace, plugin, given)
        if tested:
            self._note(workspace, plugin, tested)
        self.attempts.go_on(workspace, plugin, UNFIT)
        return self.settings_of(workspace, plugin)

    def settings_of(self, workspace: str, plugin: str) -> dict[str, Any]:
        """Return the settings without secrets and the state of their connection; no network. Raises: NotFound."""
        shown = self.settings.show(workspace, plugin)
        is_there = self.settings.is_configured(workspace, plugin)
        return {**shown, "connection": self.show(workspace, plugin) if is_there else None}

    def test(self, workspace: str, plugin: str) -> dict[str, Any]:
        """Test the saved settings at the service, without any effect there, whether the integration is on or off.

        Raises: NotFound without workspace, plugin or settings; ActionRefused when the plugin cannot be tested;
        SettingsIncomplete.
        """
        self.require_testable(workspace, plugin)
        self._note(workspace, plugin, self._try(workspace, plugin, self.settings.effective(workspace, plugin)))
        return self.show(workspace, plugin)

    def require_testable(self, workspace: str, plugin: str) -> None:
        """Check that the connection can be tested. Raises: as ``test`` does before it calls the service."""
        self._require_settings(workspace, plugin)
        if not self.plugins.implements(plugin, "check_connection"):
            raise ActionRefused(
                f"The connection of {plugin} cannot be tested.",
                hint="A first quote shows whether its settings are right.",
            )
        self.settings.effective(workspace, plugin)

    def _tried(self, workspace: str, plugin: str, settings: Mapping[str, Any]) -> _Test | None:
        """Test these settings; return None if the plugin has no test. If the test fails, report "unreachable"."""
        if not self.plugins.implements(plugin, "check_connection"):
            return None
        return self._try(workspace, plugin, settings, or_else=_not_asked)

    def _try(
        self,
        workspace: str,
        plugin: str,
        settings: Mapping[str, Any],
        *,
        or_else: Callable[[IntegrationError], ConnectionReport] | None = None,
    ) -> _Test:
        with self.store.read() as db:
            before = rows.load(db, workspace, plugin)
            units = rows.recent_business_units(db, workspace)
        begun = self.clock.now()
        ctx = self.contexts.make(workspace, plugin, settings)
        try:
            report = self.plugins.check_connection(plugin, ctx, ConnectionRequest(units))
        except IntegrationError as error:
            if or_else is None:
                raise
            report = or_else(error)
        return _Test(report, self.settings.digest(settings), begun, _problem(before))

    def _note(self, workspace: str, plugin: str, tested: _Test) -> None:
        with self.store.write() as db:
            present = rows.load(db, workspace, plugin, lock=True)
            report = {**redacted(asdict(tested.report)), "settings": tested.settings}
            values: dict[str, Any] = {"report": report, "checked_at": tested.begun}
            # If a run has found a problem during the test, keep that problem, because the test may not have seen it.
            if _problem(present) == tested.known:
                values["problem"] = redacted(tested.problem)
            rows.change(db, workspace, plugin, **values)

    def show(self, workspace: str, plugin: str) -> dict[str, Any]:
        """Return the last test, and the problem that a run has found since; no network. Raises: NotFound."""
        self._require_settings(workspace, plugin)
        with self.store.read() as db:
            row = rows.load(db, workspace, plugin)
            saved_at = settings_rows.saved_at(db, workspace, plugin)
        report: Mapping[str, Any] = (row and row["report"]) or {"keys": [], "notes": []}
        checked_at, problem = row["checked_at"] if row else None, _problem(row)
        unfit = self.settings.unfit(workspace, plugin)
        outdated = self._is_outdated(workspace, plugin, report, checked_at, problem, saved_at)
        return {
            "workspace": workspace,
            "plugin": plugin,
            "enabled": self.settings.is_enabled(workspace, plugin),
            "testable": self.plugins.implements(plugin, "check_connection"),
            "status": ConnectionStatus.SETTINGS_INCOMPLETE
            if unfit
            else _status(report, problem, None if outdated else checked_at),
            "problem": _unfit_since(unfit, saved_at) if unfit else problem,
            "outdated": outdated,
            "checked_at": checked_at.isoformat() if checked_at else None,
            "keys": report["keys"],
            "notes": report["notes"],
        }

    def _is_outdated(
        self,
        workspace: str,
        plugin: str,
        report: Mapping[str, Any],
        checked_at: datetime | None,
        problem: Mapping[str, Any] | None,
        saved_at: datetime | None,
    ) -> bool:
        met_at = datetime.fromisoformat(problem["since"]) if problem else None
        last = max((moment for moment in (checked_at, met_at) if moment), default=None)
        if last is not None and last == checked_at and "settings" in report:
            # Settings that were saved again without a change need no new test.
            return bool(report["settings"] != self.settings.digest(self.settings.present(workspace, plugin)))
        return last is not None and saved_at is not None and saved_at > last

    def list(self, workspace: str) -> dict[str, Any]:
        """Return ``{"workspace", "data"}``: ``show`` of each loaded integration with settings. Raises: NotFound."""
        with self.store.read() as db:
            require_workspace(db, workspace)
            plugins = settings_rows.configured_plugins(db, workspace)
        data = [self.show(workspace, plugin) for plugin in plugins if self.plugins.is_loaded(plugin)]
        return {"workspace": workspace, "data": data}

    def services(self) -> dict[str, Any]:
        """Return whether the services answer from here: ``{"data": [{"plugin", "reachable", "ms", "detail"}]}``.

        Only the services of plugins that some workspace has enabled are called.
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
                hint="Save its settings first.",
            )


def record_problem_of_run(
    db: Connection, workspace: str, plugin: str, run_id: str, error: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    """Record that a run was refused, unless a problem is known already; return the known problem."""
    return rows.record_problem(db, workspace, plugin, {**_shown(error), "run_id": run_id, "since": now.isoformat()})


def clear_problem_after_run(db: Connection, run: Run) -> None:
    """Forget the connection's problem after a run has succeeded, if that shows that the problem is gone.

    If a run found the problem, only a run of the same kind with the same key proves it. If there are several keys, runs
    of one business unit have the same key. If a test found a missing permission, no run proves it, because the run may
    not need the permission.
    """
    workspace, plugin = run.workspace, run.plugin
    row = rows.load(db, workspace, plugin)
    problem = _problem(row)
    if row is None or problem is None or not steps.has_asked_a_service(db, run.id):
        return
    met = runs.find(db, problem["run_id"]) if problem["run_id"] else None
    if met is None and problem["code"] == "permission_missing":
        return
    if met is not None and (met.kind != run.kind or not rows.is_same_key(db, met, run)):
        return
    # If a test found the problem, its report is no longer true.
    tested = {} if met is not None else {"report": None, "checked_at": None}
    rows.change(db, workspace, plugin, problem=None, **tested)


def _refuse(tested: _Test, *, anyway: bool) -> None:
    found = _after(tested.report, None, tested.begun)
    if found and not anyway:
        raise ActionRefused(found["title"], hint=found["hint"], code="connection_refused")


def _not_asked(error: IntegrationError) -> ConnectionReport:
    """Return the report of a test that failed, so that nothing is known about the keys."""
    key = KeyReport(
        label="connection test",
        last4="",
        mode="",
        account="",
        status="unreachable",
        code=error.code,
        title=error.title,
        hint=error.hint,
    )
    return ConnectionReport((key,))


def _problem(row: RowMapping | None) -> dict[str, Any] | None:
    return (row["problem"] or None) if row else None


def _overall(keys: list[Mapping[str, Any]]) -> str:
    found = {key["status"] for key in keys}
    return next((status for status in _WORST_FIRST if status in found), "ok")


def _status(
    report: Mapping[str, Any], problem: Mapping[str, Any] | None, checked_at: datetime | None
) -> ConnectionStatus:
    if problem:
        return ConnectionStatus.NEEDS_ATTENTION
    if checked_at is None:
        return ConnectionStatus.UNTESTED
    is_unreachable = _overall(report["keys"]) == "unreachable"
    return ConnectionStatus.UNREACHABLE if is_unreachable else ConnectionStatus.OK


def _after(report: ConnectionReport, known: Mapping[str, Any] | None, now: datetime) -> dict[str, Any] | None:
    overall = _overall([asdict(key) for key in report.keys])
    if overall == "ok":
        return None
    if overall == "unreachable":
        return dict(known) if known else None
    worst = next(key for key in report.keys if key.status == overall)
    title = worst.title if len(report.keys) == 1 else f"{worst.label}: {worst.title}"
    before = known or {"run_id": None, "since": now.isoformat()}
    return {**_shown(asdict(worst)), "title": title, "run_id": before["run_id"], "since": before["since"]}


def _unfit_since(error: SettingsIncomplete, saved_at: datetime | None) -> dict[str, Any]:
    """Return the problem of settings that do not fit. It began when they were saved."""
    since = saved_at.isoformat() if saved_at else None
    return {"code": error.code, "title": error.title, "hint": error.hint, "run_id": None, "since": since}


def _shown(error: Mapping[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("code", "title", "hint")}
