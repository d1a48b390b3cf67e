"""``qwoty-host settings …``, ``enable`` and ``disable``"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .connections import summary_of
from .output import print_json
from .session import Session, explain, json_option, read_json, say, warn_no_recipients

if TYPE_CHECKING:
    from ..host import Host

file_option = click.option("--file", "path", required=True, metavar="F", help="A JSON file, or - for stdin.")
anyway_option = click.option("--anyway", is_flag=True, help="Also when the test of the connection finds a problem.")


@click.group()
def settings() -> None:
    """A workspace's settings of an integration."""


@settings.command("set")
@click.argument("workspace", metavar="WS")
@click.argument("plugin")
@file_option
@anyway_option
@json_option
@click.pass_obj
def set_settings(session: Session, workspace: str, plugin: str, path: str, anyway: bool, as_json: bool) -> None:
    """Replace the settings. A secret left out or empty keeps its stored value; null removes it.

    The settings of an integration that is on are tested first.
    """
    command = f"qwoty-host settings set {workspace} {plugin} --file {path} --anyway"
    with (
        session.host(runs=True) as host,
        _refusal(f"Not saved. The settings of before stay; save these anyway: {command}"),
    ):
        saved = host.connections.save(workspace, plugin, read_json(path), anyway=anyway)
        _show(saved, as_json)
        if saved["connection"]["problem"] and saved["connection"]["outdated"]:
            say("The connection needs attention until a test succeeds; saving alone proves nothing.")
            say(f"  → qwoty-host test-connection {workspace} {plugin}")
        if host.settings.is_enabled(workspace, plugin):
            _offer(host, workspace, plugin)


@settings.command("show")
@click.argument("workspace", metavar="WS")
@click.argument("plugin")
@json_option
@click.pass_obj
def show(session: Session, workspace: str, plugin: str, as_json: bool) -> None:
    """Show the settings; of a secret only that it is set, and its last four characters."""
    with session.host() as host:
        shown = host.connections.settings_of(workspace, plugin)
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
            raise SystemExit(error.exit_code) from None
    if as_json:
        print_json({"valid": True, "problems": []})
    else:
        click.echo("The settings are valid.")


@click.command()
@click.argument("workspace", metavar="WS")
@click.argument("plugin")
@anyway_option
@click.option("--run-waiting", is_flag=True, help="Also run the signed quotes that have no invoice yet.")
@json_option
@click.pass_obj
def enable(session: Session, workspace: str, plugin: str, anyway: bool, run_waiting: bool, as_json: bool) -> None:
    """Test the connection, and switch an integration on for a workspace; refused without valid settings.

    A service that cannot be reached stops nobody: the connection is then not tested. It says how many quotes wait.
    """
    command = f"qwoty-host enable {workspace} {plugin} --anyway{' --run-waiting' if run_waiting else ''}"
    with session.host(runs=run_waiting) as host:
        with _refusal(f"Not switched on. Switch it on anyway: {command}"):
            shown = host.connections.enable(workspace, plugin, anyway=anyway)
        run_ids = host.runs.acceptance.run_all(workspace, plugin) if run_waiting else []
        _show({**shown, **({"run_ids": run_ids} if run_waiting else {})}, as_json)
        if run_waiting:
            say(f"{len(run_ids)} {'quote is' if len(run_ids) == 1 else 'quotes are'} run: qwoty-host run list")
        _offer(host, workspace, plugin)
        if not host.alert_recipients.exist(workspace):
            warn_no_recipients(workspace)


def _offer(host: Host, workspace: str, plugin: str) -> None:
    """Tell how many signed quotes wait for an integration; they never run automatically."""
    if number := host.runs.without_invoice.count(workspace, plugin):
        say(f"{number} signed {'quote has' if number == 1 else 'quotes have'} no invoice yet. Some may be old.")
        say(f"  → See them: qwoty-host quote list {workspace} --without-invoice")
        say(f"  → Run all of them: qwoty-host enable {workspace} {plugin} --run-waiting")


@contextmanager
def _refusal(choice: str) -> Iterator[None]:
    """Add an alternative to the hint of a failed connection test."""
    from ..errors import ActionRefused

    try:
        yield
    except ActionRefused as error:
        if error.code != "connection_refused":
            raise
        raise ActionRefused(error.title, hint=f"{error.hint}\n  → {choice}", code=error.code) from error


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
    if shown.get("connection"):
        click.echo(f"Connection: {summary_of(shown['connection'])}")


def _value(value: Any) -> str:
    if isinstance(value, dict) and value.get("set"):
        return f"•••• {value['last4']}"
    if isinstance(value, dict):
        return ", ".join(f"{row} {_value(inner)}" for row, inner in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
