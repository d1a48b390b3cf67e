"""``qwoty-host webhook …``"""

from __future__ import annotations

from typing import Any

import click

from .output import mark, print_json, print_run
from .session import (
    NOT_DONE,
    Session,
    exit_code_of_runs,
    json_option,
    timeout_option,
    wait_option,
    work_and_wait,
)


@click.group()
def webhook() -> None:
    """How the services reach this host."""


@webhook.command("status")
@click.argument("workspace", metavar="WS")
@json_option
@click.pass_obj
def status(session: Session, workspace: str, as_json: bool) -> None:
    """Show each webhook endpoint, its last event, and when it was last looked after."""
    with session.host() as host:
        found = host.upkeep.status(workspace)
    if as_json:
        print_json(found)
        return
    if not found["data"]:
        click.echo("No webhook endpoint yet; one is made with the first payment link.")
    for endpoint in found["data"]:
        _print_endpoint(endpoint)


@webhook.command("check")
@click.argument("workspace", metavar="WS")
@click.option("--roll-secrets", is_flag=True, help="Give every endpoint a new secret.")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def check(session: Session, workspace: str, roll_secrets: bool, wait: bool, timeout: float, as_json: bool) -> None:
    """Look after the webhook endpoints now, and for payments that nobody told us of.

    With --wait such payments are worked, too, before the command ends.
    """
    with session.host(runs=True) as host:
        from ..reports import find_run

        run_ids = host.upkeep.request(workspace, roll_secrets=roll_secrets)
        done = work_and_wait(host, run_ids, timeout=timeout) if wait else True
        found = [find_run(host.store, run_id) for run_id in run_ids]
        missed = [run_id for run in found for run_id in run["outcome"].get("found_runs", [])] if wait else []
        if missed:
            done = work_and_wait(host, missed, timeout=timeout) and done
            found += [find_run(host.store, run_id) for run_id in missed]
    if as_json:
        print_json({"data": found, "has_more": False})
    else:
        for run in found:
            print_run(run)
    if wait:
        raise SystemExit(exit_code_of_runs(found) if done else NOT_DONE)


def _print_endpoint(endpoint: dict[str, Any]) -> None:
    click.echo(f"{endpoint['plugin']}  {endpoint['mode']}, account {endpoint['account']}")
    click.echo(f"  endpoint     {endpoint['endpoint_id']}  {endpoint['url']}")
    click.echo(f"  last event   {_since(endpoint['last_event_at'], endpoint['last_event_age'])}")
    upkeep = endpoint["last_upkeep"]
    if upkeep is None:
        click.echo("  last upkeep  none yet")
        return
    click.echo(f"  last upkeep  {upkeep['created_at'][:16].replace('T', ' ')} UTC  {mark(upkeep['status'])}")
    for sentence in ([upkeep["error"]["title"]] if upkeep["error"] else []) + upkeep["notes"]:
        click.echo(f"    · {sentence}")


def _since(moment: str | None, seconds: int | None) -> str:
    if moment is None or seconds is None:
        return "none yet"
    return f"{moment[:16].replace('T', ' ')} UTC, {_age(seconds)} ago"


def _age(seconds: int) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} seconds"
