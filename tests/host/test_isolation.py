"""Plugins are isolated: a disabled plugin gets no calls, and a broken plugin does not affect others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from builders import a_quote
from host_server import BROKEN, REAL
from qwoty_integrations_host import (
    InstallmentRecord,
    InvoiceRecord,
    NeedsAttention,
    Outcome,
    PermanentError,
    QuoteRecord,
)
from qwoty_integrations_host.contract.hook_types import WebhookRequest
from qwoty_integrations_host.errors import ActionRefused, NotFound
from qwoty_integrations_host.reports.previews import preview
from qwoty_integrations_host.web.app import create_app

RECORD = QuoteRecord(
    currency="EUR",
    invoice=InvoiceRecord(id="in_1", status="open", account="a"),
    installments=tuple(InstallmentRecord(number=n, amount=Decimal(50)) for n in (1, 2)),
)
REQUEST = WebhookRequest("right", b'{"id": "e", "type": "t", "quote_id": "q-7"}', {"X-Signature": "signed"})


def with_record(desk: Any) -> None:
    desk.host.integrations.contexts.make("ws-1", "recorder", {}).records.update("q-7", lambda _: RECORD)


def accept(desk: Any) -> None:
    desk.host.runs.acceptance.accept("ws-1", a_quote())
    desk.work()


def installment(desk: Any) -> None:
    with pytest.raises(ActionRefused):
        desk.host.runs.installments.request("ws-1", "q-7", None)


def webhook(desk: Any) -> None:
    with pytest.raises(NotFound):
        desk.host.runs.webhooks.receive("ws-1", "recorder", REQUEST)


def ask_preview(desk: Any) -> None:
    preview("ws-1", a_quote(), desk.host.integrations)


@pytest.mark.parametrize("call", [accept, installment, webhook, ask_preview], ids=lambda call: call.__name__)
def test_a_disabled_plugin_gets_no_call_on_any_hook(desk: Any, call: Callable[[Any], None]) -> None:
    desk.enable()
    desk.enable(plugin="second")
    accept(desk)
    with_record(desk)
    desk.host.settings.disable("ws-1", "recorder")
    desk.recorder.calls.clear()

    call(desk)

    assert desk.recorder.calls == []


def test_runs_queued_before_the_plugin_was_disabled_make_no_call(desk: Any) -> None:
    desk.enable()
    accept(desk)
    with_record(desk)
    desk.host.runs.installments.request("ws-1", "q-7", None)
    desk.host.runs.webhooks.receive("ws-1", "recorder", REQUEST)
    desk.host.runs.acceptance.accept("ws-1", a_quote(id="q-8"))
    desk.host.settings.disable("ws-1", "recorder")
    desk.recorder.calls.clear()

    desk.work()

    assert desk.recorder.calls == []
    with desk.host.store.read() as db:
        statuses = db.exec_driver_sql("SELECT kind, status FROM runs ORDER BY created_at, kind").all()
    assert sorted(status for _, status in statuses) == ["skipped"] * 3 + ["succeeded"]


@pytest.mark.parametrize(
    "answer",
    [
        KeyError("sk_test_CanaryInARun0001"), SystemExit(2), GeneratorExit and StopIteration("x"), RecursionError(),
        None, "done", {"status": "succeeded"}, Outcome("finished"), Outcome.done(1),  # type: ignore[arg-type]
        Outcome.done(result={"total": Decimal(1)}), Outcome.done(result={1, 2}),  # type: ignore[arg-type]
    ],
    ids=["KeyError", "SystemExit", "StopIteration", "RecursionError", "None", "text", "dict", "unknown status",
         "a note that is no text", "a result that is no JSON", "a result that is no mapping"],
)  # fmt: skip
def test_a_broken_plugin_fails_its_run_by_name_and_touches_no_other(desk: Any, answer: Any) -> None:
    def hook(_ctx: Any, _quote: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    desk.enable(plugin="second")

    accepted = desk.host.runs.acceptance.accept("ws-1", a_quote())
    desk.work()

    runs = {run["plugin"]: run for run in map(desk.run, accepted.run_ids)}
    assert runs["recorder"]["status"] == "failed"
    assert "fake-recorder 1.0" in runs["recorder"]["error"]["title"]
    assert runs["recorder"]["error"]["code"] == "plugin_bug"
    assert "Canary" not in str(runs)
    assert runs["second"]["status"] == "succeeded"
    assert runs["second"]["outcome"]["notes"] == ["second was here"]


def test_a_plugin_enabled_later_gets_a_quote_once_when_it_is_accepted_again(desk: Any) -> None:
    desk.enable()
    first = desk.host.runs.acceptance.accept("ws-1", a_quote())
    desk.enable(plugin="second")

    again = desk.host.runs.acceptance.accept("ws-1", a_quote())
    third = desk.host.runs.acceptance.accept("ws-1", a_quote())

    assert (first.duplicate, again.duplicate, third.duplicate) == (False, True, True)
    assert len(first.run_ids) == 1
    assert set(first.run_ids) < set(again.run_ids) == set(third.run_ids)


def test_the_same_quote_in_two_workspaces_is_two_quotes(desk: Any) -> None:
    desk.enable()
    desk.enable("ws-2")

    found = [desk.host.runs.acceptance.accept(workspace, a_quote()) for workspace in ("ws-1", "ws-2")]

    assert [accepted.duplicate for accepted in found] == [False, False]
    assert found[0].run_ids != found[1].run_ids


def test_accepting_at_once_from_many_threads_makes_one_run(desk: Any) -> None:
    desk.enable()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: desk.host.runs.acceptance.accept("ws-1", a_quote()), range(8)))

    assert sorted(accepted.duplicate for accepted in found) == [False] + [True] * 7
    assert len({accepted.run_ids for accepted in found}) == 1


def test_asking_for_an_installment_at_once_from_many_threads_makes_one_run(desk: Any) -> None:
    desk.enable()
    accept(desk)
    with_record(desk)

    def ask(_: int) -> str | None:
        try:
            return str(desk.host.runs.installments.request("ws-1", "q-7", None))
        except ActionRefused:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [run_id for run_id in pool.map(ask, range(8)) if run_id]

    assert len(made) == 1


@pytest.mark.parametrize(
    ("answer", "status", "again"),
    [
        (Outcome.done(), "succeeded", False),
        (Outcome.skipped("Nothing to do."), "skipped", True),
        (Outcome.needs_attention("look", "Look."), "needs_attention", True),
        (NeedsAttention("Look."), "needs_attention", True),
        (PermanentError("No."), "failed", True),
        (KeyError("bug"), "failed", True),
    ],
    ids=["succeeded", "skipped", "needs attention", "raised", "failed", "bug"],
)
def test_a_run_can_be_retried_unless_it_succeeded(desk: Any, answer: Any, status: str, again: bool) -> None:
    def hook(_ctx: Any, _quote: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    run = desk.accept()
    assert run["status"] == status
    desk.recorder.answers.clear()

    if not again:
        with pytest.raises(ActionRefused):
            desk.host.runs.control.retry(run["id"])
        return
    assert desk.retry(run["id"])["status"] == "succeeded"
    with pytest.raises(ActionRefused):
        desk.host.runs.control.retry(run["id"])


def test_a_run_that_was_retried_is_not_retried_at_the_same_time(desk: Any) -> None:
    desk.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: Outcome.needs_attention("look", "Look.")
    desk.enable()
    run = desk.accept()

    def retry(_: int) -> bool:
        try:
            desk.host.runs.control.retry(run["id"])
        except ActionRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(retry, range(8))) == 1


def test_an_old_job_of_a_retried_run_does_nothing(desk: Any) -> None:
    desk.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: Outcome.skipped("Not yet.")
    desk.enable()
    run = desk.accept()
    desk.host.runs.control.retry(run["id"])
    desk.recorder.calls.clear()

    desk.work_again(run["id"], attempt=1)

    assert desk.recorder.calls == []
    desk.work()
    assert desk.recorder.calls == [("on_quote_accepted", "ws-1")]


def test_a_quote_waits_for_an_enabled_plugin_that_does_not_load(desks: Callable[..., Any]) -> None:
    desk = desks("data")
    desk.enable()
    desk.host.close()
    without = desks("data", plugins_blocked=BROKEN | REAL | {"recorder"})

    accepted = without.host.runs.acceptance.accept("ws-1", a_quote())
    without.work()

    (run,) = map(without.run, accepted.run_ids)
    assert run["status"] == "waiting"
    assert "blocked" in run["error"]["title"]
    without.host.close()
    mended = desks("data")
    mended.work()  # it resumes by itself
    assert mended.run(run["id"])["status"] == "succeeded"


def test_a_webhook_for_a_plugin_that_does_not_load_is_answered_503_and_not_stored(desks: Callable[..., Any]) -> None:
    desk = desks("data")
    desk.enable()
    desk.host.close()
    without = desks("data", plugins_blocked=BROKEN | REAL | {"recorder"})

    answer = create_app(without.host).test_client().post("/webhooks/recorder/ws-1/token", data=b"{}")

    assert answer.status_code == 503
    assert without.count("webhook_deliveries") == 0
