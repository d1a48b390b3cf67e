"""``qwoty-host accept`` and ``quote …``"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from .output import TONES, mark, minute, print_json, print_quote, print_run, standing_text, table
from .session import (
    NOT_DONE,
    Session,
    exit_code_of_runs,
    json_option,
    quote_id_of,
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
        from ..reports.runs import find_run

        accepted = host.runs.acceptance.accept(workspace, read_json(path))
        done = work_and_wait(host, accepted.run_ids, timeout=timeout) if wait and accepted.run_ids else True
        runs = [find_run(host.store, run_id) for run_id in accepted.run_ids]
    if accepted.cancelled:
        say("This document says that the quote is cancelled: nothing more is made of it or sent.")
    elif not runs:
        say("No integration is enabled for this workspace, so nothing was started. The quote is kept.")
        say(f"  → Switch one on, then: qwoty-host quote run {workspace} {accepted.quote_id}")
    elif accepted.anew:
        say("This quote was cancelled or undone: accepted again, it begins anew.")
    elif accepted.corrected:
        say("This quote was accepted before and has changed since: its runs take up the change, unless it is too late.")
    elif accepted.duplicate:
        say("This quote was accepted before; these are its runs.")
    if as_json:
        more = {name: True for name in ("corrected", "anew", "cancelled") if getattr(accepted, name)}
        print_json({"quote_id": accepted.quote_id, "duplicate": accepted.duplicate, **more, "runs": runs})
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
@click.option("--asking", is_flag=True, help="Only those that stay as they are until a person acts.")
@click.option("--without-invoice", is_flag=True, help="Only signed quotes that have none, and why.")
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
    asking: bool,
    without_invoice: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List a workspace's quotes, newest first. Days are counted in the workspace's time zone."""
    from ..reports.quotes import list_quotes as report
    from ..reports.search import QUOTE_STATES, QuoteFilter

    if status not in {None, *QUOTE_STATES}:
        raise click.BadParameter(f"Choose one of {', '.join(QUOTE_STATES)}.", param_hint="--status")
    with session.host() as host:
        quote_filter = QuoteFilter(
            search=search,
            state=status,
            first=first.date() if first else None,
            last=last.date() if last else None,
            asking=asking,
            without_invoice=without_invoice,
        )
        page = report(host.store, workspace, host.clock.now(), limit=limit, quote_filter=quote_filter)
    if as_json:
        print_json(page)
        return
    click.echo(table(("id", "number", "customer", "total", "state", "received (UTC)"), map(_row, page["data"])))
    if page["has_more"]:
        say(f"There are more; --limit {limit * 2} shows some of them.")
    if without_invoice and page["data"]:
        say(f"  → qwoty-host quote run {workspace} ID")


def _state(standing: dict[str, Any]) -> str:
    """Return a standing's label; when a person has to act, with the sentence."""
    text = standing_text(standing) if standing["tone"] in {"attention", "bad"} else standing["label"]
    return click.unstyle(mark(TONES[standing["tone"]], text))


def _row(quote: dict[str, Any]) -> tuple[str, ...]:
    total = quote["total"] or quote["signed_total"]
    amount = f"{total} {quote['currency']}" if total else "–"
    return (
        quote["quote_id"],
        quote["number"],
        quote["customer_name"],
        amount,
        _state(quote["standing"]),
        minute(quote["received_at"]),
    )


@quote.command("run")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@click.option("--plugin", metavar="ID", help="Only this integration (default: all that are enabled).")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def run_quote(
    session: Session, workspace: str, quote_id: str, plugin: str | None, wait: bool, timeout: float, as_json: bool
) -> None:
    """Run a quote that was not worked: nothing was enabled, or something was missing. What succeeded is left alone."""
    with session.host(runs=True) as host:
        from ..reports.runs import find_run

        quote_id = quote_id_of(host, workspace, quote_id)
        run_ids = host.runs.acceptance.run(workspace, quote_id, plugin)
        done = work_and_wait(host, run_ids, timeout=timeout) if wait else True
        runs = [find_run(host.store, run_id) for run_id in run_ids]
    if as_json:
        print_json({"quote_id": quote_id, "runs": runs})
    else:
        _print_runs(runs, waited=wait)
    if wait:
        raise SystemExit(exit_code_of_runs(runs) if done else NOT_DONE)


@quote.command("dismiss")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@click.option("--reason", required=True, metavar="TEXT", help="What was done about it; shown on its run.")
@json_option
@click.pass_obj
def dismiss(session: Session, workspace: str, quote_id: str, reason: str, as_json: bool) -> None:
    """Say that a quote without an invoice needs none any more, since a person has dealt with it."""
    with session.host() as host:
        from ..reports.quotes import quote_report

        quote_id = quote_id_of(host, workspace, quote_id)
        host.runs.without_invoice.dismiss(workspace, quote_id, reason)
        report = quote_report(host.store, workspace, quote_id, host.clock.now())
    if as_json:
        print_json(report)
    else:
        _print_runs(report["runs"], waited=True)


@quote.command("show")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@json_option
@click.pass_obj
def show(session: Session, workspace: str, quote_id: str, as_json: bool) -> None:
    """Show a quote's invoice, payments, installments and runs. QUOTE is its number or its id."""
    with session.host() as host:
        from ..reports.quotes import quote_report

        quote_id = quote_id_of(host, workspace, quote_id)
        report = quote_report(host.store, workspace, quote_id, host.clock.now())
    if as_json:
        print_json(report)
        return
    print_quote(workspace, report)


@quote.command("cancel")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown beside the quote.")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def cancel(
    session: Session, workspace: str, quote_id: str, reason: str, wait: bool, timeout: float, as_json: bool
) -> None:
    """Cancel a quote: nothing more is made or sent, and each integration takes back what is not final.

    Accepted again, the quote begins anew.
    """
    with session.host(runs=True) as host:
        from ..reports.runs import find_run

        quote_id = quote_id_of(host, workspace, quote_id)
        result = host.runs.cancellation.cancel(workspace, quote_id, reason=reason)
        done = work_and_wait(host, result.run_ids, timeout=timeout) if wait and result.run_ids else True
        runs = [find_run(host.store, run_id) for run_id in result.run_ids]
    say("This quote was cancelled before." if result.duplicate else "The quote is cancelled.")
    if not runs:
        say("No integration has anything to take back.")
    if as_json:
        print_json({"quote_id": quote_id, "duplicate": result.duplicate, "runs": runs})
    else:
        _print_runs(runs, waited=wait)
    if wait:
        raise SystemExit(exit_code_of_runs(runs) if done else NOT_DONE)
