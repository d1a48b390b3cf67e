"""Connection tests that a request starts: the answer comes at once, and no test stays running without a worker."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from werkzeug.test import Client

from builders import a_key_report, a_quote
from postgresql import until_it_ends_or_waits
from qwoty_integrations_host import ConnectionReport
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.engine.no_engine import NoEngine
from qwoty_integrations_host.errors import ActionRefused, FieldProblem, HostError, NotFound, SettingsError
from qwoty_integrations_host.host import create_host
from qwoty_integrations_host.observability.actor import acting_as, actor
from qwoty_integrations_host.store import inquiries as rows
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.sessions import login_link
from qwoty_integrations_host.workspaces import api_keys
from qwoty_integrations_host.workspaces.inquiries import MOST_OF_A_WORKSPACE, PATIENCE

HERE = "/v1/workspaces/ws-1"
TOKEN, OTHER = "key_Plain1234567890", "key_Other1234567890"


@pytest.fixture
def held() -> list[Callable[[], None]]:
    """The tests that were started. The test function runs them when it wants to."""
    return []


@pytest.fixture
def waiting(desks: Any, held: Any) -> Any:
    """A desk that only queues inquiries; its recorder has settings and is disabled."""
    found = desks(begin_inquiry=held.append, public_url="http://localhost")
    found.host.settings.save("ws-1", "recorder", {"token": TOKEN})
    found.report_keys(a_key_report())
    return found


@pytest.fixture
def call(waiting: Any) -> Any:
    """The HTTP API, as an admin of ws-1."""
    client = Client(create_app(waiting.host))
    headers = {"Authorization": f"Bearer {api_keys.create(waiting.host.store, waiting.host.clock, 'ws-1')['key']}"}

    def ask(method: str, path: str, body: Any = None, **more: str) -> Any:
        given = {**headers, **{name.replace("_", "-"): value for name, value in more.items()}}
        where = path if path.startswith("/v1") else HERE + path
        return client.open(where, method=method, json=body, headers=given)

    return ask


ENABLE, TEST = "/plugins/recorder/enable", "/plugins/recorder/connection/test"
SETTINGS = "/plugins/recorder/settings"


def is_on(desk: Any) -> bool:
    return bool(desk.host.settings.is_enabled("ws-1", "recorder"))


def token(desk: Any) -> str:
    return str(desk.host.settings.effective("ws-1", "recorder")["token"])


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("POST", TEST, None, "connection.test"),
        ("POST", ENABLE, None, "integration.enable"),
        ("PUT", SETTINGS, {"token": OTHER}, "settings.save"),
        ("POST", "/alerts/test", None, "alerts.test"),
    ],
)
def test_a_request_that_needs_a_service_is_answered_before_the_service_is_called(
    waiting: Any, held: Any, call: Any, method: str, path: str, body: Any, kind: str
) -> None:
    waiting.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})
    if kind == "settings.save":
        waiting.host.settings.enable("ws-1", "recorder")
    waiting.recorder.calls.clear()

    answer = call(method, path, body)

    assert answer.status_code == 202
    assert ("check_connection", "ws-1") not in waiting.recorder.calls
    where = answer.headers["Location"]
    assert call("GET", where).json == answer.json
    assert (answer.json["kind"], answer.json["status"], answer.json["ended_at"]) == (kind, "running", None)
    held.pop()()
    assert call("GET", where).json["status"] == "succeeded"


def test_an_integration_is_enabled_only_after_its_test_has_ended(waiting: Any, held: Any, call: Any) -> None:
    call("POST", ENABLE)

    assert not is_on(waiting)
    held.pop()()
    assert is_on(waiting)


def test_new_settings_of_an_enabled_integration_wait_for_their_test_in_memory_only(
    waiting: Any, held: Any, call: Any
) -> None:
    waiting.host.settings.enable("ws-1", "recorder")

    call("PUT", SETTINGS, {"token": OTHER})

    assert token(waiting) == TOKEN
    with waiting.host.store.read() as db:
        assert OTHER not in str(db.exec_driver_sql("SELECT * FROM inquiries").all())
    held.pop()()
    assert token(waiting) == OTHER


def test_a_failed_test_is_reported_and_changes_nothing(waiting: Any, held: Any, call: Any) -> None:
    waiting.report_keys(a_key_report("refused"))

    where = call("POST", ENABLE).headers["Location"]
    held.pop()()

    found = call("GET", where).json
    assert (found["status"], found["error"]["code"]) == ("failed", "connection_refused")
    assert (found["error"]["title"], found["error"]["hint"]) == ("It is refused.", "Mend it.")
    assert not is_on(waiting)


def test_a_mistake_that_needs_no_service_is_reported_at_once(waiting: Any, held: Any, call: Any) -> None:
    refused = call("PUT", SETTINGS, {"token": "wr0ng!"})
    nobody = call("POST", "/alerts/test")
    without = call("POST", "/plugins/second/connection/test")

    assert (refused.status_code, nobody.status_code, without.status_code) == (422, 409, 404)
    assert held == [] and waiting.count("inquiries") == 0


@pytest.mark.parametrize("late", [False, True], ids=["its process died", "it ends too late"])
def test_a_test_whose_process_died_is_lost_after_its_deadline_and_changes_nothing(
    waiting: Any, held: Any, call: Any, late: bool
) -> None:
    where = call("POST", ENABLE).headers["Location"]

    waiting.clock.advance(PATIENCE.total_seconds() - 1)
    assert call("GET", where).json["status"] == "running"
    waiting.clock.advance(1)
    found = call("GET", where).json
    if late:
        held.pop()()
        found = call("GET", where).json

    assert found["error"]["code"] == "test_lost"
    assert found["status"] == ("failed" if late else "lost")
    assert not is_on(waiting)
    # A lost test does not block the next one.
    assert call("POST", ENABLE).json["id"] != found["id"]


def test_stopping_the_host_ends_its_tests_as_lost_at_once(waiting: Any, held: Any, call: Any) -> None:
    where = call("POST", ENABLE).headers["Location"]

    waiting.host.inquiries.close()

    assert call("GET", where).json["status"] == "lost"
    held.pop()()
    assert call("GET", where).json["status"] == "lost" and not is_on(waiting)
    assert call("POST", ENABLE).status_code == 503


def test_a_test_that_is_running_is_not_started_again(waiting: Any, held: Any, call: Any) -> None:
    first, second = call("POST", TEST), call("POST", TEST)
    held.pop()()
    third = call("POST", TEST)

    assert first.json["id"] == second.json["id"] != third.json["id"]


def test_a_workspace_runs_a_limited_number_of_tests(waiting: Any, held: Any, call: Any) -> None:
    for _ in range(MOST_OF_A_WORKSPACE):
        assert call("POST", ENABLE).status_code == 202

    answer = call("POST", ENABLE)

    assert (answer.status_code, answer.json["code"]) == (503, "too_many_tests")
    assert int(answer.headers["Retry-After"]) > 0
    held.pop()()
    assert call("POST", ENABLE).status_code == 200, "the integration is enabled"
    assert len(held) == MOST_OF_A_WORKSPACE - 1


def test_a_repeated_request_with_one_idempotency_key_starts_one_test(waiting: Any, held: Any, call: Any) -> None:
    answers = [call("POST", ENABLE, Idempotency_Key="k-1") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json["id"] for answer in answers}) == len(held) == 1


def test_a_test_starts_after_the_commit_of_its_request_and_never_after_a_rollback(waiting: Any, held: Any) -> None:
    def begin() -> None:
        waiting.host.inquiries.begin("ws-1", "connection.test", "recorder", lambda _: None)

    def begin_in_vain() -> None:
        with waiting.host.store.write():
            begin()
            raise RuntimeError

    with waiting.host.store.write():
        begin()
        assert held == []
    assert len(held) == 1
    with pytest.raises(RuntimeError):
        begin_in_vain()
    assert len(held) == 1 and waiting.count("inquiries") == 1


def test_a_test_acts_as_the_person_who_started_it(waiting: Any, held: Any) -> None:
    seen: list[str] = []
    with acting_as("somebody"):
        waiting.host.inquiries.begin("ws-1", "connection.test", "recorder", lambda _: seen.append(actor()))

    held.pop()()

    assert seen == ["somebody"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("whsec_CanaryInACrash"), "internal"),
        (ActionRefused("It cannot be."), "refused"),
        (SettingsError("Not valid.", [FieldProblem(("token",), "Has the wrong form.")]), "invalid_settings"),
    ],
)
def test_a_test_ends_whatever_error_it_meets(waiting: Any, held: Any, call: Any, error: Exception, code: str) -> None:
    def ask(_: Any) -> None:
        raise error

    test_id = waiting.host.inquiries.begin("ws-1", "connection.test", "recorder", ask)
    held.pop()()

    found = call("GET", f"/tests/{test_id}")
    assert (found.json["status"], found.json["error"]["code"]) == ("failed", code)
    assert "Canary" not in found.text
    pointers = [one["pointer"] for one in found.json["error"]["errors"]]
    assert pointers == (["/token"] if isinstance(error, SettingsError) else [])


def test_a_workspace_does_not_see_the_tests_of_another(waiting: Any, call: Any) -> None:
    test_id = waiting.host.inquiries.begin("ws-2", "connection.test", "recorder", lambda _: None)

    assert call("GET", f"/tests/{test_id}").status_code == 404
    with pytest.raises(NotFound):
        waiting.host.inquiries.find("ws-1", test_id)


def test_a_machine_without_threads_is_reported_and_no_test_stays_open(desks: Any) -> None:
    def no_thread(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    desk = desks(begin_inquiry=no_thread)

    for _ in range(MOST_OF_A_WORKSPACE + 1):
        with pytest.raises(HostError, match="Too many tests"):
            desk.host.inquiries.begin("ws-1", "connection.test", "recorder", lambda _: None)
    with desk.host.store.read() as db:
        assert set(db.exec_driver_sql("SELECT status FROM inquiries").scalars()) == {"lost"}


def test_a_process_runs_a_limited_number_of_tests(desks: Any, held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwoty_integrations_host.workspaces.inquiries.MOST_AT_ONCE", 1)
    inquiries = desks(begin_inquiry=held.append).host.inquiries
    inquiries.begin("ws-1", "connection.test", "recorder", lambda _: None)

    with pytest.raises(HostError, match="Too many tests"):
        inquiries.begin("ws-2", "connection.test", "recorder", lambda _: None)
    held.pop()()
    inquiries.begin("ws-2", "connection.test", "recorder", lambda _: None)


def test_tests_started_in_one_transaction_count_for_the_limit_and_the_last_is_lost(
    desks: Any, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwoty_integrations_host.workspaces.inquiries.MOST_AT_ONCE", 1)
    desk = desks(begin_inquiry=held.append)

    def begin_two() -> None:
        with desk.host.store.write():
            for workspace in ("ws-1", "ws-2"):
                desk.host.inquiries.begin(workspace, "connection.test", "recorder", lambda _: None)

    with pytest.raises(HostError, match="Too many tests"):
        begin_two()

    assert len(held) == 1
    with desk.host.store.read() as db:
        assert sorted(db.exec_driver_sql("SELECT status FROM inquiries").scalars()) == ["lost", "running"]


@pytest.mark.parametrize("once", [True, False])
def test_of_two_tests_started_at_once_the_second_counts_the_first(
    desks: Any, held: Any, postgresql: str, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    monkeypatch.setattr("qwoty_integrations_host.workspaces.inquiries.MOST_OF_A_WORKSPACE", 1)
    desk, count, found = desks(begin_inquiry=held.append, shared_database=postgresql), rows.count_running, []

    def begin() -> None:
        try:
            found.append(desk.host.inquiries.begin("ws-1", "connection.test", "recorder", lambda _: None, once=once))
        except HostError as error:
            found.append(error.code)

    other = threading.Thread(target=begin)

    def count_meanwhile(*given: Any) -> int:
        counted = count(*given)
        if other.ident is None:
            other.start()
            until_it_ends_or_waits(other, postgresql)
        return counted

    monkeypatch.setattr(rows, "count_running", count_meanwhile)
    begin()
    other.join()

    assert len(held) == 1
    assert found[1] == (found[0] if once else "too_many_tests")


def test_settings_saved_during_a_test_do_not_count_as_tested(waiting: Any, held: Any, call: Any) -> None:
    def check(_ctx: Any, _request: Any) -> ConnectionReport:
        waiting.host.settings.save("ws-1", "recorder", {"token": OTHER})
        return ConnectionReport((a_key_report(),))

    waiting.recorder.answers["check_connection"] = check

    call("POST", ENABLE)
    held.pop()()

    # The integration is enabled, but the settings saved meanwhile were not tested.
    assert is_on(waiting) and waiting.host.connections.show("ws-1", "recorder")["status"] == "untested"


def test_every_process_on_one_postgresql_sees_the_state_of_a_test(desks: Any, held: Any, postgresql: str) -> None:
    here = desks(begin_inquiry=held.append, shared_database=postgresql)
    keys = (here.host.config.data_dir / "keys").read_text("utf-8")
    config = HostConfig(here.host.config.data_dir.with_name("there"), keys=keys, shared_database=postgresql)
    there = create_host(config, engine=NoEngine, clock=here.clock, begin_inquiry=held.append)
    try:

        def begin(host: Any) -> str:
            return str(host.inquiries.begin("ws-1", "connection.test", "recorder", lambda _: None, once=True))

        first = begin(here.host)
        assert begin(there) == first, "every process sees that the test is running"
        assert there.inquiries.find("ws-1", first)["status"] == "running"
        here.host.inquiries.close()
        assert there.inquiries.find("ws-1", first)["status"] == "lost"
        held.clear()
        second = begin(there)
        held.pop()()
        assert here.host.inquiries.find("ws-1", second)["status"] == "succeeded"
    finally:
        there.close()


#: The input with which each route would reach a service. Other routes need no input, or refuse before that.
BODIES = {
    "/v1/workspaces/<workspace>/plugins/<plugin>/settings": {"token": OTHER},
    "/v1/workspaces/<workspace>/quotes/accepted": a_quote(id="q-8"),
    "/v1/workspaces/<workspace>/quotes/preview": a_quote(id="q-8"),
    "/v1/workspaces/<workspace>/alerts": {"webhook_url": "https://elsewhere.example/told"},
    "/console/integrations/<plugin>": {"_shown": ["token"], "token": OTHER, "then": "save"},
    "/console/alerts": {"webhook_url": "https://elsewhere.example/told"},
}


def test_no_route_calls_a_service_itself(waiting: Any, held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call every route with the input that it needs. None of them calls a service before the queued test runs."""
    waiting.enable()
    waiting.host.alert_recipients.replace("ws-1", {"mails": ["ana@seller.example"]})
    run = waiting.accept()
    waiting.recorder.calls.clear()
    app = create_app(waiting.host)
    client = Client(app)
    bearer = api_keys.create(waiting.host.store, waiting.host.clock, "ws-1")["key"]
    headers = {"Authorization": f"Bearer {bearer}", "Sec-Fetch-Site": "same-origin"}
    client.post(urlsplit(login_link(waiting.host, "ws-1", "admin")).path, headers=headers)
    fill = {"workspace": "ws-1", "plugin": "recorder", "run_id": run["id"], "quote_id": "q-7"}
    asked: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda *where, **_: asked.append(where))
    walked = set()

    for rule in app.url_map.iter_rules():
        # Logging out would end the session that the other routes need.
        if "logout" in rule.rule or "sessions" in rule.rule or "api-keys" in rule.rule or "static" in rule.rule:
            continue
        values = {name: fill.get(name, "1") for name in rule.arguments}
        address = app.url_map.bind("localhost").build(rule.endpoint, values, method=None)
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            body = BODIES.get(rule.rule, {})
            given = {"data": body} if address.startswith("/console") else {"json": body}
            answer = client.open(address, method=method, headers=headers, **given)
            assert answer.status_code < 500, (method, rule.rule, answer.text)
            walked.add((method, rule.rule, answer.status_code))

    assert asked == [] and not {name for name, _ in waiting.recorder.calls} & {"check_connection", "service_status"}
    assert not list((waiting.host.config.data_dir / "outbox").glob("*.eml"))
    assert len(walked) > 80
    with waiting.host.store.read() as db:
        begun = set(db.exec_driver_sql("SELECT kind FROM inquiries").scalars())
    assert {"connection.test", "settings.save", "alerts.test"} <= begun
