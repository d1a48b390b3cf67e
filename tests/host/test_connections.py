"""Tests of connections. A run that the service refuses marks its connection until a test or a run succeeds."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_key_report, a_quote
from qwoty_integrations_host import (
    ConnectionReport,
    ConnectionRequest,
    CredentialsError,
    NeedsAttention,
    Outcome,
    RetryableError,
    RightReport,
    ServiceStatus,
    UpkeepReport,
    WebhookEndpoint,
)
from qwoty_integrations_host.errors import ActionRefused, NotFound
from qwoty_integrations_host.store import connections as rows


def test_hook_check_connection_gets_the_saved_settings_before_they_are_enabled(saved_desk: Any) -> None:
    seen: list[tuple[str, ConnectionRequest]] = []

    def check(ctx: Any, request: ConnectionRequest) -> ConnectionReport:
        seen.append((ctx.settings["token"], request))
        return ConnectionReport((a_key_report(rights=(RightReport("Things", "Read", "unclear"),)),), ("A note.",))

    saved_desk.recorder.answers["check_connection"] = check

    found = saved_desk.test_connection()

    assert seen == [("key_Plain1234567890", ConnectionRequest({}))]
    assert (found["status"], found["enabled"], found["notes"]) == ("ok", False, ["A note."])
    (key,) = found["keys"]
    assert key["rights"] == [{"resource": "Things", "access": "Read", "status": "unclear"}]
    assert found == saved_desk.connection()


def test_hook_check_connection_gets_the_business_units_of_recent_quotes(saved_desk: Any) -> None:
    for number, unit in enumerate([{"id": "bu_2", "name": "Two"}, {"id": "bu_1"}, None, {"id": "bu_2", "name": "Two"}]):
        saved_desk.host.runs.acceptance.accept("ws-1", a_quote(id=f"q-{number}", business_unit=unit))
    seen: list[ConnectionRequest] = []
    saved_desk.recorder.answers["check_connection"] = lambda ctx, request: seen.append(request) or ConnectionReport(())

    saved_desk.test_connection()

    assert seen == [ConnectionRequest({"bu_1": "bu_1", "bu_2": "Two"})]


@pytest.mark.parametrize(
    "answer",
    [None, ConnectionReport(("a key",)), ConnectionReport((a_key_report("fine"),)), ConnectionReport((), (object(),))],
)  # type: ignore[arg-type]
def test_a_report_that_breaks_the_contract_is_a_bug_of_the_plugin_and_changes_nothing(
    saved_desk: Any, answer: Any
) -> None:
    saved_desk.recorder.answers["check_connection"] = lambda ctx, _: answer

    with pytest.raises(Exception, match="has a bug"):
        saved_desk.test_connection()
    assert saved_desk.connection()["status"] == "untested"


def test_hook_service_status_is_asked_without_workspace_or_settings(desk: Any) -> None:
    seen: list[Any] = []
    answer = ServiceStatus(reachable=False, ms=3, detail="No route.")
    desk.recorder.answers["service_status"] = lambda ctx, _: seen.append((ctx.workspace, ctx.settings)) or answer
    assert desk.host.connections.services() == {"data": []}, "no workspace has enabled the plugin"
    desk.enable()

    found = desk.host.connections.services()

    assert seen == [("", {})]
    assert found == {"data": [{"plugin": "recorder", "reachable": False, "ms": 3, "detail": "No route."}]}


def test_a_service_is_reported_away_when_its_plugin_fails(desk: Any) -> None:
    def fail(ctx: Any, _: Any) -> ServiceStatus:
        raise RetryableError("It took too long.")

    desk.recorder.answers["service_status"] = fail
    desk.enable()

    assert desk.host.connections.services()["data"][0]["detail"] == "It took too long."


@pytest.mark.parametrize("act", ["test", "show"])
@pytest.mark.parametrize("place", [("nowhere", "recorder"), ("ws-1", "nobody"), ("ws-2", "recorder")])
def test_a_connection_without_workspace_plugin_or_settings_is_not_found(saved_desk: Any, act: str, place: Any) -> None:
    with pytest.raises(NotFound):
        getattr(saved_desk.host.connections, act)(*place)


def test_a_plugin_that_cannot_be_tested_says_so(desk: Any) -> None:
    desk.enable(plugin="second")

    with pytest.raises(ActionRefused, match="cannot be tested"):
        desk.host.connections.test("ws-1", "second")
    assert desk.host.connections.show("ws-1", "second")["status"] == "untested"


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
def test_the_worst_key_decides(saved_desk: Any, keys: list[str], status: str) -> None:
    saved_desk.report_keys(*map(a_key_report, keys))

    found = saved_desk.test_connection()

    assert found["status"] == status
    if status == "needs_attention":
        worst = "refused" if "refused" in keys else "missing"
        assert found["problem"]["title"] == f"token: It is {worst}."
        assert found["problem"]["run_id"] is None


def test_a_run_that_is_refused_marks_the_connection_and_later_ones_leave_the_first(refused_desk: Any) -> None:
    since = refused_desk.clock.now().isoformat()
    refused_desk.clock.advance(60)
    refused_desk.accept(id="q-8")

    found = refused_desk.connection()

    assert found["status"] == "needs_attention"
    assert found["problem"] == {
        "code": "key_refused",
        "title": "The key is refused.",
        "hint": "Enter another one.",
        "run_id": refused_desk.refused_run_id,
        "since": since,
    }


@pytest.mark.parametrize("code", ["key_refused", "permission_missing"])
def test_an_upkeep_that_is_refused_marks_the_connection_too(desk: Any, code: str) -> None:
    endpoint = WebhookEndpoint("main", "test", "we_1", "https://host.example/webhooks/recorder/ws-1/token")
    desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [endpoint]
    desk.recorder.answers["on_upkeep"] = lambda ctx, _: UpkeepReport(Outcome.needs_attention(code, "No."))
    desk.enable()

    desk.host.upkeep.request("ws-1")
    desk.work()

    assert desk.connection()["problem"]["code"] == code


def test_a_run_that_needs_a_person_for_another_reason_does_not_mark_the_connection(saved_desk: Any) -> None:
    def unclear(ctx: Any, quote: Any) -> Outcome:
        raise NeedsAttention("The totals differ.")

    saved_desk.host.settings.enable("ws-1", "recorder")
    saved_desk.recorder.answers["on_quote_accepted"] = unclear

    saved_desk.accept()

    assert (saved_desk.connection()["status"], saved_desk.connection()["problem"]) == ("untested", None)


def test_saving_settings_keeps_the_mark_and_reports_them_as_untested(refused_desk: Any) -> None:
    assert refused_desk.connection()["outdated"] is False
    refused_desk.clock.advance(60)

    refused_desk.host.settings.save("ws-1", "recorder", {"token": "key_Another1234567890"})

    assert (refused_desk.connection()["status"], refused_desk.connection()["outdated"]) == ("needs_attention", True)


def calls_service(ctx: Any, quote: Any) -> Outcome:
    ctx.step("look", lambda attempt: attempt.request_ids.append("req_1"))
    return Outcome.done()


def test_a_later_run_that_succeeds_at_the_service_clears_the_mark(refused_desk: Any) -> None:
    refused_desk.recorder.answers["on_quote_accepted"] = calls_service

    assert refused_desk.accept(id="q-8")["status"] == "succeeded"

    assert (refused_desk.connection()["status"], refused_desk.connection()["problem"]) == ("untested", None)


def test_a_run_with_the_key_of_another_business_unit_keeps_the_mark(desk: Any) -> None:
    desk.fail_with(CredentialsError("The key is refused.", hint="Enter another one."))
    desk.enable(token="key_Plain1234567890", unit_tokens={"bu_1": "key_First1234567890", "bu_2": "key_Other1234567890"})
    desk.accept(id="q-1", business_unit={"id": "bu_1"})
    desk.recorder.answers["on_quote_accepted"] = calls_service

    desk.accept(id="q-2", business_unit={"id": "bu_2"})
    assert desk.connection()["status"] == "needs_attention"
    desk.accept(id="q-3", business_unit={"id": "bu_1"})
    assert desk.connection()["status"] == "untested"


def test_a_run_does_not_clear_a_missing_right_that_a_test_found(saved_desk: Any) -> None:
    saved_desk.report_keys(a_key_report("missing", code="permission_missing"))
    saved_desk.test_connection()
    saved_desk.host.settings.enable("ws-1", "recorder")
    saved_desk.recorder.answers["on_quote_accepted"] = calls_service

    saved_desk.accept()

    assert saved_desk.connection()["status"] == "needs_attention"


def test_a_run_clears_a_refused_key_that_a_test_found(saved_desk: Any) -> None:
    saved_desk.report_keys(a_key_report("refused", code="key_refused"))
    saved_desk.test_connection()
    saved_desk.host.settings.enable("ws-1", "recorder")
    saved_desk.recorder.answers["on_quote_accepted"] = calls_service

    saved_desk.accept()

    assert (saved_desk.connection()["status"], saved_desk.connection()["keys"]) == ("untested", [])


def test_a_successful_test_clears_the_mark_and_a_run_without_requests_does_not(refused_desk: Any) -> None:
    del refused_desk.recorder.answers["on_quote_accepted"]
    assert refused_desk.accept(id="q-8")["status"] == "succeeded"
    assert refused_desk.connection()["status"] == "needs_attention"

    assert refused_desk.test_connection()["status"] == refused_desk.connection()["status"] == "ok"
    assert refused_desk.connection()["problem"] is None


def test_a_test_that_cannot_reach_the_service_keeps_the_mark(refused_desk: Any) -> None:
    refused_desk.report_keys(a_key_report("unreachable"))

    assert refused_desk.test_connection()["problem"]["run_id"] == refused_desk.refused_run_id


def test_a_failing_test_updates_the_problem_that_a_run_met(refused_desk: Any) -> None:
    before = refused_desk.connection()["problem"]
    refused_desk.report_keys(a_key_report("missing"))

    problem = refused_desk.test_connection()["problem"]

    assert problem == {**before, "code": "c", "title": "It is missing.", "hint": "Mend it."}


def test_a_refusal_during_a_test_outlives_the_tests_success(saved_desk: Any) -> None:
    saved_desk.host.settings.enable("ws-1", "recorder")
    saved_desk.fail_with(CredentialsError("The key is refused.", hint="Enter another one."))

    def check(ctx: Any, _: Any) -> ConnectionReport:
        saved_desk.accept()
        return ConnectionReport((a_key_report(),))

    saved_desk.recorder.answers["check_connection"] = check

    assert saved_desk.test_connection()["problem"]["code"] == "key_refused"


def test_the_connections_of_a_workspace_are_those_with_settings(refused_desk: Any) -> None:
    refused_desk.enable(plugin="second")

    found = refused_desk.host.connections.list("ws-1")

    assert [(one["plugin"], one["status"]) for one in found["data"]] == [
        ("recorder", "needs_attention"),
        ("second", "untested"),
    ]
    assert refused_desk.host.connections.list("ws-2")["data"] == []
    with pytest.raises(NotFound):
        refused_desk.host.connections.list("nowhere")


def test_a_test_counts_for_the_settings_that_it_tried(saved_desk: Any) -> None:
    saved_desk.test_connection()

    saved_desk.clock.advance(60)
    saved_desk.host.settings.save("ws-1", "recorder", {"token": ""})
    assert (saved_desk.connection()["status"], saved_desk.connection()["outdated"]) == ("ok", False), (
        "nothing was changed"
    )
    saved_desk.host.settings.save("ws-1", "recorder", {"token": "key_Another1234567890"})
    assert (saved_desk.connection()["status"], saved_desk.connection()["outdated"]) == ("untested", True)
    saved_desk.host.settings.save("ws-1", "recorder", {"token": "key_Plain1234567890"})
    assert saved_desk.connection()["status"] == "ok"


def test_a_report_of_an_earlier_release_counts_until_settings_are_saved(saved_desk: Any) -> None:
    saved_desk.test_connection()
    with saved_desk.host.store.write() as db:
        report = dict(rows.load(db, "ws-1", "recorder")["report"])
        del report["settings"]
        rows.change(db, "ws-1", "recorder", report=report)

    assert saved_desk.connection()["status"] == "ok"
    saved_desk.clock.advance(60)
    saved_desk.host.settings.save("ws-1", "recorder", {"token": ""})
    assert saved_desk.connection()["status"] == "untested"
