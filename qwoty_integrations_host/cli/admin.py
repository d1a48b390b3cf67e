"""``qwoty-host admin …``: who may open the console."""

from __future__ import annotations

import sys

import click

from .output import minute, print_json, table
from .session import Session, json_option, say

role_option = click.option(
    "--role", type=click.Choice(("viewer", "admin")), default="admin", show_default=True, help="What it may do."
)


@click.group()
def admin() -> None:
    """Who may open the console."""


@admin.command("login-link")
@click.argument("workspace_id", metavar="WS")
@role_option
@json_option
@click.pass_obj
def login_link(session: Session, workspace_id: str, role: str, as_json: bool) -> None:
    """Print an address that logs in to the console, once, within 15 minutes."""
    with session.host() as host:
        from ..web.sessions import login_link as make

        url = make(host, workspace_id, role)
    if as_json:
        print_json({"workspace": workspace_id, "role": role, "url": url})
    else:
        say("It works once, within 15 minutes. Whoever opens it is logged in.")
        click.echo(url)


@admin.command("sessions")
@click.argument("workspace_id", metavar="WS")
@json_option
@click.pass_obj
def sessions(session: Session, workspace_id: str, as_json: bool) -> None:
    """List who is logged in to the console."""
    with session.host() as host:
        from ..web.sessions import list_open

        open_sessions = list_open(host.store, host.clock, workspace_id)
    if as_json:
        print_json({"data": open_sessions})
        return
    rows = [(one["id"], one["role"], minute(one["created_at"]), minute(one["expires_at"])) for one in open_sessions]
    click.echo(table(("id", "role", "since (UTC)", "until (UTC)"), rows) if rows else "Nobody is logged in.")


@admin.command("revoke")
@click.argument("workspace_id", metavar="WS")
@click.argument("session_id", metavar="[ID]", required=False)
@click.option("--all", "everyone", is_flag=True, help="Everybody of the workspace.")
@json_option
@click.pass_obj
def revoke(session: Session, workspace_id: str, session_id: str | None, everyone: bool, as_json: bool) -> None:
    """Log somebody out of the console, by the id in the list, or everybody."""
    if (session_id is None) != everyone:
        raise click.UsageError("Give the session's ID, or --all.")
    with session.host() as host:
        from ..web.sessions import revoke as close

        revoked = close(host.store, host.clock, workspace_id, session_id)
    print_json({"revoked": revoked}) if as_json else click.echo(f"Logged out: {len(revoked)}.")


def _read_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, default="", show_default=False)
    return typed


@admin.command("set-password")
@click.argument("workspace_id", metavar="WS")
@role_option
@click.option("--remove", is_flag=True, help="Take the role's password away instead.")
@json_option
@click.pass_obj
def set_password(session: Session, workspace_id: str, role: str, remove: bool, as_json: bool) -> None:
    """Give a role a password for the console, read from stdin."""
    password = "" if remove else _read_password()
    with session.host() as host:
        from ..web.sessions import remove_password
        from ..web.sessions import set_password as put

        if remove:
            remove_password(host.store, host.clock, workspace_id, role)
        else:
            put(host.store, host.clock, workspace_id, role, password)
    if as_json:
        print_json({"workspace": workspace_id, "role": role, "set": bool(password)})
    else:
        click.echo("The password is set." if password else "There is no password any more.")
