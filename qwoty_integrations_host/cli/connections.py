"""``qwoty-host test-connection``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..run_status import RunStatus
from ..workspaces.connection_status import ConnectionStatus
from .output import mark, minute, print_json, table
from .session import NOT_DONE, Session, explain, json_option, say

if TYPE_CHECKING:
    from ..host import Host

_MARKS = {"ok": "✓", "missing": "✗", "refused": "✗", "unreachable": "?", "unclear": "?"}
#: The run status that has the mark of each state of a connection.
_SHOWN_AS = {
    ConnectionStatus.OK: RunStatus.SUCCEEDED,
    ConnectionStatus.NEEDS_ATTENTION: RunStatus.NEEDS_ATTENTION,
    ConnectionStatus.SETTINGS_INCOMPLETE: RunStatus.NEEDS_ATTENTION,
    ConnectionStatus.UNREACHABLE: RunStatus.WAITING,
    ConnectionStatus.UNTESTED: RunStatus.SKIPPED,
}
#: The labels of a key's status.
_KEY_LABELS = {"ok": "works", "missing": "lacks a right", "refused": "refused", "unreachable": "could not be tried"}
#: The labels of a connection's status.
_LABELS = {
    ConnectionStatus.OK: "works",
    ConnectionStatus.NEEDS_ATTENTION: "needs attention",
    ConnectionStatus.SETTINGS_INCOMPLETE: "settings incomplete",
    ConnectionStatus.UNREACHABLE: "not tested",
    ConnectionStatus.UNTESTED: "not tested",
}
_NOT_WELL = {ConnectionStatus.NEEDS_ATTENTION, ConnectionStatus.UNREACHABLE, ConnectionStatus.SETTINGS_INCOMPLETE}


@click.command("test-connection")
@click.argument("workspace", metavar="WS")
@click.argument("plugin", required=False)
@click.option("--last", is_flag=True, help="Show the last test and what runs met since; no network.")
@json_option
@click.pass_obj
def test_connection(session: Session, workspace: str, plugin: str | None, last: bool, as_json: bool) -> None:
    """Try the saved keys at the service, without any effect there: what each may do, and what to tick.

    Without PLUGIN, of every integration that has settings. Exit code 1 when a key is refused, lacks a right, or could
    not be tried.
    """
    with session.host() as host:
        ask = host.connections.show if last else host.connections.test
        reports = [ask(workspace, plugin)] if plugin else host.connections.list(workspace)["data"]
        if not plugin and not last:
            reports = [_tested(host, one) for one in reports]
    if as_json:
        print_json(reports[0] if plugin else {"workspace": workspace, "data": reports})
    elif not reports:
        say("No integration has settings in this workspace.")
    else:
        for one in reports:
            print_connection(one)
    if any(one["status"] in _NOT_WELL for one in reports):
        raise SystemExit(NOT_DONE)


def _tested(host: Host, known: dict[str, Any]) -> dict[str, Any]:
    """Test one of several connections; when that is impossible, return its last report, so that the others follow."""
    from ..errors import DatabaseUnavailable, IntegrationError

    if not known["testable"] or known["status"] == ConnectionStatus.SETTINGS_INCOMPLETE:
        return known
    try:
        return host.connections.test(known["workspace"], known["plugin"])
    except DatabaseUnavailable:
        raise
    except IntegrationError as error:
        explain(error)
        return {**known, "status": ConnectionStatus.UNREACHABLE}


def summary_of(report: dict[str, Any]) -> str:
    """Return a connection's state in a line."""
    if not report["testable"] and not report["problem"]:
        return "this integration has no test"
    why = [report["problem"]["title"]] if report["problem"] else []
    if report["status"] == ConnectionStatus.UNREACHABLE:
        why = [key["title"] for key in report["keys"] if key["status"] == "unreachable"]
    return ", ".join((_LABELS[report["status"]], *dict.fromkeys(why)))


def print_connection(report: dict[str, Any]) -> None:
    """Print a connection: each key with its rights, then the problem and what to do."""
    switch = "" if report["enabled"] else "  (not enabled)"
    tested = f"  tested {minute(report['checked_at'])} UTC" if report["checked_at"] else ""
    state = mark(_SHOWN_AS[report["status"]], _LABELS[report["status"]])
    click.echo(f"{report['plugin']}  {state}{tested}{switch}")
    for key in report["keys"]:
        _print_key(key)
    for note in report["notes"]:
        click.echo(f"  · {note}")
    if report["problem"]:
        _print_problem(report)
    if report["outdated"] and report["status"] != ConnectionStatus.SETTINGS_INCOMPLETE:
        click.echo("  The settings were saved since: test the connection again.")


def _print_key(key: dict[str, Any]) -> None:
    click.echo(
        f"\n  {_MARKS[key['status']]} {key['label']}  •••• {key['last4']}  {key['mode']}  {_KEY_LABELS[key['status']]}"
    )
    if key["title"]:
        click.echo(f"    {key['title']}")
    if key["hint"]:
        click.echo(f"    → {key['hint']}")
    if key["rights"]:
        accesses = list(dict.fromkeys(right["access"] for right in key["rights"]))
        click.echo()
        click.echo("\n".join(f"    {line}" for line in table(("", *accesses), _rows(key, accesses)).splitlines()))


def _rows(key: dict[str, Any], accesses: list[str]) -> list[list[str]]:
    marks = {
        (right["resource"], right["access"]): f"{_MARKS[right['status']]} {right['status']}" for right in key["rights"]
    }
    resources = dict.fromkeys(right["resource"] for right in key["rights"])
    return [[resource, *(marks.get((resource, access), "") for access in accesses)] for resource in resources]


def _print_problem(report: dict[str, Any]) -> None:
    problem = report["problem"]
    if report["status"] == ConnectionStatus.SETTINGS_INCOMPLETE:
        click.echo(f"\n  {problem['title']} [{problem['code']}]\n  → {problem['hint']}")
        return
    met = f" (run {problem['run_id']})" if problem["run_id"] else ""
    click.echo(f"\n  Needs attention since {minute(problem['since'])} UTC{met}: {problem['title']} [{problem['code']}]")
    # A test's hint is printed at its key.
    if problem["hint"] and problem["run_id"]:
        click.echo(f"  → {problem['hint']}")
    click.echo(f"  → Then: qwoty-host test-connection {report['workspace']} {report['plugin']}")
