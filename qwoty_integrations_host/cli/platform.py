"""``qwoty-host platform …``: where a workspace's quotes come from"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .output import minute, print_json, table
from .session import Session, json_option, read_json, say
from .settings import file_option


@click.group()
def platform() -> None:
    """Where a workspace's quotes come from, and how its events are signed."""


@platform.command("set")
@click.argument("workspace", metavar="WS")
@file_option
@json_option
@click.pass_obj
def set_platform(session: Session, workspace: str, path: str, as_json: bool) -> None:
    """Set the platform, and fetch again what needs attention. A token left out or empty keeps its stored value."""
    with session.host(runs=True) as host:
        shown = host.platforms.save(workspace, read_json(path))
    _show(shown, as_json)
    if shown["retried"]:
        say(f"{len(shown['retried'])} quotes that could not be fetched are tried again by the next worker.")


@platform.command("show")
@click.argument("workspace", metavar="WS")
@json_option
@click.pass_obj
def show(session: Session, workspace: str, as_json: bool) -> None:
    """Show the platform; of a secret only that it is set, and its last four characters."""
    with session.host() as host:
        _show(host.platforms.show(workspace), as_json)


@platform.command("remove")
@click.argument("workspace", metavar="WS")
@json_option
@click.pass_obj
def remove(session: Session, workspace: str, as_json: bool) -> None:
    """Forget the platform and its token: quotes are pushed in full. Signing secrets stay."""
    with session.host() as host:
        _show(host.platforms.remove(workspace), as_json)


@platform.group("signing-secret")
def signing_secret() -> None:
    """The secrets with which the platform signs its events; several are valid during a roll."""


@signing_secret.command("add")
@click.argument("workspace", metavar="WS")
@click.option("--file", "path", metavar="F", help="Take the platform's own secret from a file, or - for stdin.")
@json_option
@click.pass_obj
def add(session: Session, workspace: str, path: str | None, as_json: bool) -> None:
    """Make a signing secret. It is shown this once; those before stay valid."""
    given = None if path is None else _read_text(path)
    with session.host() as host:
        made = host.platforms.add_signing_secret(workspace, given)
    if given is not None:
        made = {"id": made["id"]}
    if as_json:
        print_json(made)
        return
    say(f"Signing secret {made['id']} is valid from now on.")
    if "secret" in made:
        say("Keep it now; it is not shown again.")
        click.echo(made["secret"])


@signing_secret.command("list")
@click.argument("workspace", metavar="WS")
@json_option
@click.pass_obj
def list_secrets(session: Session, workspace: str, as_json: bool) -> None:
    """List the signing secrets, oldest first."""
    with session.host() as host:
        signing_secrets = host.platforms.signing_secrets(workspace)
    if as_json:
        print_json({"data": signing_secrets, "has_more": False})
    else:
        rows = [(one["id"], minute(one["created_at"]), f"•••• {one['last4']}") for one in signing_secrets]
        click.echo(table(("id", "made (UTC)", "secret"), rows))


@signing_secret.command("remove")
@click.argument("workspace", metavar="WS")
@click.argument("secret_id", metavar="ID")
@json_option
@click.pass_obj
def remove_secret(session: Session, workspace: str, secret_id: str, as_json: bool) -> None:
    """From now on, refuse what is signed with this secret."""
    with session.host() as host:
        host.platforms.remove_signing_secret(workspace, secret_id)
    print_json({"id": secret_id, "removed": True}) if as_json else click.echo(f"Signing secret {secret_id} removed.")


def _read_text(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error


def _show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    click.echo(f"The quotes of {report['workspace']} come from {report['platform']}.")
    if report["base_url"]:
        click.echo(f"  base_url: {report['base_url']}")
        click.echo(f"  token: •••• {report['token']['last4']}")
        click.echo(f"  accepted_statuses: {', '.join(report['accepted_statuses'])}")
    for name in ("accepted_event_types", "cancelled_event_types", "cancelled_statuses"):
        click.echo(f"  {name}: {', '.join(report[name])}")
    click.echo(f"  signing secrets: {len(report['signing_secrets'])}")
