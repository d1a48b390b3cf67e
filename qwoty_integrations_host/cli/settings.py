"""``qwoty-host settings …``, ``enable`` and ``disable``"""

from __future__ import annotations

from typing import Any

import click

from .output import print_json
from .session import INVALID_SETTINGS, Session, explain, json_option, read_json, say, say_nobody_is_told

file_option = click.option("--file", "path", required=True, metavar="F", help="A JSON file, or - for stdin.")
_CONNECTION = ("status", "problem", "outdated", "checked_at")


@click.group()
def settings() -> None:
    """A workspace's settings of an integration."""


@settings.command("set")
@click.argument("workspace", metavar="WS")
@click.argument("plugin")
@file_option
@json_option
@click.pass_obj
def set_settings(session: Session, workspace: str, plugin: str, path: str, as_json: bool) -> None:
    """Replace the settings. A secret left out or empty keeps its stored value; null removes it."""
    with session.host() as host:
        _show(host.settings.save(workspace, plugin, read_json(path)), as_json)
        if host.connections.show(workspace, plugin)["problem"]:
            say("The connection needs attention until a test succeeds; saving alone proves nothing.")
            say(f"  → qwoty-host test-connection {workspace} {plugin}")


@settings.command("show")
@click.argument("workspace", metavar="WS")
@click.argument("plugin")
@json_option
@click.pass_obj
def show(session: Session, workspace: str, plugin: str, as_json: bool) -> None:
    """Show the settings; of a secret only that it is set, and its last four characters."""
    with session.host() as host:
        shown = host.settings.show(workspace, plugin)
        if host.settings.is_configured(workspace, plugin):
            found = host.connections.show(workspace, plugin)
            shown = {**shown, "connection": {name: found[name] for name in _CONNECTION}}
    _show(shown, as_json)


@settings.command("validate")
@click.argument("plugin")
@file_option
@json_option
@click.pass_obj
def validate(session: Session, plugin: str, path: str, as_json: bool) -> None:
    """Check a settings file without storing it."""
    with session.host() as host:
        from ..errors import SettingsError

        try:
            host.settings.validate(plugin, read_json(path))
        except SettingsError as error:
            problems = [{"path": list(p.path), "message": p.message} for p in error.problems]
            if as_json:
                print_json({"valid": False, "problems": problems})
            explain(error)
            raise SystemExit(INVALID_SETTINGS) from None
    if as_json:
        print_json({"valid": True, "problems": []})
    else:
        click.echo("The settings are valid.")


@click.command()
@click.argument("workspace", metavar="WS")
@click.argument("plugin")
@json_option
@click.pass_obj
def enable(session: Session, workspace: str, plugin: str, as_json: bool) -> None:
    """Switch an integration on for a workspace; refused without valid settings."""
    with session.host() as host:
        _show(host.settings.enable(workspace, plugin), as_json)
        if not host.alerts.tells_somebody(workspace):
            say_nobody_is_told(workspace)


@click.command()
@click.argument("workspace", metavar="WS")
@click.argument("plugin")
@json_option
@click.pass_obj
def disable(session: Session, workspace: str, plugin: str, as_json: bool) -> None:
    """Switch an integration off: it gets no call for this workspace any more."""
    with session.host() as host:
        _show(host.settings.disable(workspace, plugin), as_json)


def _show(shown: Any, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    click.echo(f"{shown['plugin']} is {'enabled' if shown['enabled'] else 'disabled'} for {shown['workspace']}.")
    for name, value in shown.get("settings", {}).items():
        click.echo(f"  {name}: {_value(value)}")
    if "connection" in shown:
        problem = shown["connection"]["problem"]
        click.echo(f"Connection: {shown['connection']['status']}" + (f", {problem['title']}" if problem else ""))


def _value(value: Any) -> str:
    if isinstance(value, dict) and value.get("set"):
        return f"•••• {value['last4']}"
    if isinstance(value, dict):
        return ", ".join(f"{row} {_value(inner)}" for row, inner in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
