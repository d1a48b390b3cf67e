"""Upkeep: a run without a quote that the schedule or a person requests. Events that it finds are worked like webhooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import (
    InvoiceRecord,
    NeedsAttention,
    Outcome,
    QuoteRecord,
    RetryableError,
    UpkeepReport,
    UpkeepRequest,
    WebhookEndpoint,
    WebhookEvent,
)
from qwoty_integrations_host.contract.hook_types import WebhookRequest
from qwoty_integrations_host.errors import ActionRefused, NotFound
from qwoty_integrations_host.reports.runs import list_runs

ENDPOINT = WebhookEndpoint("main", "test", "we_1", "https://host.example/webhooks/recorder/ws-1/tokentokentoken1234")
NOTHING = UpkeepReport(Outcome.skipped("Nothing had to be mended."))
FOUND = WebhookEvent("e-1", "paid", {"id": "e-1"}, "q-7", account="main")


@pytest.fixture
def kept(desk: Any) -> Any:
    """A desk whose recorder has a webhook endpoint for ws-1 and a quote."""
    desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT]
    desk.enable()
    desk.accept()
    return desk


def finds(desk: Any, *events: WebhookEvent, outcome: Outcome | None = None) -> None:
    report = UpkeepReport(outcome or NOTHING.outcome, events)
    desk.recorder.answers["on_upkeep"] = lambda ctx, upkeep: report


def look_after(desk: Any, **request: Any) -> dict[str, Any]:
    (run_id,) = desk.host.upkeep.request("ws-1", **request)
    desk.work()
    found: dict[str, Any] = desk.run(run_id)
    return found


def webhook_runs(desk: Any) -> list[dict[str, Any]]:
    return [run for run in list_runs(desk.host.store)["data"] if run["kind"] == "webhook"]


# -- the hooks ---------------------------------------------------------------------------------------------


def test_hook_webhook_endpoints_decides_whether_upkeep_is_needed(desk: Any) -> None:
    desk.enable()
    desk.enable("ws-2")
    desk.recorder.answers["webhook_endpoints"] = lambda ctx, _: [ENDPOINT] if ctx.workspace == "ws-2" else []

    (run_id,) = desk.host.upkeep.request_due()

    assert desk.run(run_id)["workspace"] == "ws-2"
    with pytest.raises(ActionRefused, match="No integration"):
        desk.host.upkeep.request("ws-1")


@pytest.mark.parametrize("roll", [False, True])
def test_hook_on_upkeep_is_worked_in_steps_like_any_run(kept: Any, roll: bool) -> None:
    tries: list[UpkeepRequest] = []

    def upkeep(ctx: Any, request: UpkeepRequest) -> UpkeepReport:
        def look(attempt: Any) -> None:
            tries.append(request)
            if len(tries) == 1:
                raise RetryableError("The service is busy.")

        ctx.step("look", look)
        return UpkeepReport(Outcome.done("The endpoint was mended."))

    kept.recorder.answers["on_upkeep"] = upkeep

    run = look_after(kept, roll_secrets=roll)

    assert (run["kind"], run["quote_id"], run["status"]) == ("upkeep", "", "succeeded")
    assert [(step["name"], step["attempts"]) for step in run["steps"]] == [("look", 2)]
    assert run["outcome"]["notes"] == ["The endpoint was mended."]
    assert tries == [UpkeepRequest(roll)] * 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Outcome.done(), id="an outcome alone"),
        pytest.param(UpkeepReport(None), id="no outcome"),  # type: ignore[arg-type]
        pytest.param(UpkeepReport(Outcome.done(), ({"id": "e"},)), id="an event of another kind"),  # type: ignore[arg-type]
        pytest.param(UpkeepReport(Outcome.done(), (WebhookEvent("", "t", {}),)), id="an event without id"),
        pytest.param(UpkeepReport(Outcome.done(), (WebhookEvent("e", "t", {"at": object()}),)), id="not JSON"),
    ],
)
def test_an_upkeep_that_breaks_the_contract_is_a_bug_of_the_plugin(kept: Any, answer: Any) -> None:
    kept.recorder.answers["on_upkeep"] = lambda ctx, upkeep: answer

    run = look_after(kept)

    assert (run["status"], run["error"]["code"]) == ("failed", "plugin_bug")


def test_a_disabled_plugin_gets_no_upkeep(kept: Any) -> None:
    kept.host.settings.disable("ws-1", "recorder")
    kept.recorder.calls.clear()

    assert kept.host.upkeep.request_due() == []
    with pytest.raises(ActionRefused):
        kept.host.upkeep.request("ws-1")
    assert kept.recorder.calls == []


def test_trouble_in_one_workspace_does_not_hold_up_another(kept: Any) -> None:
    kept.enable("ws-2")

    def endpoints(ctx: Any, _: Any) -> list[WebhookEndpoint]:
        if ctx.workspace == "ws-1":
            raise RuntimeError("a bug")
        return [ENDPOINT]

    kept.recorder.answers["webhook_endpoints"] = endpoints

    assert [kept.run(run_id)["workspace"] for run_id in kept.host.upkeep.request_due()] == ["ws-2"]


# -- events that an upkeep finds ---------------------------------------------------------------------------


def test_an_event_that_an_upkeep_finds_is_worked_once_like_a_delivered_one(kept: Any) -> None:
    finds(kept, FOUND)

    first, second = look_after(kept), look_after(kept)

    (run,) = webhook_runs(kept)
    assert (run["status"], run["quote_id"]) == ("succeeded", "q-7")
    assert first["status"] == "succeeded"
    assert "Nobody had told us of paid, quote q-7: it is worked." in first["outcome"]["notes"]
    assert second["status"] == "skipped"


def test_an_event_found_and_delivered_is_worked_once_in_either_order(kept: Any) -> None:
    def deliver(event_id: str) -> str:
        body = json.dumps({"id": event_id, "type": "paid", "quote_id": "q-7"}).encode()
        request = WebhookRequest("right", body, {"X-Signature": "signed"})
        return str(kept.host.runs.receive_webhook("ws-1", "recorder", request))

    assert deliver("e-1") == "stored"
    finds(kept, FOUND, WebhookEvent("e-2", "paid", {}, "q-7"))
    look_after(kept)
    assert deliver("e-2") == "duplicate"
    kept.work()

    assert len(webhook_runs(kept)) == 2


@pytest.mark.parametrize("quote_id", [None, "q-unknown"])
def test_an_event_about_no_known_quote_starts_no_run(kept: Any, quote_id: str | None) -> None:
    finds(kept, WebhookEvent("e-1", "paid", {}, quote_id))

    assert look_after(kept)["status"] == "skipped"
    assert webhook_runs(kept) == []


def test_events_are_worked_even_if_their_upkeep_needs_a_person(kept: Any) -> None:
    finds(kept, FOUND, outcome=Outcome.needs_attention("webhook_endpoint", "There is no room."))

    run = look_after(kept)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "webhook_endpoint")
    assert len(webhook_runs(kept)) == 1


def test_a_crash_before_the_end_of_an_upkeep_neither_loses_nor_repeats_an_event(kept: Any) -> None:
    def upkeep(ctx: Any, _: Any) -> UpkeepReport:
        found = ctx.step("look", lambda attempt: [{"id": "e-1"}])
        return UpkeepReport(NOTHING.outcome, tuple(WebhookEvent(e["id"], "paid", e, "q-7") for e in found))

    kept.recorder.answers["on_upkeep"] = upkeep
    run = look_after(kept)
    with kept.host.store.write() as db:  # its last write was rolled back
        db.exec_driver_sql("UPDATE runs SET status = 'running' WHERE kind = 'upkeep'")

    kept.work_again(run["id"])

    assert len(webhook_runs(kept)) == 1


# -- one at a time -----------------------------------------------------------------------------------------


def test_only_one_upkeep_is_queued_at_a_time(kept: Any) -> None:
    (run_id,) = kept.host.upkeep.request("ws-1")

    with pytest.raises(ActionRefused, match=run_id):
        kept.host.upkeep.request("ws-1")
    assert kept.host.upkeep.request_due() == kept.host.upkeep.request_after_start() == []
    kept.work()
    assert len(kept.host.upkeep.request("ws-1")) == 1


def test_a_workspace_that_does_not_exist_is_not_found(kept: Any) -> None:
    for ask in (kept.host.upkeep.request, kept.host.upkeep.status):
        with pytest.raises(NotFound):
            ask("nowhere")


def test_an_upkeep_can_be_retried_but_not_undone(kept: Any) -> None:
    def trouble(ctx: Any, _: Any) -> UpkeepReport:
        raise NeedsAttention("The key was refused.")

    kept.recorder.answers["on_upkeep"] = trouble
    run = look_after(kept)
    assert run["status"] == "needs_attention"
    with pytest.raises(ActionRefused, match="nothing to take back"):
        kept.host.runs.request_undo(run["id"])
    finds(kept)

    assert kept.retry(run["id"])["status"] == "skipped"


# -- lists -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "listed"),
    [
        pytest.param(Outcome.skipped("Nothing had to be mended."), False, id="nothing to do"),
        pytest.param(Outcome.done("The endpoint was mended."), True, id="something was mended"),
        pytest.param(Outcome.needs_attention("c", "A person has to look."), True, id="a person has to look"),
    ],
)
def test_an_upkeep_that_changed_nothing_is_listed_only_on_request(kept: Any, outcome: Outcome, listed: bool) -> None:
    finds(kept, outcome=outcome)
    run = look_after(kept)

    def ids(**which: Any) -> list[str]:
        return [found["id"] for found in list_runs(kept.host.store, **which)["data"]]

    assert (run["id"] in ids()) == listed
    assert run["id"] in ids(quiet=True)


# -- quotes that await a payment ---------------------------------------------------------------------------


def test_an_unpaid_invoice_gets_upkeep_even_without_a_webhook_endpoint(desk: Any) -> None:
    desk.enable()
    desk.accept()
    assert desk.host.upkeep.request_due() == []
    records = desk.host.integrations.contexts.make("ws-1", "recorder", {}).records
    opened = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="in_1", status="open", account="a"))
    records.update("q-7", lambda _: opened)

    (run_id,) = desk.host.upkeep.request_due()

    assert desk.run(run_id)["kind"] == "upkeep"


def test_the_quotes_that_await_a_payment_are_listed_in_pages(kept: Any) -> None:
    records = kept.host.integrations.contexts.make("ws-1", "recorder", {}).records
    for quote_id, status in (("q-a", "open"), ("q-b", "paid"), ("q-c", "draft"), ("q-d", "void"), ("q-e", "open")):
        kept.host.runs.accept("ws-1", a_quote(id=quote_id))
        record = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="in_1", status=status, account="a"))
        records.update(quote_id, lambda _, made=record: made)

    assert records.awaiting_payment(after="", limit=2) == ["q-a", "q-c"]
    assert records.awaiting_payment(after="q-c", limit=2) == ["q-e"]
    closed = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="in_1", status="paid", account="a"))
    records.update("q-a", lambda _: closed)
    assert records.awaiting_payment(after="", limit=9) == ["q-c", "q-e"]
