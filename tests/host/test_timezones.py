"""The workspace's time zone: validated by its IANA name, set in three ways, and passed to plugins."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from qwoty_integrations_host import HookContext, Outcome, Quote, offset_name
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract.timezones import find_timezone
from qwoty_integrations_host.errors import InvalidInput, NotFound
from qwoty_integrations_host.reports.audit import list_audit
from qwoty_integrations_host.reports.installed import workspace_report
from qwoty_integrations_host.workspaces.workspace import set_timezone


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Europe/Pari", "Europe/Paris"),
        ("europe/paris", "Europe/Paris"),
        ("Paris", "Europe/Paris"),
        ("Europe/Lyon", "Europe/"),
        ("Berlln", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        ("UTC+2", ""),
        ("", None),
        (" ", None),
        ("\U0001f642", None),
        ("../../etc/passwd", ""),
        ("/usr/share/zoneinfo/UTC", ""),
        ("localtime", ""),
        ("Europe", "Europe/"),
        ("x" * 5000, None),
        ("\0", None),
    ],
)
def test_an_unknown_time_zone_is_refused_with_the_nearest_name_or_an_example(name: str, nearest: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        find_timezone(name)

    (problem,) = refused.value.problems
    assert problem.path == ("timezone",)
    said = "An example is Europe/Paris" if nearest is None else f"The nearest one is {nearest}"
    assert said in problem.message
    assert find_timezone(problem.message.rpartition(" ")[2].rstrip("."))


@pytest.mark.parametrize("name", ["Europe/Paris", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_an_iana_name_is_accepted(name: str) -> None:
    assert find_timezone(name) == ZoneInfo(name)


@pytest.mark.parametrize(
    ("hours", "written"),
    [(0, "UTC"), (2, "UTC+2"), (-5, "UTC-5"), (5.5, "UTC+5:30"), (-3.5, "UTC-3:30"), (14, "UTC+14")],
)
def test_an_offset_is_shown_in_hours_and_minutes(hours: float, written: str) -> None:
    assert offset_name(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=hours)))) == written


def test_a_plugin_gets_the_time_zone_and_the_day_with_the_quote(desk: Any) -> None:
    seen: list[tuple[str, str, str]] = []

    def work(ctx: HookContext, quote: Quote) -> Outcome:
        now = ctx.clock.now().astimezone(quote.timezone)
        seen.append((offset_name(now), str(quote.accepted_on), str(ctx.today(quote))))
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = work
    desk.enable()
    desk.clock.advance((datetime(2030, 3, 31, 22, 30, tzinfo=UTC) - desk.clock.now()).total_seconds())

    desk.accept(id="q-1", accepted_at="2026-03-10T23:30:00-05:00")
    set_timezone(desk.host.store, desk.clock, "ws-1", "Europe/Paris")
    desk.accept(id="q-2", accepted_at="2026-03-10T23:30:00-05:00")
    desk.enable("ws-2")
    desk.accept("ws-2", id="q-3")

    assert seen == [
        ("UTC-5", "2026-03-10", "2030-03-31"),
        ("UTC+2", "2026-03-11", "2030-04-01"),
        ("UTC", "2026-03-10", "2030-03-31"),
    ]


def test_the_time_zone_is_shown_audited_and_removed(desk: Any) -> None:
    def shown() -> Any:
        return workspace_report(desk.host.store, desk.host.plugins, "ws-1")["timezone"]

    set_timezone(desk.host.store, desk.clock, "ws-1", "Europe/Paris")
    assert shown() == "Europe/Paris"
    set_timezone(desk.host.store, desk.clock, "ws-1", None)

    assert shown() is None
    entries = list_audit(desk.host.store, "ws-1")["data"]
    assert [(entry["action"], entry["fields"]) for entry in entries] == [("workspace.set", ["timezone"])] * 2


def test_the_time_zone_of_an_unknown_workspace_cannot_be_set(desk: Any) -> None:
    with pytest.raises(NotFound):
        set_timezone(desk.host.store, desk.clock, "ws-9", "Europe/Paris")


def test_the_command_line_sets_the_time_zone(tmp_path: Path) -> None:
    def call(*words: str) -> Any:
        return CliRunner().invoke(main, ["--data-dir", str(tmp_path / "data"), "workspace", *words])

    call("add", "ws-1")

    assert (
        call("set", "ws-1", "--timezone", "Europe/Paris").output
        == "Days of workspace ws-1 are counted in Europe/Paris.\n"
    )
    assert json.loads(call("set", "ws-1", "--timezone", "", "--json").stdout) == {"id": "ws-1", "timezone": None}
    wrong = call("set", "ws-1", "--timezone", "Europe/Pari")
    assert (wrong.exit_code, "Europe/Paris" in wrong.stderr) == (2, True)
