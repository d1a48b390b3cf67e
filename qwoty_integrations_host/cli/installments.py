"""``qwoty-host installment …``"""

from __future__ import annotations

import click

from .output import print_installments, print_json, print_run
from .session import (
    NOT_DONE,
    Session,
    exit_code_of_runs,
    json_option,
    quote_id_of,
    timeout_option,
    wait_option,
    work_and_wait,
)


@click.group()
def installment() -> None:
    """The parts in which a quote is paid."""


@installment.command("list")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@json_option
@click.pass_obj
def list_installments(session: Session, workspace: str, quote_id: str, as_json: bool) -> None:
    """List a quote's installments: amount, due date, state, link. QUOTE is its number or its id."""
    with session.host() as host:
        from ..reports.quotes import quote_report

        quote_id = quote_id_of(host, workspace, quote_id)
        parts = quote_report(host.store, workspace, quote_id, host.clock.now())["installments"]
    print_json({"data": parts, "has_more": False}) if as_json else print_installments(parts)


@installment.command("send")
@click.argument("workspace", metavar="WS")
@click.argument("quote_id", metavar="QUOTE")
@click.option("--number", type=click.IntRange(1), metavar="N", help="Which one (default: the lowest unpaid one).")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def send(
    session: Session,
    workspace: str,
    quote_id: str,
    number: int | None,
    wait: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Mail the customer a payment link for an installment; an open link of the same one is replaced.

    QUOTE is the quote's number or its id.
    With --wait the service is asked first whether that is possible; without, what is on record decides.
    """
    with session.host(runs=True) as host:
        from ..reports.runs import find_run

        quote_id = quote_id_of(host, workspace, quote_id)
        run_id = host.runs.installments.request(workspace, quote_id, number, look_first=wait)
        done = work_and_wait(host, [run_id], timeout=timeout) if wait else True
        report = find_run(host.store, run_id)
    print_json(report) if as_json else print_run(report)
    if wait:
        raise SystemExit(exit_code_of_runs([report]) if done else NOT_DONE)
