"""``qwoty-host run …``"""

from __future__ import annotations

from typing import Any

import click

from .output import minute, print_json, print_run, table
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
def run() -> None:
    """The work of integrations on quotes."""


@run.command("list")
@click.option("--quote", "quote_id", metavar="QUOTE", help="Only the runs of this quote: its number or its id.")
@click.option("--status", metavar="STATE", help="Only those in this state, such as needs_attention or failed.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--all", "quiet", is_flag=True, help="Also upkeep that had nothing to do.")
@click.option("--without-invoice", is_flag=True, help="Only those that made no invoice for want of something.")
@json_option
@click.pass_obj
def list_runs(
    session: Session,
    quote_id: str | None,
    status: str | None,
    limit: int,
    quiet: bool,
    without_invoice: bool,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    from ..quotes.run import RunStatus

    if status not in {None, *RunStatus}:
        raise click.BadParameter(f"Choose one of {', '.join(RunStatus)}.", param_hint="--status")
    with session.host() as host:
        from ..reports.runs import list_runs as report

        only: dict[str, Any] = {
            "quote_id": quote_id,
            "status": status,
            "quiet": quiet,
            "without_invoice": without_invoice,
        }
        page = report(host.store, limit=limit, **only)
    if as_json:
        print_json(page)
        return
    names = ("id", "workspace", "plugin", "kind", "quote_id", "status")
    click.echo(table((*names, "why"), [[*(item[name] for name in names), _why(item)] for item in page["data"]]))
    if page["has_more"]:
        say(f"There are more; --limit {limit * 2} shows some of them.")


def _why(item: dict[str, Any]) -> str:
    """Return briefly why a run did not succeed, and when a waiting run continues."""
    from ..quotes.run import lacks_something

    if not item["error"]:
        return ""
    if lacks_something(item["kind"], item["status"], item["error"]):
        return str(item["error"]["title"])
    goes_on = f", goes on {minute(item['waits_until'])} UTC" if item["waits_until"] else ""
    return f"{item['error']['code']}{goes_on}"


@run.command("show")
@click.argument("run_id", metavar="ID")
@json_option
@click.pass_obj
def show(session: Session, run_id: str, as_json: bool) -> None:
    """Show a run: its timeline, its outcome, and what to do."""
    with session.host() as host:
        from ..reports.runs import find_run

        report = find_run(host.store, run_id)
    print_json(report) if as_json else print_run(report)


@run.command("retry")
@click.argument("run_id", metavar="[ID]", required=False)
@click.option("--all-failed", is_flag=True, help="Every run that failed, instead of one.")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def retry(session: Session, run_id: str | None, all_failed: bool, wait: bool, timeout: float, as_json: bool) -> None:
    """Try a run again that did not succeed; what it has done already is not done twice."""
    if (run_id is None) != all_failed:
        raise click.UsageError("Give the run's ID, or --all-failed.")
    with session.host(runs=True) as host:
        from ..reports.runs import find_run

        run_ids = host.runs.control.retry_all_failed() if run_id is None else [host.runs.control.retry(run_id)]
        done = work_and_wait(host, run_ids, timeout=timeout) if wait and run_ids else True
        reports = [find_run(host.store, each) for each in run_ids]
    if as_json:
        print_json({"data": reports, "has_more": False} if all_failed else reports[0])
    else:
        for each in reports:
            print_run(each)
    if not reports:
        say("No run has failed.")
    if wait:
        raise SystemExit(exit_code_of_runs(reports) if done else NOT_DONE)


@run.command("undo")
@click.argument("run_id", metavar="ID")
@wait_option
@timeout_option
@json_option
@click.pass_obj
def undo(session: Session, run_id: str, wait: bool, timeout: float, as_json: bool) -> None:
    """Take back what a run made and is not final: a draft, an open link. It says what only a person can do."""
    with session.host(runs=True) as host:
        from ..reports.runs import find_run

        undoing = host.runs.cancellation.undo(run_id)
        done = work_and_wait(host, [undoing], timeout=timeout) if wait else True
        report = find_run(host.store, undoing)
    print_json(report) if as_json else print_run(report)
    if wait:
        raise SystemExit(exit_code_of_runs([report]) if done else NOT_DONE)


@run.command("dismiss")
@click.argument("run_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="What was done about it; shown on the run.")
@json_option
@click.pass_obj
def dismiss(session: Session, run_id: str, reason: str, as_json: bool) -> None:
    """Say that a run which needs attention, failed or waits was dealt with by a person."""
    with session.host() as host:
        from ..reports.runs import find_run

        host.runs.control.dismiss(run_id, reason)
        report = find_run(host.store, run_id)
    print_json(report) if as_json else print_run(report)
