"""`test-connection`, and the connection test that `enable` and `settings set` make first."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from builders import a_key_report
from qwoty_integrations_host import (
    ConnectionReport,
    RightReport,
)
from qwoty_integrations_host.doctor import examine


def test_command_shows_each_right_and_what_to_tick(saved_desk: Any, desk_cli: Any) -> None:
    rights = (RightReport("Things", "Read", "ok"), RightReport("Things", "Write", "missing"))
    last = (RightReport("Other things", "Write", "unclear"),)
    saved_desk.report_keys(
        a_key_report("missing", hint="Tick Things: Write.", rights=rights + last), notes=("A note.",)
    )

    found = desk_cli("test-connection", "ws-1", "recorder")

    assert found.exit_code == 1
    lines = [" ".join(one.split()) for one in found.stdout.splitlines()]
    for expected in (
        "✗ token •••• 7890 test lacks a right",
        "→ Tick Things: Write.",
        "Read Write",
        "Things ✓ ok ✗ missing",
        "Other things ? unclear",
        "· A note.",
    ):
        assert expected in lines, found.stdout
    assert "(not enabled)" in found.stdout


def test_command_tests_everything_with_settings_and_ends_with_0_when_all_is_well(
    saved_desk: Any, desk_cli: Any
) -> None:
    found = desk_cli("test-connection", "ws-1", "--json")

    assert found.exit_code == 0, found.output
    assert [one["status"] for one in json.loads(found.stdout)["data"]] == ["ok"]
    assert json.loads(desk_cli("test-connection", "ws-1", "recorder", "--last", "--json").stdout)["status"] == "ok"
    assert desk_cli("test-connection", "ws-2").exit_code == 0


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("its settings lack a field", "settings incomplete"),
        ("its test crashes", "check_connection raised ZeroDivisionError"),
    ],
)
def test_command_shows_the_other_connections_when_one_cannot_be_tested(
    saved_desk: Any, desk_cli: Any, trouble: str, said: str
) -> None:
    saved_desk.host.settings.save("ws-1", "second", {})
    if trouble == "its test crashes":
        saved_desk.recorder.answers["check_connection"] = lambda _ctx, _request: 1 / 0
    else:
        schema = deepcopy(saved_desk.recorder.SCHEMA)
        schema["required"] = [*schema["required"], "unit_tokens"]
        saved_desk.recorder.released["settings_schema"] = schema

    found = desk_cli("test-connection", "ws-1")

    assert found.exit_code == 1, found.output
    assert said in found.output
    assert [one for one in found.stdout.splitlines() if one.startswith("second ")], found.output


def test_settings_show_reports_the_connection_and_settings_set_that_it_is_untested(
    refused_desk: Any, desk_cli: Any, tmp_path: Any
) -> None:
    shown = json.loads(desk_cli("settings", "show", "ws-1", "recorder", "--json").stdout)
    assert shown["connection"]["problem"]["run_id"] == refused_desk.refused_run_id
    assert "Connection: needs attention, The key is refused." in desk_cli("settings", "show", "ws-1", "recorder").stdout
    refused_desk.host.settings.disable("ws-1", "recorder")
    refused_desk.clock.advance(1)

    path = tmp_path / "settings.json"
    path.write_text('{"token": "key_Another1234567890"}', "utf-8")
    saved = desk_cli("settings", "set", "ws-1", "recorder", "--file", str(path))

    assert (saved.exit_code, "until a test succeeds" in saved.stderr) == (0, True)
    last = desk_cli("test-connection", "ws-1", "recorder", "--last")
    assert last.exit_code == 1
    assert refused_desk.refused_run_id in last.stdout


@pytest.mark.parametrize(
    ("status", "code", "said", "is_on"),
    [
        ("ok", 0, "Connection: works", True),
        ("refused", 2, "Error: It is refused.", False),
        ("missing", 2, "Error: It is missing.", False),
        ("unreachable", 0, "Connection: not tested, It is unreachable.", True),
    ],
)
def test_enable_tests_the_connection_first_and_stops_only_for_a_problem_of_the_keys(
    saved_desk: Any, desk_cli: Any, status: str, code: int, said: str, is_on: bool
) -> None:
    saved_desk.report_keys(a_key_report(status))

    found = desk_cli("enable", "ws-1", "recorder")

    assert (found.exit_code, saved_desk.host.settings.is_enabled("ws-1", "recorder")) == (code, is_on), found.output
    assert said in found.output
    if not is_on:
        assert "Switch it on anyway: qwoty-host enable ws-1 recorder --anyway" in found.stderr
        assert saved_desk.connection()["problem"]["title"] == f"It is {status}."
        chosen = desk_cli("enable", "ws-1", "recorder", "--anyway")
        assert (chosen.exit_code, saved_desk.host.settings.is_enabled("ws-1", "recorder")) == (0, True)
        assert f"Connection: needs attention, It is {status}." in chosen.stdout


def test_enable_goes_on_when_the_test_itself_fails(saved_desk: Any) -> None:
    saved_desk.recorder.answers["check_connection"] = lambda ctx, _: "no report"

    connection = saved_desk.host.connections.enable("ws-1", "recorder")["connection"]

    assert (connection["enabled"], connection["status"]) == (True, "unreachable")
    assert "has a bug" in connection["keys"][0]["title"]


def test_new_settings_of_an_enabled_integration_are_tested_before_they_are_used(
    saved_desk: Any, desk_cli: Any, tmp_path: Any
) -> None:
    saved_desk.host.connections.enable("ws-1", "recorder")
    seen: list[str] = []

    def check(ctx: Any, _: Any) -> ConnectionReport:
        seen.append(ctx.settings["token"])
        return ConnectionReport((a_key_report("refused"),))

    saved_desk.recorder.answers["check_connection"] = check
    path = tmp_path / "settings.json"
    path.write_text('{"token": "key_Another1234567890"}', "utf-8")

    refused = desk_cli("settings", "set", "ws-1", "recorder", "--file", str(path))

    live = saved_desk.host.settings.effective("ws-1", "recorder")["token"]
    assert (refused.exit_code, live) == (2, "key_Plain1234567890")
    assert seen == ["key_Another1234567890"]
    assert "Not saved. The settings of before stay" in refused.stderr
    # The test was about other settings than the stored ones.
    assert (saved_desk.connection()["status"], saved_desk.connection()["problem"]) == ("ok", None)
    assert desk_cli("settings", "set", "ws-1", "recorder", "--file", str(path), "--anyway").exit_code == 0
    assert saved_desk.host.settings.effective("ws-1", "recorder")["token"] == "key_Another1234567890"
    assert (saved_desk.connection()["status"], saved_desk.connection()["outdated"]) == ("needs_attention", False)


@pytest.mark.parametrize(
    ("status", "state", "detail"),
    [
        (None, "warning", "ws-1, recorder: not tested."),
        ("ok", "ok", "ws-1, recorder: works, as tested."),
        ("unreachable", "warning", "ws-1, recorder: not tested."),
        ("refused", "failed", "ws-1, recorder: It is refused."),
    ],
)
def test_doctor_reports_ok_only_for_tested_connections(
    saved_desk: Any, status: str | None, state: str, detail: str
) -> None:
    saved_desk.host.settings.enable("ws-1", "recorder")
    saved_desk.host.settings.enable("ws-1", "second")
    if status:
        saved_desk.report_keys(a_key_report(status))
        saved_desk.test_connection()

    found = {one.detail: one.state for one in examine(saved_desk.host) if one.about == "connections"}

    assert found == {detail: state, "ws-1, second: this integration has no test of its connection.": "ok"}
