"""The integrations of a workspace: how each stands, its settings, switching it on and off, testing its connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import ActionRefused, FieldProblem, InvalidInput, NotFound, SettingsError
from ...finding import count_asking
from ...plugins import PluginStatus
from ...store import connections, runs
from ...store.platforms import PLATFORM
from ...timezones import timezone_names
from ...workspaces import set_timezone
from ..auth import the_host
from . import shown
from .form import Submitted, errors_of, fields_of, submitted, titles_of, typed_again
from .guard import blueprint, go_to, session
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
    then = request.form.get("then")
    try:
        if then == "enable":
            _tell_too(request.form.get("alerts_to", "").strip())
        host.connections.save(workspace, plugin, sent.document, anyway=then == "save_anyway")
    except SettingsError as error:
        return _refused(plugin, error.problems, sent, typed_again(schema, request.form, shown))
    except ActionRefused as error:
        return _refused(plugin, (), sent, typed_again(schema, request.form, shown), untrusted=error)
    return _switch_on(plugin, anyway=False) if then == "enable" else _back_to(plugin, done="saved")


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
    """Switch on, or lead to what the test found, where the second choice is. Raises: SettingsError."""
    try:
        found = the_host().connections.enable(session().workspace, plugin, anyway=anyway)
    except ActionRefused:
        return _back_to(plugin, done="not_enabled")
    return _back_to(plugin, done="enabled" if found["connection"]["status"] == "ok" else "enabled_untested")


@blueprint.post("/integrations/<plugin>/disable")
def disable(plugin: str) -> Response:
    """Switch off."""
    the_host().settings.disable(session().workspace, plugin)
    return _back_to(plugin, done="disabled")


@blueprint.post("/integrations/<plugin>/test")
def test_connection(plugin: str) -> Response:
    """Try the saved settings at the service, without any effect there."""
    the_host().connections.test(session().workspace, plugin)
    return _back_to(plugin, done="tested", anchor="connection")


def _back_to(plugin: str, *, done: str, anchor: str | None = None) -> Response:
    return go_to(url_for("console.integration", plugin=plugin, done=done, _anchor=anchor))


def _refused(
    plugin: str,
    problems: tuple[FieldProblem, ...],
    sent: Submitted | None = None,
    values: dict[str, Any] | None = None,
    *,
    untrusted: ActionRefused | None = None,
) -> Response:
    """The form again, with what is wrong: at its fields, or (``untrusted``) as the test of the connection found."""
    schema = the_host().plugins.manifest(plugin).settings_schema
    errors = errors_of(schema, problems, sent, said=lambda sentence: shown.said(sentence, plugin))
    if request.headers.get("HX-Request"):
        # The sentences alone: the form stays as it is, with the secrets that were typed.
        names = {field.name: field for field in _fields(plugin, values, errors)}
        return make_response(
            render_template(
                "console/settings_errors.html",
                fields=names,
                errors=errors,
                titles_of=titles_of,
                untrusted=untrusted,
                plugin_id=plugin,
            ),
            422,
        )
    return make_response(_page(plugin, values, errors, untrusted), 422)


def _fields(plugin: str, values: dict[str, Any] | None, errors: dict[str, str] | None) -> list[Any]:
    host = the_host()
    present = values if values is not None else host.settings.show(session().workspace, plugin)["settings"]
    return fields_of(host.plugins.manifest(plugin).settings_schema, present, errors)


def _page(
    plugin: str,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    untrusted: ActionRefused | None = None,
) -> str:
    host = the_host()
    host.plugins.status(plugin)
    standing = _standing(plugin)
    connection, done = standing["connection"], request.args.get("done", "")
    if done == "tested" and connection and connection["status"] != "ok":
        done = ""  # what the test found is said instead
    with host.store.read() as db:
        units = connections.recent_business_units(db, session().workspace)
    return render_template(
        "console/integration.html",
        it=standing,
        fields=_fields(plugin, values, errors) if standing["loaded"] else [],
        errors=errors or {},
        titles_of=titles_of,
        untrusted=untrusted,
        plugin_id=plugin,
        units=units,
        waiting=host.uninvoiced.count(session().workspace, plugin),
        told=host.alerts.tells_somebody(session().workspace),
        testable=standing["configured"] and host.plugins.implements(plugin, "check_connection"),
        done=_DONE.get(done, lambda: "")(),
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
        "reason": " ".join([status.reason, *(f"{call}." for call in host.plugins.calls.left(plugin))]).strip(),
        "loaded": loaded,
        "enabled": enabled,
        "configured": configured,
        "state": state,
        "connection": connection,
        "modes": modes,
    }
