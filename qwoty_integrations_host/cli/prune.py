"""``qwoty-host prune``"""

from __future__ import annotations

import click

from .output import print_json, table
from .session import Session, json_option, say

_LABELS = {
    "jobs": "jobs of the engine",
    "runs": "ended runs",
    "upkeep_runs": "upkeep that went well",
    "timelines": "timelines of runs that stay",
    "webhook_bodies": "bodies of webhooks",
    "alerts": "alerts",
    "leases": "leases of dead workers",
    "deaths": "deaths at jobs that are over",
    "idempotency_keys": "answers under idempotency keys",
    "inquiries": "tests that were asked for by HTTP",
    "sessions": "sessions of the console that are over",
    "login_links": "login links nobody used",
    "audit": "entries of the audit log",
    "webhook_refusals": "counts of refused webhooks",
    "paces": "paces of requests",
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Count what would go, and let it be.")
@json_option
@click.pass_obj
def prune(session: Session, dry_run: bool, as_json: bool) -> None:
    """Delete what is older than it needs to be. What makes things happen once is kept for good."""
    with session.host(runs=True) as host:
        counts = host.pruning.prune(dry_run=dry_run)
        keep_days = host.config.keep_days
    if as_json:
        print_json({"dry_run": dry_run, "keep_days": keep_days, "pruned": counts})
        return
    click.echo(table(("what", "number"), [(_LABELS[name], number) for name, number in counts.items()], right=(1,)))
    say("Nothing was deleted." if dry_run else f"Ended runs are kept for {keep_days} days.")
