"""``qwoty-host invoice …``"""

from __future__ import annotations

import click

from .output import print_json, print_run
from .session import (
    NOT_DONE,
    Session,
    exit_code_of_runs,
    json_option,
    quote_id_of,
    say,
    timeout_option,
    wait_option,
    work_and_wait,
)


@click.group()
def invoice() -> None:
    """The invoices that were made of quotes."""


@invoice.command("void")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def void(session: Session, workspace: str, quote_id: str, yes: bool, wait: bool, timeout: float, as_json: bool) -> None:
    """Void a quote's final invoice of which nothing is paid. That cannot be taken back.

    Nothing more is made or sent; accepted again, the quote gets a new invoice.
    """
    with session.host(runs=True) as host:
        from ..reports.quotes import quote_report
        from ..reports.runs import find_run

        quote_id = quote_id_of(host, workspace, quote_id)
        invoice_facts = quote_report(host.store, workspace, quote_id, host.clock.now())["invoice"]
        host.runs.cancellation.voiding_plugin(
            workspace, quote_id
        )  # raises before the confirmation when voiding is impossible
        which = f"invoice {invoice_facts['number'] or invoice_facts['id']}"
        if not yes and not click.confirm(f"Void {which}? That cannot be taken back.", err=True):
            say("Nothing was changed.")
            raise SystemExit(NOT_DONE)
        run_id = host.runs.cancellation.void(workspace, quote_id)
        done = work_and_wait(host, [run_id], timeout=timeout) if wait else True
        report = find_run(host.store, run_id)
    print_json(report) if as_json else print_run(report)
    if wait:
        raise SystemExit(exit_code_of_runs([report]) if done else NOT_DONE)
