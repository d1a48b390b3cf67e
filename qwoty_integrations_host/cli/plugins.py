"""``qwoty-host plugin …``"""

from __future__ import annotations

from typing import Any

import click

from .output import mark, print_json, table
from .session import Session, json_option

_MARKS = {"loaded": "succeeded", "blocked": "skipped", "failed": "failed", "incompatible": "failed"}


@click.group()
def plugin() -> None:
    """The installed integrations."""


@plugin.command("list")
@json_option
@click.pass_obj
def list_plugins(session: Session, as_json: bool) -> None:
    """List every installed plugin, whether it loaded, and if not, why."""
    with session.host() as host:
        from ..reports import plugin_report

        items = [plugin_report(host.plugins, status.id) for status in host.plugins.statuses]
    if as_json:
        print_json({"data": items, "has_more": False})
    else:
        rows = [(i["id"], i["status"], f"{i['distribution']} {i['version']}", i["reason"]) for i in items]
        click.echo(table(("plugin", "status", "from", "reason"), rows))


@plugin.command("show")
@click.argument("plugin_id", metavar="PLUGIN")
@json_option
@click.pass_obj
def show(session: Session, plugin_id: str, as_json: bool) -> None:
    """Show one plugin: whether it loaded, if not why, its hooks, and what its import costs."""
    with session.host() as host:
        from ..reports import plugin_report

        found = plugin_report(host.plugins, plugin_id)
    print_json(found) if as_json else _print_plugin(found)


def _print_plugin(found: dict[str, Any]) -> None:
    click.echo(f"{found['id']}  {mark(_MARKS[found['status']], found['status'])}")
    click.echo(f"  from {found['distribution']} {found['version']}, imported in {found['import_ms']} ms")
    if found["reason"]:
        click.echo(f"  {found['reason']}")
    if found["title"]:
        click.echo(f"  {found['title']}: {found['description']}")
        click.echo(f"  capabilities: {', '.join(found['capabilities']) or '–'}")
        click.echo(f"  hook API {found['hook_api']}: {', '.join(found['hooks'])}")
        click.echo(f"  settings schema: {found['settings_schema_id'] or '(without $id)'}")
