"""A workspace's integrations: state, settings, enabling and disabling, and connection tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from ...contract.timezones import timezone_names
from ...errors import FieldProblem, InvalidInput, NotFound, SettingsError
from ...plugins.manager import PluginStatus
from ...reports.search import count_asking
from ...store import connections, runs
from ...store.inquiries import InquiryStatus
from ...store.platforms import PLATFORM
from ...workspaces.connection_status import ConnectionStatus
from ...workspaces.workspace import set_timezone
from .. import inquiries
from ..auth import the_host
from ..inquiries import InquiryKind
from . import filters
from .access_control import blueprint, redirect_to, session
from .form import Submitted, errors_of, fields_of, submitted, titles_of, typed_again
from .i18n import gettext as _
from .i18n import session_timezone
from .inquiries import current_inquiry


@blueprint.get("/")
def integrations() -> str:
    """List every installed integration with its state, and show the workspace's time zone."""
    return _overview(done=_DONE.get(request.args.get("done", ""), lambda: "")())


@blueprint.post("/timezone")
def save_timezone() -> Response:
    """Set the time zone in which the workspace's days are counted; an empty one removes it."""
    host, typed = the_host(), request.form.get("timezone", "").strip()
    try:
        set_timezone(host.store, host.clock, session().workspace, typed or None)
    except InvalidInput as error:
        message = filters.translated(error.problems[0].message)
        return make_response(_overview(typed=typed, error=message), 422)
    return redirect_to(url_for("console.integrations", done="saved", _anchor="days"))


def _overview(*, typed: str | None = None, error: str = "", done: str = "") -> str:
    host = the_host()
    installed = [status.id for status in host.plugins.statuses]
    missing = [plugin for plugin in host.settings.enabled_plugins(session().workspace) if plugin not in installed]
    with host.store.read() as db:
        open_runs = runs.count_open(db, session().workspace)
        open_quotes = count_asking(db, session().workspace, host.clock.now())
    invoicing = host.plugins.makers()
    states = [
        # Show the quotes that need a person with the integrations that create invoices, and open runs with their own.
        {**_state_of(plugin), "open": open_runs.get(plugin, 0), "quotes": open_quotes if plugin in invoicing else 0}
        for plugin in [*installed, *missing]
    ]
    zone = session_timezone()
    return render_template(
        "console/integrations.html",
        integrations=states,
        timezone=typed if typed is not None else zone.key if zone else "",
        timezones=timezone_names(),
        has_recipients=host.alert_recipients.exist(session().workspace),
        not_fetched=open_runs.get(PLATFORM, 0),
        error=error,
        done=done,
        lacking=host.runs.without_invoice.count(session().workspace),
    )


@blueprint.get("/integrations/<plugin>")
def integration(plugin: str) -> str:
    """Show an integration's settings and connection."""
    return _page(plugin)


@blueprint.post("/integrations/<plugin>")
def save_settings(plugin: str) -> Response:
    """Save the settings, and enable the integration on request, each after a connection test."""
    host, workspace = the_host(), session().workspace
    schema = host.plugins.manifest(plugin).settings_schema
    stored = host.settings.show(workspace, plugin)["settings"]
    sent = submitted(schema, request.form, stored)
    if sent.problems:
        return _rejected(plugin, tuple(sent.problems), sent, typed_again(schema, request.form, stored))
    then, typed = request.form.get("then"), typed_again(schema, request.form, stored)
    try:
        if then == "enable":
            _add_recipient(request.form.get("alerts_to", "").strip())
        test_id = inquiries.save_settings(workspace, plugin, sent.document, anyway=then == "save_anyway", typed=typed)
    except SettingsError as error:
        return _rejected(plugin, error.problems, sent, typed)
    if test_id is not None:
        # With htmx, the form stays in the browser and keeps the typed secrets.
        return _saving(plugin, test_id) if request.headers.get("HX-Request") else _back_to(plugin, test=test_id)
    return _enable(plugin, anyway=False) if then == "enable" else _back_to(plugin, done="saved")


@blueprint.get("/integrations/<plugin>/saving/<test_id>")
def saving(plugin: str, test_id: str) -> Response:
    """Return the fragment above the form while its settings are tested, or the test's errors."""
    return _saving(plugin, test_id)


def _saving(plugin: str, test_id: str) -> Response:
    inquiry = the_host().inquiries.find(session().workspace, test_id)
    if inquiry["status"] == InquiryStatus.SUCCEEDED:
        return _back_to(plugin, test=test_id)
    return _errors(plugin, _outcome(plugin, inquiry))


def _add_recipient(address: str) -> None:
    """Add the alert recipient that the form names. Raises: SettingsError at that field."""
    host = the_host()
    if not address:
        return
    try:
        with host.store.write() as db:
            host.alert_recipients.add(db, session().workspace, [address])
    except InvalidInput as error:
        raise SettingsError(error.title, [FieldProblem(("alerts_to",), error.problems[0].message)]) from error


@blueprint.post("/integrations/<plugin>/enable")
def enable(plugin: str) -> Response:
    """Enable the integration after a connection test; show the form with errors while the settings are invalid."""
    try:
        return _enable(plugin, anyway=request.form.get("anyway") == "on")
    except SettingsError as error:
        return _rejected(plugin, error.problems)


def _enable(plugin: str, *, anyway: bool) -> Response:
    """Enable the integration, after a connection test if it has one. Raises: SettingsError."""
    test_id = inquiries.enable_integration(session().workspace, plugin, anyway=anyway)
    return _back_to(plugin, done="enabled_untested") if test_id is None else _back_to(plugin, test=test_id)


@blueprint.post("/integrations/<plugin>/disable")
def disable(plugin: str) -> Response:
    """Disable the integration."""
    the_host().settings.disable(session().workspace, plugin)
    return _back_to(plugin, done="disabled")


@blueprint.post("/integrations/<plugin>/test")
def test_connection(plugin: str) -> Response:
    """Begin a connection test of the saved settings; it changes nothing at the service."""
    return _back_to(plugin, test=inquiries.test_connection(session().workspace, plugin), anchor="connection")


def _back_to(plugin: str, *, anchor: str | None = None, **query: Any) -> Response:
    return redirect_to(url_for("console.integration", plugin=plugin, **query, _anchor=anchor))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The result of a request on the integration's page: ``done``, or why not."""

    done: str = ""
    #: The inquiry's kind.
    kind: str = ""
    #: The inquiry, while it runs.
    testing: dict[str, Any] | None = None
    #: Error messages by field.
    errors: dict[str, str] = field(default_factory=dict)
    #: The connection test's error, because of which the settings were not saved.
    untrusted: Mapping[str, Any] | None = None
    #: Any other error.
    failed: Mapping[str, Any] | None = None
    #: The typed values, to show in the form.
    values: dict[str, Any] | None = None


def _outcome(plugin: str, inquiry: Mapping[str, Any]) -> _Outcome:
    """Return an inquiry's outcome, or that it is running."""
    kind, error = inquiry["kind"], inquiry["error"]
    if inquiry["status"] == InquiryStatus.RUNNING:
        return _Outcome(kind=kind, testing=dict(inquiry), values=inquiry["typed"])
    if inquiry["status"] == InquiryStatus.SUCCEEDED:
        connection = _state_of(plugin)["connection"]
        is_ok = bool(connection and connection["status"] == ConnectionStatus.OK)
        # A test that found a problem gets no notice: the connection's section shows the problem.
        done = {InquiryKind.CONNECTION_TEST: "tested" if is_ok else "", InquiryKind.SETTINGS_SAVE: "saved"}
        return _Outcome(done=done.get(kind, "enabled" if is_ok else "enabled_untested"))
    if error["problems"]:
        problems = tuple(FieldProblem(tuple(one["path"]), one["message"]) for one in error["problems"])
        return _Outcome(errors=_messages(plugin, problems), values=inquiry["typed"])
    if error["code"] != "connection_refused":
        return _Outcome(kind=kind, failed=error, values=inquiry["typed"])
    # If enabling fails, the page shows the connection's problem, and a button to enable the integration anyway.
    return _Outcome(untrusted=error, values=inquiry["typed"]) if kind == InquiryKind.SETTINGS_SAVE else _Outcome()


def _rejected(
    plugin: str,
    problems: tuple[FieldProblem, ...],
    sent: Submitted | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    """Return the form with errors at its fields."""
    outcome = _Outcome(errors=_messages(plugin, problems, sent), values=values)
    if request.headers.get("HX-Request"):
        return _errors(plugin, outcome, 422)
    return make_response(_page(plugin, outcome), 422)


def _messages(plugin: str, problems: tuple[FieldProblem, ...], sent: Submitted | None = None) -> dict[str, str]:
    schema = the_host().plugins.manifest(plugin).settings_schema
    return errors_of(schema, problems, sent, translate=lambda message: filters.translated(message, plugin))


def _errors(plugin: str, outcome: _Outcome, status: int = 200) -> Response:
    """Return the error messages alone: the form stays in the browser, with the typed secrets."""
    fields = {each.name: each for each in _fields(plugin, outcome.values, outcome.errors)}
    fragment = render_template(
        "console/settings_errors.html", fields=fields, titles_of=titles_of, plugin_id=plugin, outcome=outcome
    )
    return make_response(fragment, status)


def _fields(plugin: str, values: dict[str, Any] | None, errors: dict[str, str] | None) -> list[Any]:
    host = the_host()
    present = values if values is not None else host.settings.show(session().workspace, plugin)["settings"]
    return fields_of(host.plugins.manifest(plugin).settings_schema, present, errors)


def _page(plugin: str, outcome: _Outcome | None = None) -> str:
    host = the_host()
    host.plugins.status(plugin)
    if outcome is None:
        inquiry = current_inquiry(plugin)
        outcome = _outcome(plugin, inquiry) if inquiry else _Outcome(done=request.args.get("done", ""))
    state = _state_of(plugin)
    with host.store.read() as db:
        units = connections.recent_business_units(db, session().workspace)
    return render_template(
        "console/integration.html",
        it=state,
        fields=_fields(plugin, outcome.values, outcome.errors) if state["loaded"] else [],
        titles_of=titles_of,
        outcome=outcome,
        plugin_id=plugin,
        units=units,
        waiting=host.runs.without_invoice.count(session().workspace, plugin),
        has_recipients=host.alert_recipients.exist(session().workspace),
        testable=state["configured"] and host.plugins.implements(plugin, "check_connection"),
        done=_DONE.get(outcome.done, lambda: "")(),
    )


#: The notices after a redirect, by the URL's parameter ``done``.
_DONE = {
    "saved": lambda: _("Saved."),
    "enabled": lambda: _("Tested and switched on: accepted quotes are worked from now on."),
    "enabled_untested": lambda: _("Switched on: accepted quotes are worked from now on."),
    "disabled": lambda: _("Switched off: nothing happens to quotes from now on."),
    "tested": lambda: _("The connection was tested."),
}


def _enabled_state(connection: Mapping[str, Any] | None) -> str:
    """Return the state of an enabled integration: ``on`` only after a successful test, or without a test."""
    if connection is None:
        return "on"
    if connection["status"] in {ConnectionStatus.NEEDS_ATTENTION, ConnectionStatus.SETTINGS_INCOMPLETE}:
        return str(connection["status"])
    return "on" if connection["status"] == ConnectionStatus.OK or not connection["testable"] else "on_untested"


def _state_of(plugin: str) -> dict[str, Any]:
    """Return an integration's ``state`` in this workspace, with what explains it."""
    host, workspace = the_host(), session().workspace
    known = {each.id: each for each in host.plugins.statuses}
    status = known.get(plugin) or PluginStatus(plugin, "", "", "failed", _("It is switched on, but not installed."))
    loaded = host.plugins.is_loaded(plugin)
    manifest = host.plugins.manifest(plugin) if loaded else None
    enabled, configured = host.settings.is_enabled(workspace, plugin), host.settings.is_configured(workspace, plugin)
    try:
        connection = host.connections.show(workspace, plugin) if loaded and configured else None
    except NotFound:  # the settings were removed meanwhile
        connection = None
    state: str = "load_failed" if status.state == "failed" else status.state
    if loaded:
        state = _enabled_state(connection) if enabled else "off"
    modes = sorted({key["mode"] for key in connection["keys"] if key["mode"]}) if connection else []
    return {
        "id": plugin,
        "title": manifest.title if manifest else plugin,
        "schema": manifest.settings_schema if manifest else {},
        "origin": status.origin,
        "reason": " ".join([status.reason, *(f"{call}." for call in host.plugins.calls.abandoned(plugin))]).strip(),
        "loaded": loaded,
        "enabled": enabled,
        "configured": configured,
        "state": state,
        "connection": connection,
        "modes": modes,
    }
