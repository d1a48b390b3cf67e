"""``qwoty-host webhook …``"""

from __future__ import annotations

from typing import Any

import click

from .output import mark, minute, print_json, print_run, table
from .session import (
    NOT_DONE,
    Session,
    exit_code_of_runs,
    json_option,
    say,
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
        report = host.upkeep.status(workspace)
    if as_json:
        print_json(report)
        return
    if not report["data"]:
        click.echo("No webhook endpoint yet; one is made with the first payment link.")
    for endpoint in report["data"]:
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
        from ..reports.runs import find_run

        run_ids = host.upkeep.request(workspace, roll_secrets=roll_secrets)
        done = work_and_wait(host, run_ids, timeout=timeout) if wait else True
        reports = [find_run(host.store, run_id) for run_id in run_ids]
        missed = [run_id for run in reports for run_id in run["outcome"].get("found_runs", [])] if wait else []
        if missed:
            done = work_and_wait(host, missed, timeout=timeout) and done
            reports += [find_run(host.store, run_id) for run_id in missed]
    if as_json:
        print_json({"data": reports, "has_more": False})
    else:
        for run in reports:
            print_run(run)
    if wait:
        raise SystemExit(exit_code_of_runs(reports) if done else NOT_DONE)


@webhook.command("list")
@click.argument("workspace", metavar="WS")
@click.option("--result", type=click.Choice(("verified", "duplicate", "refused")), help="Only these.")
@click.option("--plugin", metavar="PLUGIN", help="Only those of this integration's service.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@click.pass_obj
def list_deliveries(
    session: Session, workspace: str, result: str | None, plugin: str | None, limit: int, as_json: bool
) -> None:
    """List what was delivered, newest first: events, and refused deliveries by day and reason."""
    with session.host() as host:
        from ..reports.deliveries import list_deliveries as report

        page = report(host.store, workspace, result=result, plugin=plugin, limit=limit)
    if as_json:
        print_json(page)
        return
    header = ("received (UTC)", "plugin", "result", "times", "event", "what", "run")
    click.echo(table(header, [_delivery(one) for one in page["data"]], right=(3,)))
    if page["has_more"]:
        say(f"There are more; --limit {limit * 2} shows some of them.")


@webhook.command("replay")
@click.argument("workspace", metavar="WS")
@click.argument("plugin", metavar="PLUGIN")
@click.argument("event_id", metavar="EVENT_ID")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def replay(
    session: Session, workspace: str, plugin: str, event_id: str, wait: bool, timeout: float, as_json: bool
) -> None:
    """Work a stored event again, by its own run."""
    with session.host(runs=True) as host:
        from ..reports.runs import find_run

        run_id = host.runs.webhooks.replay(workspace, plugin, event_id)
        done = work_and_wait(host, [run_id], timeout=timeout) if wait else True
        report = find_run(host.store, run_id)
    print_json(report) if as_json else print_run(report)
    if wait:
        raise SystemExit(exit_code_of_runs([report]) if done else NOT_DONE)


def _delivery(one: dict[str, Any]) -> tuple[Any, ...]:
    is_event = one["result"] == "verified"
    what = (one["id"], one["type"]) if is_event else ("–", one["reason"])
    return (minute(one["received_at"]), one["plugin"], one["result"], one["times"], *what, one["run_status"] or "–")


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
