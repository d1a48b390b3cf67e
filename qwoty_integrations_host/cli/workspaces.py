"""``qwoty-host workspace …`` and ``qwoty-host apikey …``"""

from __future__ import annotations

import click

from .output import print_json
from .session import Session, json_option, say


@click.group()
def workspace() -> None:
    """The tenants of this host."""


@workspace.command("add")
@click.argument("workspace_id", metavar="ID")
@json_option
@click.pass_obj
def add(session: Session, workspace_id: str, as_json: bool) -> None:
    """Add a workspace; adding it again changes nothing."""
    with session.host() as host:
        from ..store.workspaces import add_workspace

        with host.store.write() as db:
            added = add_workspace(db, workspace_id, host.clock.now())
    if as_json:
        print_json({"id": workspace_id, "added": added})
    else:
        click.echo(f"Workspace {workspace_id} " + ("added." if added else "was there already."))


@click.group()
def apikey() -> None:
    """Keys with which a platform calls the HTTP API."""


@apikey.command("create")
@click.argument("workspace_id", metavar="WS")
@json_option
@click.pass_obj
def create(session: Session, workspace_id: str, as_json: bool) -> None:
    """Make a bearer key for a workspace. It is shown this once."""
    with session.host() as host:
        from ..store.workspaces import create_api_key

        with host.store.write() as db:
            key = create_api_key(db, workspace_id, host.clock.now())
    if as_json:
        print_json({"key": key})
    else:
        say("Keep this key now; it is not shown again.")
        click.echo(key)
