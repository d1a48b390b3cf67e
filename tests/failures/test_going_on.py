"""The host goes on when a hook hangs, when a plugin is removed, and when the plugin is back."""
# ruff: noqa: F811 - fixtures are imported from the host's tests

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builders import a_quote
from host.conftest import desk, desks, fakes  # noqa: F401 - fixtures
from host_server import BROKEN, FAKES, REAL
from qwoty_integrations_host import Outcome, RetryableError
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.contract.hook_types import ConnectionReport, WebhookRequest
from qwoty_integrations_host.doctor import examine
from qwoty_integrations_host.errors import IntegrationError, PluginContractError, PluginHangs
from qwoty_integrations_host.host import create_host
from qwoty_integrations_host.plugins.deadlines import MOST_ABANDONED, Deadlines
from qwoty_integrations_host.plugins.manager import Plugins
from qwoty_integrations_host.reports.previews import preview
from qwoty_integrations_host.reports.runs import find_run
from qwoty_integrations_host.store.workspaces import add_workspace
from qwoty_integrations_host.web.app import create_app

REQUEST = WebhookRequest("right", b'{"id": "e", "type": "t", "quote_id": "q-7"}', {"X-Signature": "signed"})
WITHOUT = BROKEN | REAL | {"recorder"}


def ask_preview(desk: Any) -> Any:
    return preview("ws-1", a_quote(), desk.host.integrations)


#: Calls of hooks outside runs, by the name of the hook.
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "validate_settings": lambda desk: desk.host.settings.save("ws-1", "recorder", {"token": "key_Another123"}),
    "check_connection": lambda desk: desk.host.connections.test("ws-1", "recorder"),
    "preview_quote": ask_preview,
    "authenticate_webhook": lambda desk: desk.host.runs.webhooks.receive("ws-1", "recorder", REQUEST),
    "webhook_endpoints": lambda desk: desk.host.upkeep.status("ws-1"),
}


@pytest.fixture
def hangs() -> Iterator[Callable[..., Any]]:
    """A hook that does not return before the test has ended."""
    release = threading.Event()
    yield lambda *_facts: release.wait(60) and Outcome.done()
    release.set()


@pytest.mark.parametrize("hook", QUESTIONS)
def test_a_hook_that_hangs_is_given_up_and_its_plugin_is_named(desk: Any, hangs: Any, hook: str) -> None:
    desk.enable()
    desk.host.plugins.calls.deadlines = Deadlines(local=0.2, service=0.2)
    desk.recorder.answers[hook] = hangs

    with pytest.raises(PluginHangs) as given_up:
        QUESTIONS[hook](desk)

    assert f"fake-recorder 1.0: {hook} has not come back since" in given_up.value.title
    client = create_app(desk.host).test_client()
    health = client.get("/health/ready").json
    assert (health["status"], len(health["hanging"])) == ("degraded", 1)
    assert f'qwoty_plugin_calls_left{{hook="{hook}",plugin="recorder"}} 1.0' in client.get("/metrics").text
    assert any(hook in found.detail for found in examine(desk.host))
    desk.recorder.answers.clear()
    assert desk.accept()["status"] == "succeeded"


def test_a_webhook_for_a_hanging_plugin_is_answered_503_with_retry_after(desk: Any, hangs: Any) -> None:
    desk.enable()
    desk.host.plugins.calls.deadlines = Deadlines(local=0.2)
    desk.recorder.answers["authenticate_webhook"] = hangs

    answer = create_app(desk.host).test_client().post("/webhooks/recorder/ws-1/right", data=REQUEST.body)

    assert (answer.status_code, answer.json["code"]) == (503, "plugin_hangs")
    assert answer.headers["Retry-After"]
    assert desk.count("webhook_deliveries") == 0


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        ("validate_settings", "a text"), ("validate_settings", [1]), ("validate_settings", iter([])),
        ("check_connection", {"keys": []}), ("check_connection", ConnectionReport(iter([]))),  # type: ignore[arg-type]
        ("preview_quote", None), ("preview_quote", Outcome.done("x" * 5_000)),
        ("authenticate_webhook", None), ("webhook_endpoints", {"a": 1}), ("webhook_endpoints", range(10**9)),
    ],
)  # fmt: skip
def test_an_invalid_return_value_is_reported_as_a_bug_of_the_plugin(desk: Any, hook: str, answer: Any) -> None:
    desk.enable()
    desk.recorder.answers[hook] = lambda *_facts: answer

    with pytest.raises(PluginContractError, match=f"fake-recorder 1.0 has a bug: {hook} did not return"):
        QUESTIONS[hook](desk)


def test_a_plugin_whose_calls_hang_is_not_called_until_one_returns(desk: Any) -> None:
    release, desk.host.plugins.calls.deadlines = threading.Event(), Deadlines(run=0.2)
    desk.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: release.wait(60) and Outcome.done()
    desk.enable()
    for number in range(MOST_ABANDONED):
        assert desk.accept(id=f"q-{number}")["error"]["code"] == "plugin_hangs"
    desk.recorder.calls.clear()

    refused = desk.accept(id="q-more")

    assert (refused["status"], refused["error"]["code"]) == ("waiting", "plugin_hangs")
    assert "is not called any more: 4 calls did not come back" in refused["error"]["title"]
    assert desk.recorder.calls == []
    release.set()
    desk.recorder.answers.clear()
    deadline = time.monotonic() + 5
    while desk.host.plugins.calls.abandoned() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert desk.retry(refused["id"])["status"] == "succeeded"


def test_hanging_runs_of_one_plugin_do_not_block_the_runs_of_others(tmp_path: Path, fakes: Any, hangs: Any) -> None:
    host = create_host(HostConfig(data_dir=tmp_path, plugins_blocked=BROKEN | REAL))
    host.plugins.calls.deadlines = Deadlines(run=1.0)
    fakes.answers["on_quote_accepted"] = hangs
    with host.store.write() as db:
        add_workspace(db, "ws-1", host.clock.now())
    host.settings.save("ws-1", "recorder", {"token": "key_Plain123"})
    host.settings.enable("ws-1", "recorder")
    # One more than the number of runs that the engine works for one workspace at a time.
    stuck = [run for n in range(5) for run in host.runs.acceptance.accept("ws-1", a_quote(id=f"q-{n}")).run_ids]
    host.settings.disable("ws-1", "recorder")
    host.settings.enable("ws-1", "recorder")
    host.settings.enable("ws-1", "second")
    assert host.start_worker()
    after = host.runs.acceptance.accept("ws-1", a_quote(id="q-after")).run_ids

    try:
        assert host.wait_for([*stuck, *after], timeout=30)
        found = [find_run(host.store, run_id) for run_id in [*stuck, *after]]
        assert {run["error"]["code"] for run in found if run["plugin"] == "recorder"} == {"plugin_hangs"}
        assert {run["status"] for run in found if run["plugin"] == "second"} == {"succeeded"}
        began = time.monotonic()
        assert host.close(patience=10)
        assert time.monotonic() - began < 5  # calls that still hang do not delay the stop
    finally:
        host.close(patience=10)


# -- a plugin that is removed -------------------------------------------------------------------------------


@contextmanager
def uninstalled() -> Iterator[None]:
    """Remove the fake distributions from the path."""
    sys.path.remove(str(FAKES))
    gone = {name: sys.modules.pop(name) for name in [*sys.modules] if name.startswith("fake_")}
    yield
    sys.path.insert(0, str(FAKES))
    sys.modules.update(gone)


def waiting_run(desk: Any) -> str:
    """A run that has completed one step and waits for its service."""

    def hook(ctx: Any, _quote: Any) -> Outcome:
        ctx.step("first", lambda attempt: attempt.number)
        ctx.step("second", lambda _attempt: away())
        return Outcome.done()

    def away() -> None:
        raise RetryableError("The service is away.")

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    run = desk.accept()
    assert run["status"] == "waiting"
    return str(run["id"])


def test_a_run_whose_plugin_is_removed_waits_and_resumes_when_it_is_back(desks: Any) -> None:
    before = desks()
    run_id = waiting_run(before)
    before.host.close()

    with uninstalled():
        without = desks(public_url="http://localhost")
        for _ in range(3):  # waiting for a plugin uses up no tries
            without.host.runs.control.retry(run_id)
            without.work()
            without.clock.advance(2 * 24 * 3600)
        run = without.run(run_id)
        assert (run["status"], run["error"]["code"]) == ("waiting", "plugin_not_loaded")
        assert run["error"]["title"] == "The integration recorder (fake-recorder 1.0) is not installed."
        assert "Install it again" in run["error"]["hint"]
        client = create_app(without.host).test_client()
        assert client.post("/webhooks/recorder/ws-1/right", data=REQUEST.body).status_code == 503
        assert without.host.upkeep.request_due() == without.host.runs.installments.request_due() == []
        assert without.host.missing_webhooks.record_new() == []
        details = [found.detail for found in examine(without.host)]
        assert "recorder is switched on in ws-1, but not installed." in details
        assert "1 run waits: The integration recorder (fake-recorder 1.0) is not installed." in details
        without.host.close()

    again = desks()
    assert again.host.settings.show("ws-1", "recorder")["settings"]["token"]["set"]
    again.recorder.answers["on_quote_accepted"] = lambda ctx, _quote: Outcome.done(
        str(ctx.step("first", lambda _attempt: "done again"))
    )
    again.work()
    run = again.run(run_id)
    assert (run["status"], run["outcome"]["notes"]) == ("succeeded", ["1"])  # the recorded result of the first step


def test_the_console_shows_what_a_removed_plugin_did(desks: Any) -> None:
    from console.conftest import PUBLIC, Person

    before = desks()
    run_id = waiting_run(before)
    before.host.close()
    with uninstalled():
        without = desks(public_url=PUBLIC)
        person = Person(without, create_app(without.host).test_client())
        person.log_in()

        pages = [
            person.page(path) for path in ("/console/", f"/console/runs/{run_id}", "/console/runs", "/console/quotes")
        ]

        assert "recorder" in pages[0]
        assert "switched on, but not installed" in pages[0]
        without.host.settings.disable("ws-1", "recorder")
        without.host.close()


def test_an_alert_says_once_a_day_that_runs_wait_for_a_plugin(desks: Any) -> None:
    before = desks()
    before.enable()
    before.host.alert_recipients.replace("ws-1", {"mails": ["ops@example.com"]})
    before.host.close()
    without = desks(plugins_blocked=WITHOUT)

    for number in range(3):
        without.host.runs.acceptance.accept("ws-1", a_quote(id=f"q-{number}"))
    without.work()

    (alert,) = without.host.alert_recipients.show("ws-1")["alerts"]
    assert (alert["type"], alert["code"]) == ("run.waits", "plugin_not_loaded")
    assert without.host.alert_delivery.deliver() == 1


# -- diagnosis ----------------------------------------------------------------------------------------------


def test_the_doctor_names_a_copy_of_a_plugin_that_another_copy_shadows(desks: Any, monkeypatch: Any) -> None:
    sys.path.append(str(FAKES / "newer"))
    try:
        found = [finding for finding in examine(desks().host) if "fake-second 2.0" in finding.detail]
    finally:
        sys.path.remove(str(FAKES / "newer"))

    assert [finding.state for finding in found] == ["warning"]


def test_plugin_show_reports_hooks_schema_and_import_time(tmp_path: Path, fakes: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", ",".join(BROKEN))

    shown = CliRunner().invoke(main, ["--data-dir", str(tmp_path), "plugin", "show", "second"])
    unknown = CliRunner().invoke(main, ["--data-dir", str(tmp_path), "plugin", "show", "nobody"])

    assert shown.exit_code == 0
    assert "from fake-second 1.0, imported in" in shown.stdout
    assert "hook API 1: integration_manifest, on_quote_accepted" in shown.stdout
    assert unknown.exit_code == 5


def test_the_trace_shows_each_call_and_no_secret(desk: Any, fakes: Any, capsys: Any) -> None:
    plugins = Plugins(blocked=BROKEN, trace=True)
    ctx = desk.host.integrations.contexts.make("ws-1", "recorder", {"token": "key_Plain123"})

    plugins.authenticate_webhook("recorder", ctx, REQUEST)
    plugins.validate_settings("recorder", ctx, {"token": "key_Plain123"})
    fakes.answers["validate_settings"] = lambda *_facts: 1 / 0
    with pytest.raises(IntegrationError):
        plugins.validate_settings("recorder", ctx, {})

    lines = capsys.readouterr().err
    assert "→ recorder.authenticate_webhook(ctx=ws-1, request=WebhookRequest())" in lines
    assert "← recorder.authenticate_webhook = WebhookEvent(id='e', type='t'" in lines
    assert "settings={token}" in lines
    assert "← recorder.validate_settings raised ZeroDivisionError" in lines
    assert "key_" not in lines
    assert "right" not in lines
