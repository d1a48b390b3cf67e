"""``qwoty-host alerts …``"""

from __future__ import annotations

from typing import Any

import click

from .output import minute, print_json, table
from .session import NOT_DONE, Session, json_option, say


@click.group()
def alerts() -> None:
    """Who is told when something needs a person."""


@alerts.command("set")
@click.argument("workspace", metavar="WS")
@click.option(
    "--mail", "mails", multiple=True, metavar="ADDRESS", help="Tell by mail; several times for several people."
)
@click.option("--webhook-url", metavar="URL", help="Tell a machine, by a signed HTTPS request.")
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="Of the mails.")
@click.option(
    "--silent-after",
    type=click.IntRange(1, 720),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Tell when a service has told nothing for so long after the end of a payment link.",
)
@click.option(
    "--daily-digest/--no-daily-digest", default=True, show_default=True, help="Tell every morning what is still open."
)
@json_option
@click.pass_obj
def set_recipients(
    session: Session,
    workspace: str,
    mails: tuple[str, ...],
    webhook_url: str | None,
    language: str,
    silent_after: int,
    daily_digest: bool,
    as_json: bool,
) -> None:
    """Replace whom to tell; what is left out is taken away. A new address' secret is shown this once."""
    document = {
        "mails": list(mails),
        "webhook_url": webhook_url,
        "language": language,
        "silent_after_hours": silent_after,
        "daily_digest": daily_digest,
    }
    with session.host() as host:
        report = host.alert_recipients.replace(workspace, document)
    if as_json:
        print_json(report)
        return
    _print_recipients(report)
    if isinstance(report["webhook_secret"], str):
        say("Keep this secret now; it is not shown again.")
        click.echo(report["webhook_secret"])


@alerts.command("show")
@click.argument("workspace", metavar="WS")
@json_option
@click.pass_obj
def show(session: Session, workspace: str, as_json: bool) -> None:
    """Show whom to tell, and the newest alerts."""
    with session.host() as host:
        report = host.alert_recipients.show(workspace)
    if as_json:
        print_json(report)
        return
    _print_recipients(report)
    if report["alerts"]:
        click.echo()
        rows = [
            (minute(one["created_at"]), one["code"], one["title"], _delivered(one), one["command"] or "")
            for one in report["alerts"]
        ]
        click.echo(table(("when (UTC)", "code", "what", "told", "look at it"), rows))


@alerts.command("test")
@click.argument("workspace", metavar="WS")
@json_option
@click.pass_obj
def test(session: Session, workspace: str, as_json: bool) -> None:
    """Tell everybody a test, at once. Exit code 1 when somebody could not be told."""
    with session.host() as host:
        results = host.alert_delivery.test(workspace)
    if as_json:
        print_json(results)
    else:
        for one in results["data"]:
            click.echo(f"{'✓' if one['delivered'] else '✗'} {one['to']}  {one['trouble']}".rstrip())
    if not all(one["delivered"] for one in results["data"]):
        raise SystemExit(NOT_DONE)


def _print_recipients(report: dict[str, Any]) -> None:
    recipients = [*report["mails"], *([report["webhook_url"]] if report["webhook_url"] else [])]
    if not recipients:
        click.echo(f"Nobody is told anything in {report['workspace']}.")
        say(f"  → qwoty-host alerts set {report['workspace']} --mail ADDRESS")
        return
    click.echo(f"{report['workspace']}: {', '.join(recipients)}")
    digest = "a digest every morning" if report["daily_digest"] else "no daily digest"
    click.echo(f"  mails in {report['language']}; {digest}; silent after {report['silent_after_hours']} hours")
    if report["waiting"]:
        click.echo(f"  {report['waiting']} still to be told")


def _delivered(alert: dict[str, Any]) -> str:
    if alert["delivered_at"]:
        return minute(alert["delivered_at"])
    return f"not yet: {alert['trouble']}" if alert["trouble"] else "not yet"
