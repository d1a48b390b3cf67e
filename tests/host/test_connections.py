"""Testing a connection, and how it is marked when a run was refused, until a test succeeds."""

from __future__ import annotations

import json
import logging
from copy import deepcopy
from typing import Any

import pytest
import structlog
from click.testing import CliRunner

from builders import a_quote
from qwoty_integrations_host import (
    ConnectionReport,
    ConnectionRequest,
    CredentialsError,
    KeyReport,
    NeedsAttention,
    Outcome,
    RetryableError,
    RightReport,
    ServiceStatus,
    UpkeepReport,
    WebhookEndpoint,
)
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.errors import ActionRefused, NotFound
from qwoty_integrations_host.store import connections as rows


def a_key(status: str = "ok", **changes: Any) -> KeyReport:
    words = {"code": "c", "title": f"It is {status}.", "hint": "Mend it."} if status != "ok" else {}
    place = {"label": "token", "last4": "7890", "mode": "test", "account": "main"}
    return KeyReport(**{**place, **words, "status": status, **changes})


def finds(desk: Any, *keys: KeyReport, notes: tuple[str, ...] = ()) -> None:
    desk.recorder.answers["check_connection"] = lambda ctx, _: ConnectionReport(keys, notes)


def refused(ctx: Any, quote: Any) -> Outcome:
    raise CredentialsError("The key is refused.", hint="Enter another one.")


@pytest.fixture
def saved(desk: Any) -> Any:
    """A desk with settings that were saved and not yet switched on."""
    desk.host.settings.save("ws-1", "recorder", {"token": "key_Plain1234567890"})
    finds(desk, a_key())
    return desk


def ask(desk: Any) -> dict[str, Any]:
    return desk.host.connections.test("ws-1", "recorder")


def show(desk: Any) -> dict[str, Any]:
    return desk.host.connections.show("ws-1", "recorder")


# -- the hooks ---------------------------------------------------------------------------------------------


def test_hook_check_connection_gets_the_saved_settings_before_they_are_enabled(saved: Any) -> None:
    seen: list[tuple[str, ConnectionRequest]] = []

    def check(ctx: Any, request: ConnectionRequest) -> ConnectionReport:
        seen.append((ctx.settings["token"], request))
        return ConnectionReport((a_key(rights=(RightReport("Things", "Read", "unclear"),)),), ("A note.",))

    saved.recorder.answers["check_connection"] = check

    found = ask(saved)

    assert seen == [("key_Plain1234567890", ConnectionRequest({}))]
    assert (found["status"], found["enabled"], found["notes"]) == ("ok", False, ["A note."])
    (key,) = found["keys"]
    assert key["rights"] == [{"resource": "Things", "access": "Read", "status": "unclear"}]
    assert found == show(saved)


def test_it_is_told_which_business_units_recent_quotes_have(saved: Any) -> None:
    for number, unit in enumerate([{"id": "bu_2", "name": "Two"}, {"id": "bu_1"}, None, {"id": "bu_2", "name": "Two"}]):
        saved.host.runs.acceptance.accept("ws-1", a_quote(id=f"q-{number}", business_unit=unit))
    seen: list[ConnectionRequest] = []
    saved.recorder.answers["check_connection"] = lambda ctx, request: seen.append(request) or ConnectionReport(())

    ask(saved)

    assert seen == [ConnectionRequest({"bu_1": "bu_1", "bu_2": "Two"})]


@pytest.mark.parametrize(
    "answer",
    [None, ConnectionReport(("a key",)), ConnectionReport((a_key("fine"),)), ConnectionReport((), (object(),))],
)  # type: ignore[arg-type]
def test_a_report_that_breaks_the_contract_is_the_plugins_bug_and_changes_nothing(saved: Any, answer: Any) -> None:
    saved.recorder.answers["check_connection"] = lambda ctx, _: answer

    with pytest.raises(Exception, match="has a bug"):
        ask(saved)
    assert show(saved)["status"] == "untested"


def test_hook_service_status_is_asked_without_workspace_or_settings(desk: Any) -> None:
    seen: list[Any] = []
    answer = ServiceStatus(reachable=False, ms=3, detail="No route.")
    desk.recorder.answers["service_status"] = lambda ctx, _: seen.append((ctx.workspace, ctx.settings)) or answer
    assert desk.host.connections.services() == {"data": []}, "nobody uses it: nobody is asked"
    desk.enable()

    found = desk.host.connections.services()

    assert seen == [("", {})]
    assert found == {"data": [{"plugin": "recorder", "reachable": False, "ms": 3, "detail": "No route."}]}


def test_a_service_whose_plugin_fails_is_said_to_be_away(desk: Any) -> None:
    def fail(ctx: Any, _: Any) -> ServiceStatus:
        raise RetryableError("It took too long.")

    desk.recorder.answers["service_status"] = fail
    desk.enable()

    assert desk.host.connections.services()["data"][0]["detail"] == "It took too long."


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["test", "show"])
@pytest.mark.parametrize("place", [("nowhere", "recorder"), ("ws-1", "nobody"), ("ws-2", "recorder")])
def test_without_workspace_plugin_or_settings_there_is_nothing_to_test(saved: Any, act: str, place: Any) -> None:
    with pytest.raises(NotFound):
        getattr(saved.host.connections, act)(*place)


def test_a_plugin_that_cannot_be_tested_says_so(desk: Any) -> None:
    desk.enable(plugin="second")

    with pytest.raises(ActionRefused, match="cannot be tested"):
        desk.host.connections.test("ws-1", "second")
    assert desk.host.connections.show("ws-1", "second")["status"] == "untested"


# -- how it is marked --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ([], "ok"),
        (["ok", "ok"], "ok"),
        (["ok", "missing"], "needs_attention"),
        (["missing", "refused"], "needs_attention"),
        (["ok", "unreachable"], "unreachable"),
        (["unreachable", "missing"], "needs_attention"),
    ],
)
def test_the_worst_key_decides(saved: Any, keys: list[str], status: str) -> None:
    finds(saved, *map(a_key, keys))

    found = ask(saved)

    assert found["status"] == status
    if status == "needs_attention":
        worst = "refused" if "refused" in keys else "missing"
        assert found["problem"]["title"] == f"token: It is {worst}."
        assert found["problem"]["run_id"] is None


@pytest.fixture
def met(saved: Any) -> Any:
    """A desk on which a run was refused."""
    saved.host.settings.enable("ws-1", "recorder")
    saved.recorder.answers["on_quote_accepted"] = refused
    saved.run_id = saved.accept()["id"]
    return saved


def test_a_run_that_is_refused_marks_the_connection_and_later_ones_leave_the_first(met: Any) -> None:
    since = met.clock.now().isoformat()
    met.clock.advance(60)
    met.accept(id="q-8")

    found = show(met)

    assert found["status"] == "needs_attention"
    assert found["problem"] == {
        "code": "key_refused",
        "title": "The key is refused.",
        "hint": "Enter another one.",
        "run_id": met.run_id,
        "since": since,
    }


@pytest.mark.parametrize("code", ["key_refused", "permission_missing"])
def test_an_upkeep_that_met_a_refusal_marks_it_too(desk: Any, code: str) -> None:
    endpoint = WebhookEndpoint("main", "test", "we_1", "https://host.example/webhooks/recorder/ws-1/token")
    desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [endpoint]
    desk.recorder.answers["on_upkeep"] = lambda ctx, _: UpkeepReport(Outcome.needs_attention(code, "No."))
    desk.enable()

    desk.host.upkeep.request("ws-1")
    desk.work()

    assert show(desk)["problem"]["code"] == code


def test_what_only_a_person_must_look_at_says_nothing_about_the_connection(saved: Any) -> None:
    def unclear(ctx: Any, quote: Any) -> Outcome:
        raise NeedsAttention("The totals differ.")

    saved.host.settings.enable("ws-1", "recorder")
    saved.recorder.answers["on_quote_accepted"] = unclear

    saved.accept()

    assert (show(saved)["status"], show(saved)["problem"]) == ("untested", None)


def test_saved_settings_do_not_clear_it_and_are_said_to_be_untested(met: Any) -> None:
    assert show(met)["outdated"] is False
    met.clock.advance(60)

    met.host.settings.save("ws-1", "recorder", {"token": "key_Another1234567890"})

    assert (show(met)["status"], show(met)["outdated"]) == ("needs_attention", True)


def asks(ctx: Any, quote: Any) -> Outcome:
    ctx.step("look", lambda attempt: attempt.request_ids.append("req_1"))
    return Outcome.done()


def test_a_later_run_that_succeeds_at_the_service_clears_it(met: Any) -> None:
    met.recorder.answers["on_quote_accepted"] = asks

    assert met.accept(id="q-8")["status"] == "succeeded"

    assert (show(met)["status"], show(met)["problem"]) == ("untested", None)


def test_a_run_with_the_key_of_another_business_unit_does_not_clear_it(desk: Any) -> None:
    desk.recorder.answers["on_quote_accepted"] = refused
    desk.enable(token="key_Plain1234567890", unit_tokens={"bu_1": "key_First1234567890", "bu_2": "key_Other1234567890"})
    desk.accept(id="q-1", business_unit={"id": "bu_1"})
    desk.recorder.answers["on_quote_accepted"] = asks

    desk.accept(id="q-2", business_unit={"id": "bu_2"})
    assert show(desk)["status"] == "needs_attention"
    desk.accept(id="q-3", business_unit={"id": "bu_1"})
    assert show(desk)["status"] == "untested"


def test_a_right_that_a_test_missed_is_not_proven_by_a_run(saved: Any) -> None:
    finds(saved, a_key("missing", code="permission_missing"))
    ask(saved)
    saved.host.settings.enable("ws-1", "recorder")
    saved.recorder.answers["on_quote_accepted"] = asks

    saved.accept()

    assert show(saved)["status"] == "needs_attention"


def test_a_key_that_a_test_found_refused_and_that_works_now_is_not_called_refused(saved: Any) -> None:
    finds(saved, a_key("refused", code="key_refused"))
    ask(saved)
    saved.host.settings.enable("ws-1", "recorder")
    saved.recorder.answers["on_quote_accepted"] = asks

    saved.accept()

    assert (show(saved)["status"], show(saved)["keys"]) == ("untested", [])


def test_a_run_that_asks_nothing_does_not_clear_it_and_a_test_that_succeeds_does(met: Any) -> None:
    del met.recorder.answers["on_quote_accepted"]
    assert met.accept(id="q-8")["status"] == "succeeded"
    assert show(met)["status"] == "needs_attention"

    assert ask(met)["status"] == show(met)["status"] == "ok"
    assert show(met)["problem"] is None


def test_a_test_that_reaches_nobody_neither_clears_nor_sets_it(met: Any) -> None:
    finds(met, a_key("unreachable"))

    assert ask(met)["problem"]["run_id"] == met.run_id


def test_a_test_that_fails_says_what_it_found_of_the_problem_that_a_run_met(met: Any) -> None:
    before = show(met)["problem"]
    finds(met, a_key("missing"))

    problem = ask(met)["problem"]

    assert problem == {**before, "code": "c", "title": "It is missing.", "hint": "Mend it."}


def test_what_a_run_meets_while_a_test_is_under_way_stays(saved: Any) -> None:
    saved.host.settings.enable("ws-1", "recorder")
    saved.recorder.answers["on_quote_accepted"] = refused

    def check(ctx: Any, _: Any) -> ConnectionReport:
        saved.accept()
        return ConnectionReport((a_key(),))

    saved.recorder.answers["check_connection"] = check

    assert ask(saved)["problem"]["code"] == "key_refused"


def test_the_connections_of_a_workspace_are_those_with_settings(met: Any) -> None:
    met.enable(plugin="second")

    found = met.host.connections.list("ws-1")

    assert [(one["plugin"], one["status"]) for one in found["data"]] == [
        ("recorder", "needs_attention"),
        ("second", "untested"),
    ]
    assert met.host.connections.list("ws-2")["data"] == []
    with pytest.raises(NotFound):
        met.host.connections.list("nowhere")


# -- at the command line -----------------------------------------------------------------------------------


@pytest.fixture
def line(saved: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A person at the command line of this desk's data directory."""
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(saved.host.config.plugins_blocked))
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    yield lambda *words: CliRunner().invoke(main, ["--data-dir", str(saved.host.config.data_dir), *words])
    logging.getLogger().handlers, logging.getLogger().level = handlers, level
    structlog.reset_defaults()


def test_command_shows_each_right_and_what_to_tick(saved: Any, line: Any) -> None:
    rights = (RightReport("Things", "Read", "ok"), RightReport("Things", "Write", "missing"))
    last = (RightReport("Other things", "Write", "unclear"),)
    finds(saved, a_key("missing", hint="Tick Things: Write.", rights=rights + last), notes=("A note.",))

    found = line("test-connection", "ws-1", "recorder")

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


def test_command_tests_everything_with_settings_and_ends_with_0_when_all_is_well(saved: Any, line: Any) -> None:
    found = line("test-connection", "ws-1", "--json")

    assert found.exit_code == 0, found.output
    assert [one["status"] for one in json.loads(found.stdout)["data"]] == ["ok"]
    assert json.loads(line("test-connection", "ws-1", "recorder", "--last", "--json").stdout)["status"] == "ok"
    assert line("test-connection", "ws-2").exit_code == 0


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("its settings lack a field", "settings incomplete"),
        ("its test crashes", "check_connection raised ZeroDivisionError"),
    ],
)
def test_command_shows_the_others_beside_an_integration_that_cannot_be_tested(
    saved: Any, line: Any, trouble: str, said: str
) -> None:
    saved.host.settings.save("ws-1", "second", {})
    if trouble == "its test crashes":
        saved.recorder.answers["check_connection"] = lambda _ctx, _request: 1 / 0
    else:
        schema = deepcopy(saved.recorder.SCHEMA)
        schema["required"] = [*schema["required"], "unit_tokens"]
        saved.recorder.released["settings_schema"] = schema

    found = line("test-connection", "ws-1")

    assert found.exit_code == 1, found.output
    assert said in found.output
    assert [one for one in found.stdout.splitlines() if one.startswith("second ")], found.output


def test_settings_show_tells_how_the_connection_stands_and_set_that_it_is_untested(
    met: Any, line: Any, tmp_path: Any
) -> None:
    shown = json.loads(line("settings", "show", "ws-1", "recorder", "--json").stdout)
    assert shown["connection"]["problem"]["run_id"] == met.run_id
    assert "Connection: needs attention, The key is refused." in line("settings", "show", "ws-1", "recorder").stdout
    met.host.settings.disable("ws-1", "recorder")
    met.clock.advance(1)

    path = tmp_path / "settings.json"
    path.write_text('{"token": "key_Another1234567890"}', "utf-8")
    saved = line("settings", "set", "ws-1", "recorder", "--file", str(path))

    assert (saved.exit_code, "until a test succeeds" in saved.stderr) == (0, True)
    last = line("test-connection", "ws-1", "recorder", "--last")
    assert last.exit_code == 1
    assert met.run_id in last.stdout


# -- tested before it is switched on -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "said", "is_on"),
    [
        ("ok", 0, "Connection: works", True),
        ("refused", 2, "Error: It is refused.", False),
        ("missing", 2, "Error: It is missing.", False),
        ("unreachable", 0, "Connection: not tested, It is unreachable.", True),
    ],
)
def test_enable_tests_first_and_only_a_problem_of_the_keys_stops_it(
    saved: Any, line: Any, status: str, code: int, said: str, is_on: bool
) -> None:
    finds(saved, a_key(status))

    found = line("enable", "ws-1", "recorder")

    assert (found.exit_code, saved.host.settings.is_enabled("ws-1", "recorder")) == (code, is_on), found.output
    assert said in found.output
    if not is_on:
        assert "Switch it on anyway: qwoty-host enable ws-1 recorder --anyway" in found.stderr
        assert show(saved)["problem"]["title"] == f"It is {status}."
        chosen = line("enable", "ws-1", "recorder", "--anyway")
        assert (chosen.exit_code, saved.host.settings.is_enabled("ws-1", "recorder")) == (0, True)
        assert f"Connection: needs attention, It is {status}." in chosen.stdout


def test_a_test_that_fails_by_itself_says_nothing_of_the_keys_and_stops_nobody(saved: Any) -> None:
    saved.recorder.answers["check_connection"] = lambda ctx, _: "no report"

    connection = saved.host.connections.enable("ws-1", "recorder")["connection"]

    assert (connection["enabled"], connection["status"]) == (True, "unreachable")
    assert "has a bug" in connection["keys"][0]["title"]


def test_settings_of_an_integration_that_is_on_are_tested_before_they_are_live(
    saved: Any, line: Any, tmp_path: Any
) -> None:
    saved.host.connections.enable("ws-1", "recorder")
    seen: list[str] = []

    def check(ctx: Any, _: Any) -> ConnectionReport:
        seen.append(ctx.settings["token"])
        return ConnectionReport((a_key("refused"),))

    saved.recorder.answers["check_connection"] = check
    path = tmp_path / "settings.json"
    path.write_text('{"token": "key_Another1234567890"}', "utf-8")

    refused = line("settings", "set", "ws-1", "recorder", "--file", str(path))

    live = saved.host.settings.effective("ws-1", "recorder")["token"]
    assert (refused.exit_code, live) == (2, "key_Plain1234567890")
    assert seen == ["key_Another1234567890"]
    assert "Not saved. The settings of before stay" in refused.stderr
    # The test was of other settings than those that are there.
    assert (show(saved)["status"], show(saved)["problem"]) == ("ok", None)
    assert line("settings", "set", "ws-1", "recorder", "--file", str(path), "--anyway").exit_code == 0
    assert saved.host.settings.effective("ws-1", "recorder")["token"] == "key_Another1234567890"
    assert (show(saved)["status"], show(saved)["outdated"]) == ("needs_attention", False)


def test_a_test_counts_for_the_settings_that_it_tried(saved: Any) -> None:
    ask(saved)

    saved.clock.advance(60)
    saved.host.settings.save("ws-1", "recorder", {"token": ""})
    assert (show(saved)["status"], show(saved)["outdated"]) == ("ok", False), "nothing was changed"
    saved.host.settings.save("ws-1", "recorder", {"token": "key_Another1234567890"})
    assert (show(saved)["status"], show(saved)["outdated"]) == ("untested", True)
    saved.host.settings.save("ws-1", "recorder", {"token": "key_Plain1234567890"})
    assert show(saved)["status"] == "ok"


def test_a_report_of_an_earlier_release_counts_until_settings_are_saved(saved: Any) -> None:
    ask(saved)
    with saved.host.store.write() as db:
        report = dict(rows.load(db, "ws-1", "recorder")["report"])
        del report["settings"]
        rows.change(db, "ws-1", "recorder", report=report)

    assert show(saved)["status"] == "ok"
    saved.clock.advance(60)
    saved.host.settings.save("ws-1", "recorder", {"token": ""})
    assert show(saved)["status"] == "untested"


@pytest.mark.parametrize(
    ("status", "state", "detail"),
    [
        (None, "warning", "ws-1, recorder: not tested."),
        ("ok", "ok", "ws-1, recorder: works, as tested."),
        ("unreachable", "warning", "ws-1, recorder: not tested."),
        ("refused", "failed", "ws-1, recorder: It is refused."),
    ],
)
def test_doctor_ticks_only_what_was_tested(saved: Any, status: str | None, state: str, detail: str) -> None:
    saved.host.settings.enable("ws-1", "recorder")
    saved.host.settings.enable("ws-1", "second")
    if status:
        finds(saved, a_key(status))
        ask(saved)

    found = {one.detail: one.state for one in examine(saved.host) if one.about == "connections"}

    assert found == {detail: state, "ws-1, second: this integration has no test of its connection.": "ok"}
