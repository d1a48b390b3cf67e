"""``qwoty-host accept`` and ``quote …``"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from .output import minute, print_json, print_quote, print_run, table
from .session import (
    NOT_DONE,
    Session,
    exit_code_of_runs,
    json_option,
    read_json,
    say,
    timeout_option,
    wait_option,
    work_and_wait,
)

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.argument("workspace", metavar="WS")
@click.argument("path", metavar="QUOTE.json")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def accept(session: Session, workspace: str, path: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Take an accepted quote: one run per enabled integration. The same quote twice makes nothing twice."""
    with session.host(runs=True) as host:
        from ..reports import find_run

        accepted = host.runs.accept(workspace, read_json(path))
        done = work_and_wait(host, accepted.run_ids, timeout=timeout) if wait and accepted.run_ids else True
        runs = [find_run(host.store, run_id) for run_id in accepted.run_ids]
    if not runs:
        say("No integration is enabled for this workspace, so nothing was started.")
    elif accepted.corrected:
        say("This quote was accepted before and has changed since: its runs take up the change, unless it is too late.")
    elif accepted.duplicate:
        say("This quote was accepted before; these are its runs.")
    if as_json:
        corrected = {"corrected": True} if accepted.corrected else {}
        print_json({"quote_id": accepted.quote_id, "duplicate": accepted.duplicate, **corrected, "runs": runs})
    else:
        _print_runs(runs, waited=wait)
    if wait:
        raise SystemExit(exit_code_of_runs(runs) if done else NOT_DONE)


def _print_runs(runs: list[dict[str, Any]], *, waited: bool) -> None:
    for run in runs:
        print_run(run)
    if runs and not waited:
        say("A worker takes it up: `qwoty-host serve`, or any command with --wait.")


@click.group()
def quote() -> None:
    """What became of a quote."""


@quote.command("list")
@click.argument("workspace", metavar="WS")
@click.option(
    "--search",
    metavar="TEXT",
    help="Words of a quote: number, customer, e-mail, invoice number, in_…, cus_…, amount; beginnings are enough.",
)
@click.option("--status", metavar="STATE", help="Only those in this state, such as overdue or needs_attention.")
@click.option("--from", "first", type=_DAY, metavar="DATE", help="Only those of this day and later: 2026-03-10.")
@click.option("--until", "last", type=_DAY, metavar="DATE", help="Only those of this day and earlier.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@click.pass_obj
def list_quotes(
    session: Session,
    workspace: str,
    search: str | None,
    status: str | None,
    first: datetime | None,
    last: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List a workspace's quotes, newest first. Days are counted in the workspace's time zone."""
    from ..finding import QUOTE_STATES, Asked
    from ..reports import list_quotes as report

    if status not in {None, *QUOTE_STATES}:
        raise click.BadParameter(f"Choose one of {', '.join(QUOTE_STATES)}.", param_hint="--status")
    with session.host() as host:
        asked = Asked(
            search=search,
            state=status,
            first=first.date() if first else None,
            last=last.date() if last else None,
        )
        found = report(host.store, workspace, host.clock.now(), limit=limit, asked=asked)
    if as_json:
        print_json(found)
        return
    click.echo(table(("id", "number", "customer", "total", "state", "received (UTC)"), map(_row, found["data"])))
    if found["has_more"]:
        say(f"There are more; --limit {limit * 2} shows some of them.")


def _row(quote: dict[str, Any]) -> tuple[str, ...]:
    total = quote["total"] or quote["signed_total"]
    amount = f"{total} {quote['currency']}" if total else "–"
    return (
        quote["quote_id"],
        quote["number"],
        quote["customer_name"],
        amount,
        quote["standing"]["state"],
        minute(quote["received_at"]),
    )


@quote.command("show")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@json_option
@click.pass_obj
def show(session: Session, workspace: str, quote_id: str, as_json: bool) -> None:
    """Show a quote's invoice, payments, installments and runs. QUOTE is its number or its id."""
    with session.host() as host:
        from ..finding import quote_id_of
        from ..reports import quote_report

        quote_id = quote_id_of(host.store, workspace, quote_id)
        report = quote_report(host.store, workspace, quote_id, host.clock.now())
    if as_json:
        print_json(report)
        return
    print_quote(workspace, report)
