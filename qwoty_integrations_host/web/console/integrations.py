"""The integrations of a workspace: how each stands, its settings, switching it on and off, testing its connection."""

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
from ...store.platforms import PLATFORM
from ...workspaces.workspace import set_timezone
from .. import asking
from ..auth import the_host
from . import shown
from .form import Submitted, errors_of, fields_of, submitted, titles_of, typed_again
from .guard import blueprint, go_to, session
from .tested import asked_for
from .words import gettext as _
from .words import session_timezone


@blueprint.get("/")
def integrations() -> str:
    """Every installed integration: off, on, needing attention, or failed to load; and where days are counted."""
    return _overview(done=_DONE.get(request.args.get("done", ""), lambda: "")())


@blueprint.post("/timezone")
def save_timezone() -> Response:
    """Set the time zone in which the workspace's days are counted; empty takes it away."""
    host, typed = the_host(), request.form.get("timezone", "").strip()
    try:
        set_timezone(host.store, host.clock, session().workspace, typed or None)
    except InvalidInput as error:
        problem = shown.said(error.problems[0].message)
        return make_response(_overview(typed=typed, error=problem), 422)
    return go_to(url_for("console.integrations", done="saved", _anchor="days"))


def _overview(*, typed: str | None = None, error: str = "", done: str = "") -> str:
    host = the_host()
    installed = [status.id for status in host.plugins.statuses]
    gone = [plugin for plugin in host.settings.enabled_plugins(session().workspace) if plugin not in installed]
    with host.store.read() as db:
        to_look_at = runs.count_open(db, session().workspace)
        asking = count_asking(db, session().workspace, host.clock.now())
    makers = host.plugins.makers()
    found = [
        # Whatever asks a person about a quote is about its invoice, or about a run.
        {**_standing(plugin), "open": to_look_at.get(plugin, 0), "quotes": asking if plugin in makers else 0}
        for plugin in [*installed, *gone]
    ]
    zone = session_timezone()
    return render_template(
        "console/integrations.html",
        integrations=found,
        timezone=typed if typed is not None else zone.key if zone else "",
        timezones=timezone_names(),
        told=host.alerts.tells_somebody(session().workspace),
        not_fetched=to_look_at.get(PLATFORM, 0),
        error=error,
        done=done,
        lacking=host.uninvoiced.count(session().workspace),
    )


@blueprint.get("/integrations/<plugin>")
def integration(plugin: str) -> str:
    """One integration's settings and connection."""
    return _page(plugin)


@blueprint.post("/integrations/<plugin>")
def save_settings(plugin: str) -> Response:
    """Save the settings, and switch the integration on when that was asked for; each is tested first."""
    host, workspace = the_host(), session().workspace
    schema = host.plugins.manifest(plugin).settings_schema
    shown = host.settings.show(workspace, plugin)["settings"]
    sent = submitted(schema, request.form, shown)
    if sent.problems:
        return _refused(plugin, tuple(sent.problems), sent, typed_again(schema, request.form, shown))
    then, typed = request.form.get("then"), typed_again(schema, request.form, shown)
    try:
        if then == "enable":
            _tell_too(request.form.get("alerts_to", "").strip())
        test_id = asking.save(workspace, plugin, sent.document, anyway=then == "save_anyway", typed=typed)
    except SettingsError as error:
        return _refused(plugin, error.problems, sent, typed)
    if test_id is not None:
        # The form stays in the browser, with the secrets that were typed.
        return _saving(plugin, test_id) if request.headers.get("HX-Request") else _back_to(plugin, test=test_id)
    return _switch_on(plugin, anyway=False) if then == "enable" else _back_to(plugin, done="saved")


@blueprint.get("/integrations/<plugin>/saving/<test_id>")
def saving(plugin: str, test_id: str) -> Response:
    """What stands above the form while its settings are tested, and what came of it."""
    return _saving(plugin, test_id)


def _saving(plugin: str, test_id: str) -> Response:
    found = the_host().inquiries.find(session().workspace, test_id)
    if found["status"] == "succeeded":
        return _back_to(plugin, test=test_id)
    return _errors(plugin, _outcome(plugin, found))


def _tell_too(address: str) -> None:
    """Tell whoever was entered beside the switch, too. Raises: SettingsError at that field."""
    host = the_host()
    if not address:
        return
    try:
        with host.store.write() as db:
            host.alerts.tell_too(db, session().workspace, [address])
    except InvalidInput as error:
        raise SettingsError(error.title, [FieldProblem(("alerts_to",), error.problems[0].message)]) from error


@blueprint.post("/integrations/<plugin>/enable")
def enable(plugin: str) -> Response:
    """Switch on after a test; settings that are not valid yet are explained on the form."""
    try:
        return _switch_on(plugin, anyway=request.form.get("anyway") == "on")
    except SettingsError as error:
        return _refused(plugin, error.problems)


def _switch_on(plugin: str, *, anyway: bool) -> Response:
    """Switch on, after a test where there is one. Raises: SettingsError."""
    test_id = asking.enable(session().workspace, plugin, anyway=anyway)
    return _back_to(plugin, done="enabled_untested") if test_id is None else _back_to(plugin, test=test_id)


@blueprint.post("/integrations/<plugin>/disable")
def disable(plugin: str) -> Response:
    """Switch off."""
    the_host().settings.disable(session().workspace, plugin)
    return _back_to(plugin, done="disabled")


@blueprint.post("/integrations/<plugin>/test")
def test_connection(plugin: str) -> Response:
    """Try the saved settings at the service, without any effect there."""
    return _back_to(plugin, test=asking.test(session().workspace, plugin), anchor="connection")


def _back_to(plugin: str, *, anchor: str | None = None, **about: Any) -> Response:
    return go_to(url_for("console.integration", plugin=plugin, **about, _anchor=anchor))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the page says of what was asked: ``done``, or why not."""

    done: str = ""
    #: What was asked for.
    kind: str = ""
    #: It is still being tested.
    testing: dict[str, Any] | None = None
    #: Sentences by field.
    errors: dict[str, str] = field(default_factory=dict)
    #: What the test of settings found, which are not saved therefore.
    untrusted: Mapping[str, Any] | None = None
    #: Why nothing came of it.
    failed: Mapping[str, Any] | None = None
    #: What the form shows: what was typed.
    values: dict[str, Any] | None = None


def _outcome(plugin: str, found: Mapping[str, Any]) -> _Outcome:
    """What came of a test, or that it is under way."""
    kind, error = found["kind"], found["error"]
    if found["status"] == "running":
        return _Outcome(kind=kind, testing=dict(found), values=found["typed"])
    if found["status"] == "succeeded":
        connection = _standing(plugin)["connection"]
        is_well = bool(connection and connection["status"] == "ok")
        # What the test found is said instead.
        words = {asking.CONNECTION: "tested" if is_well else "", asking.SAVE: "saved"}
        return _Outcome(done=words.get(kind, "enabled" if is_well else "enabled_untested"))
    if error["problems"]:
        problems = tuple(FieldProblem(tuple(one["path"]), one["message"]) for one in error["problems"])
        return _Outcome(errors=_sentences(plugin, problems), values=found["typed"])
    if error["code"] != "connection_refused":
        return _Outcome(kind=kind, failed=error, values=found["typed"])
    # The page shows what is wrong with saved settings, and the second choice.
    return _Outcome(untrusted=error, values=found["typed"]) if kind == asking.SAVE else _Outcome()


def _refused(
    plugin: str,
    problems: tuple[FieldProblem, ...],
    sent: Submitted | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    """The form again, with what is wrong at its fields."""
    outcome = _Outcome(errors=_sentences(plugin, problems, sent), values=values)
    if request.headers.get("HX-Request"):
        return _errors(plugin, outcome, 422)
    return make_response(_page(plugin, outcome), 422)


def _sentences(plugin: str, problems: tuple[FieldProblem, ...], sent: Submitted | None = None) -> dict[str, str]:
    schema = the_host().plugins.manifest(plugin).settings_schema
    return errors_of(schema, problems, sent, said=lambda sentence: shown.said(sentence, plugin))


def _errors(plugin: str, outcome: _Outcome, status: int = 200) -> Response:
    """The sentences alone: the form stays as it is, with the secrets that were typed."""
    names = {each.name: each for each in _fields(plugin, outcome.values, outcome.errors)}
    page = render_template(
        "console/settings_errors.html", fields=names, titles_of=titles_of, plugin_id=plugin, outcome=outcome
    )
    return make_response(page, status)


def _fields(plugin: str, values: dict[str, Any] | None, errors: dict[str, str] | None) -> list[Any]:
    host = the_host()
    present = values if values is not None else host.settings.show(session().workspace, plugin)["settings"]
    return fields_of(host.plugins.manifest(plugin).settings_schema, present, errors)


def _page(plugin: str, outcome: _Outcome | None = None) -> str:
    host = the_host()
    host.plugins.status(plugin)
    if outcome is None:
        found = asked_for(plugin)
        outcome = _outcome(plugin, found) if found else _Outcome(done=request.args.get("done", ""))
    standing = _standing(plugin)
    with host.store.read() as db:
        units = connections.recent_business_units(db, session().workspace)
    return render_template(
        "console/integration.html",
        it=standing,
        fields=_fields(plugin, outcome.values, outcome.errors) if standing["loaded"] else [],
        titles_of=titles_of,
        outcome=outcome,
        plugin_id=plugin,
        units=units,
        waiting=host.uninvoiced.count(session().workspace, plugin),
        told=host.alerts.tells_somebody(session().workspace),
        testable=standing["configured"] and host.plugins.implements(plugin, "check_connection"),
        done=_DONE.get(outcome.done, lambda: "")(),
    )


#: What is said after something was done, by the word in the address.
_DONE = {
    "saved": lambda: _("Saved."),
    "enabled": lambda: _("Tested and switched on: accepted quotes are worked from now on."),
    "enabled_untested": lambda: _("Switched on: accepted quotes are worked from now on."),
    "disabled": lambda: _("Switched off: nothing happens to quotes from now on."),
    "tested": lambda: _("The connection was tested."),
}


def _switched_on(connection: Mapping[str, Any] | None) -> str:
    """The state of an integration that is on: a tick is for what a test found to work, or what has no test."""
    if connection is None:
        return "on"
    if connection["status"] in {"needs_attention", "settings_incomplete"}:
        return str(connection["status"])
    return "on" if connection["status"] == "ok" or not connection["testable"] else "on_untested"


def _standing(plugin: str) -> dict[str, Any]:
    """How an integration stands in this workspace: ``state``, and what there is to say about it."""
    host, workspace = the_host(), session().workspace
    known = {each.id: each for each in host.plugins.statuses}
    status = known.get(plugin) or PluginStatus(plugin, "", "", "failed", _("It is switched on, but not installed."))
    loaded = host.plugins.is_loaded(plugin)
    manifest = host.plugins.manifest(plugin) if loaded else None
    enabled, configured = host.settings.is_enabled(workspace, plugin), host.settings.is_configured(workspace, plugin)
    try:
        connection = host.connections.show(workspace, plugin) if loaded and configured else None
    except NotFound:  # the settings were taken away between two looks
        connection = None
    state: str = "load_failed" if status.state == "failed" else status.state
    if loaded:
        state = _switched_on(connection) if enabled else "off"
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
