"""``qwoty-host plugin …``"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from ..run_status import RunStatus
from .output import mark, print_json, table
from .session import NOT_DONE, Session, json_option, known_errors, say

#: The run status that has the mark of each state of a plugin.
_SHOWN_AS = {
    "loaded": RunStatus.SUCCEEDED,
    "blocked": RunStatus.SKIPPED,
    "failed": RunStatus.FAILED,
    "incompatible": RunStatus.FAILED,
}


@click.group()
def plugin() -> None:
    """The installed integrations."""


@plugin.command("list")
@json_option
@click.pass_obj
def list_plugins(session: Session, as_json: bool) -> None:
    """List every installed plugin, whether it loaded, and if not, why."""
    with session.plugins() as plugins:
        from ..reports.installed import plugin_report

        items = [plugin_report(plugins, status.id) for status in plugins.statuses]
    if as_json:
        print_json({"data": items, "has_more": False})
    else:
        rows = [(i["id"], i["status"], f"{i['distribution']} {i['version']}", i["reason"]) for i in items]
        click.echo(table(("plugin", "status", "from", "reason"), rows))


@plugin.command("show")
@click.argument("plugin_id", metavar="PLUGIN")
@json_option
@click.pass_obj
def show(session: Session, plugin_id: str, as_json: bool) -> None:
    """Show one plugin: whether it loaded, if not why, its hooks, and what its import costs."""
    with session.plugins() as plugins:
        from ..reports.installed import plugin_report

        report = plugin_report(plugins, plugin_id)
    print_json(report) if as_json else _print_plugin(report)


def _print_plugin(report: dict[str, Any]) -> None:
    click.echo(f"{report['id']}  {mark(_SHOWN_AS[report['status']], report['status'])}")
    click.echo(f"  from {report['distribution']} {report['version']}, imported in {report['import_ms']} ms")
    if report["reason"]:
        click.echo(f"  {report['reason']}")
    if report["title"]:
        click.echo(f"  {report['title']}: {report['description']}")
        click.echo(f"  capabilities: {', '.join(report['capabilities']) or '–'}")
        click.echo(f"  hook API {report['hook_api']}: {', '.join(report['hooks'])}")
        click.echo(f"  settings schema: {report['settings_schema_id'] or '(without $id)'}")


@plugin.command()
@click.argument("name")
@json_option
def new(name: str, as_json: bool) -> None:
    """Make the folder NAME here: a small plugin that works, with its tests.

    Write on in it; docs/writing-a-plugin.md goes on from there.
    """
    with known_errors():
        from ..scaffold import create, plugin_id_of

        folder = create(name, Path.cwd())
        plugin_id = plugin_id_of(name)
    if as_json:
        made = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        print_json({"folder": str(folder), "plugin": plugin_id, "files": made})
        return
    distribution = "qwoty-" + plugin_id.replace("_", "-")
    click.echo(f"Made {name}/, the plugin {plugin_id}. Next:\n")
    click.echo(f"  cd {name}\n  pip install -e '.[testing]'\n  pytest")
    click.echo(f"  qwoty-host plugin check {distribution} --tests tests")


@plugin.command()
@click.argument("distribution", metavar="DIST")
@click.option(
    "--tests",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Your own conformance tests, with settings and a stand-in for the service.",
)
@json_option
def check(distribution: str, tests: Path | None, as_json: bool) -> None:
    """Check an installed distribution against the contract, and grade it.

    Without --tests the settings are made from the schema, and what needs the plugin's service is not checked. Exit code
    1 when it is not conformant.
    """
    if not find_spec("pytest") or not find_spec("hypothesis"):
        say("Error: Checking a plugin needs the extra `testing`.")
        say("  → pip install 'qwoty-integrations-host[testing]'")
        raise SystemExit(NOT_DONE)
    with known_errors():
        from ..testing.grading import grade

        verdict = grade(distribution, tests).document()
    if as_json:
        print_json(verdict)
    else:
        _print_grade(verdict, derived=tests is None)
    if verdict["grade"] == "not conformant":
        raise SystemExit(NOT_DONE)


def _print_grade(verdict: dict[str, Any], *, derived: bool) -> None:
    counts = " · ".join(f"{count} {result.replace('_', ' ')}" for result, count in verdict["counts"].items())
    click.echo(f"{verdict['distribution']} {verdict['version']} is {verdict['grade']}\n  {counts}")
    for check in (one for one in verdict["checks"] if one["result"] == "failed"):
        click.echo(f"\n✘ {check['plugin']}: {check['check']}".replace("✘ : ", "✘ "))
        click.echo("\n".join(f"    {line}" for line in check["what"].splitlines()))
        click.echo(f"    Why it matters: {check['why']}\n    How to mend it: {check['mend']}")
    for result, title in (("not_checked", "Not checked"), ("not_claimed", "Not claimed")):
        reasons: dict[str, list[str]] = {}
        for check in (one for one in verdict["checks"] if one["result"] == result):
            reasons.setdefault(check["what"], []).append(check["check"])
        if reasons:
            click.echo(f"\n{title}")
        for reason, checks in reasons.items():
            click.echo(f"  – {reason}: {', '.join(checks)}")
    if derived and verdict["counts"]["not_checked"]:
        click.echo("\nSettings were made from the schema, without a stand-in for the service: --tests gives both.")
