"""``qwoty-host accept`` and ``quote …``"""

from __future__ import annotations

from typing import Any

import click

from .output import print_installments, print_json, print_run
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


@quote.command("show")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id")
@json_option
@click.pass_obj
def show(session: Session, workspace: str, quote_id: str, as_json: bool) -> None:
    """Show a quote's invoice, payments, installments and runs."""
    with session.host() as host:
        from ..reports import quote_report

        report = quote_report(host.store, workspace, quote_id, host.clock.now())
    if as_json:
        print_json(report)
        return
    invoice = report["invoice"]
    click.echo(f"Quote {quote_id}")
    if invoice is None:
        click.echo("  No invoice yet.")
    else:
        click.echo(f"  Invoice {invoice['number'] or invoice['id']} is {report['payment_status']}.")
        click.echo(f"  Paid {report['amount_paid']} of {report['total']} {report['currency']}.")
        if report["amount_paid_outside"]:
            outside = f"{report['amount_paid_outside']} {report['currency']}"
            click.echo(f"  Settled outside {invoice['service'] or 'the service'}: {outside}.")
        if report["amount_overpaid"]:
            click.echo(f"  Overpaid by {report['amount_overpaid']} {report['currency']}.")
        print_installments(report["installments"])
    for run in report["runs"]:
        print_run(run)
