"""``qwoty-host test-connection``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .output import mark, minute, print_json, table
from .session import NOT_DONE, Session, explain, json_option, say

if TYPE_CHECKING:
    from ..host import Host

_MARKS = {"ok": "✓", "missing": "✗", "refused": "✗", "unreachable": "?", "unclear": "?"}
_SEEN_AS = {
    "ok": "succeeded",
    "needs_attention": "needs_attention",
    "settings_incomplete": "needs_attention",
    "unreachable": "waiting",
}
#: Of each status of a key, the words for people.
_WORDS = {"ok": "works", "missing": "lacks a right", "refused": "refused", "unreachable": "could not be tried"}
#: Of each status of a connection.
_SAID = {
    "ok": "works",
    "needs_attention": "needs attention",
    "settings_incomplete": "settings incomplete",
    "unreachable": "not tested",
    "untested": "not tested",
}


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
        found = [ask(workspace, plugin)] if plugin else host.connections.list(workspace)["data"]
        if not plugin and not last:
            found = [_tested(host, one) for one in found]
    if as_json:
        print_json(found[0] if plugin else {"workspace": workspace, "data": found})
    elif not found:
        say("No integration has settings in this workspace.")
    else:
        for one in found:
            print_connection(one)
    if any(one["status"] in {"needs_attention", "unreachable", "settings_incomplete"} for one in found):
        raise SystemExit(NOT_DONE)


def _tested(host: Host, known: dict[str, Any]) -> dict[str, Any]:
    """One of several after its test; where it cannot be tested, what is known, so that it hides no other."""
    from ..errors import DatabaseUnavailable, IntegrationError

    if not known["testable"] or known["status"] == "settings_incomplete":
        return known
    try:
        return host.connections.test(known["workspace"], known["plugin"])
    except DatabaseUnavailable:
        raise
    except IntegrationError as error:
        explain(error)
        return {**known, "status": "unreachable"}


def said_of(found: dict[str, Any]) -> str:
    """How a connection stands, in a line; an old test is none."""
    if not found["testable"] and not found["problem"]:
        return "this integration has no test"
    why = [found["problem"]["title"]] if found["problem"] else []
    if found["status"] == "unreachable":
        why = [key["title"] for key in found["keys"] if key["status"] == "unreachable"]
    return ", ".join((_SAID[found["status"]], *dict.fromkeys(why)))


def print_connection(found: dict[str, Any]) -> None:
    """A connection: each key with its rights, then what is wrong and what to do."""
    switch = "" if found["enabled"] else "  (not enabled)"
    tested = f"  tested {minute(found['checked_at'])} UTC" if found["checked_at"] else ""
    state = mark(_SEEN_AS.get(found["status"], "skipped"), _SAID[found["status"]])
    click.echo(f"{found['plugin']}  {state}{tested}{switch}")
    for key in found["keys"]:
        _print_key(key)
    for note in found["notes"]:
        click.echo(f"  · {note}")
    if found["problem"]:
        _print_problem(found)
    if found["outdated"] and found["status"] != "settings_incomplete":
        click.echo("  The settings were saved since: test the connection again.")


def _print_key(key: dict[str, Any]) -> None:
    click.echo(
        f"\n  {_MARKS[key['status']]} {key['label']}  •••• {key['last4']}  {key['mode']}  {_WORDS[key['status']]}"
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


def _print_problem(found: dict[str, Any]) -> None:
    problem = found["problem"]
    if found["status"] == "settings_incomplete":
        click.echo(f"\n  {problem['title']} [{problem['code']}]\n  → {problem['hint']}")
        return
    met = f" (run {problem['run_id']})" if problem["run_id"] else ""
    click.echo(f"\n  Needs attention since {minute(problem['since'])} UTC{met}: {problem['title']} [{problem['code']}]")
    # What a test found is said at its key.
    if problem["hint"] and problem["run_id"]:
        click.echo(f"  → {problem['hint']}")
    click.echo(f"  → Then: qwoty-host test-connection {found['workspace']} {found['plugin']}")
