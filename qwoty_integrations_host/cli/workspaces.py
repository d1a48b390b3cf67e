"""``qwoty-host workspace …`` and ``qwoty-host apikey …``"""

from __future__ import annotations

import click

from .output import minute, print_json, table
from .session import Session, json_option, say, warn_no_recipients


@click.group()
def workspace() -> None:
    """The tenants of this host."""


@workspace.command("add")
@click.argument("workspace_id", metavar="ID")
@click.option(
    "--alerts-to",
    "alerts_to",
    multiple=True,
    metavar="ADDRESS",
    help="Whom to tell by mail when something needs a person; several times for several people.",
)
@json_option
@click.pass_obj
def add(session: Session, workspace_id: str, alerts_to: tuple[str, ...], as_json: bool) -> None:
    """Add a workspace; adding it again changes nothing, except that new people are told as well."""
    with session.host(begins=True) as host:
        from ..store.workspaces import add_workspace

        with host.store.write() as db:
            added = add_workspace(db, workspace_id, host.clock.now())
            if alerts_to:
                host.alert_recipients.add(db, workspace_id, alerts_to)
        has_recipients = host.alert_recipients.exist(workspace_id)
    if as_json:
        print_json({"id": workspace_id, "added": added})
    else:
        click.echo(f"Workspace {workspace_id} " + ("added." if added else "was there already."))
    if not has_recipients:
        warn_no_recipients(workspace_id)


@workspace.command("set")
@click.argument("workspace_id", metavar="WS")
@click.option(
    "--timezone",
    required=True,
    metavar="NAME",
    help='Where days are counted: an IANA name such as Europe/Paris; "" for each quote\'s own offset.',
)
@json_option
@click.pass_obj
def set_workspace(session: Session, workspace_id: str, timezone: str, as_json: bool) -> None:
    """Set the time zone in which a workspace's days are counted."""
    with session.host() as host:
        from ..workspaces.workspace import set_timezone

        set_timezone(host.store, host.clock, workspace_id, timezone.strip() or None)
    if as_json:
        print_json({"id": workspace_id, "timezone": timezone.strip() or None})
    else:
        where = f"in {timezone.strip()}" if timezone.strip() else "in each quote's own offset"
        click.echo(f"Days of workspace {workspace_id} are counted {where}.")


@click.group()
def apikey() -> None:
    """Keys with which a platform calls the HTTP API."""


@apikey.command("create")
@click.argument("workspace_id", metavar="WS")
@click.option("--name", metavar="TEXT", help="What it is for.")
@click.option(
    "--scope", "scopes", multiple=True, metavar="S", help="read, write or admin; several times (default: all)."
)
@json_option
@click.pass_obj
def create(session: Session, workspace_id: str, name: str | None, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a bearer key for a workspace. It is shown this once."""
    with session.host() as host:
        from ..workspaces import api_keys

        made = api_keys.create(host.store, host.clock, workspace_id, name=name, scopes=scopes)
    if as_json:
        print_json(made)
    else:
        say(f"Keep this key now; it is not shown again. It may {', '.join(made['scopes'])}.")
        click.echo(made["key"])


@apikey.command("list")
@click.argument("workspace_id", metavar="WS")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@click.pass_obj
def list_keys(session: Session, workspace_id: str, limit: int, as_json: bool) -> None:
    """List a workspace's keys, newest first: what they may do, and when they were last used."""
    with session.host() as host:
        from ..workspaces import api_keys

        page = api_keys.list_keys(host.store, workspace_id, limit=limit)
    if as_json:
        print_json(page)
        return
    names = ("created_at", "last_used_at", "revoked_at")
    rows = [
        (key["id"], key["name"] or "", " ".join(key["scopes"]), *(minute(key[name]) for name in names))
        for key in page["data"]
    ]
    click.echo(table(("id", "name", "scopes", "made (UTC)", "last used (UTC)", "revoked (UTC)"), rows))


@apikey.command("revoke")
@click.argument("workspace_id", metavar="WS")
@click.argument("key_id", metavar="ID")
@json_option
@click.pass_obj
def revoke(session: Session, workspace_id: str, key_id: str, as_json: bool) -> None:
    """Close a key for good, by its id in the list."""
    with session.host() as host:
        from ..workspaces import api_keys

        revoked = api_keys.revoke(host.store, host.clock, workspace_id, key_id)
    print_json(revoked) if as_json else click.echo(f"The key {key_id} opens nothing any more.")
