"""``qwoty-host plugin …``"""

from __future__ import annotations

import click

from .output import print_json, table
from .session import Session, json_option


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
