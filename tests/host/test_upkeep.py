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
def endpoint_desk(desk: Any) -> Any:
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
def test_hook_on_upkeep_is_worked_in_steps_like_any_run(endpoint_desk: Any, roll: bool) -> None:
    tries: list[UpkeepRequest] = []

    def upkeep(ctx: Any, request: UpkeepRequest) -> UpkeepReport:
        def look(attempt: Any) -> None:
            tries.append(request)
            if len(tries) == 1:
                raise RetryableError("The service is busy.")

        ctx.step("look", look)
        return UpkeepReport(Outcome.done("The endpoint was mended."))

    endpoint_desk.recorder.answers["on_upkeep"] = upkeep

    run = look_after(endpoint_desk, roll_secrets=roll)

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
def test_an_upkeep_that_breaks_the_contract_is_a_bug_of_the_plugin(endpoint_desk: Any, answer: Any) -> None:
    endpoint_desk.recorder.answers["on_upkeep"] = lambda ctx, upkeep: answer

    run = look_after(endpoint_desk)

    assert (run["status"], run["error"]["code"]) == ("failed", "plugin_bug")


def test_a_disabled_plugin_gets_no_upkeep(endpoint_desk: Any) -> None:
    endpoint_desk.host.settings.disable("ws-1", "recorder")
    endpoint_desk.recorder.calls.clear()

    assert endpoint_desk.host.upkeep.request_due() == []
    with pytest.raises(ActionRefused):
        endpoint_desk.host.upkeep.request("ws-1")
    assert endpoint_desk.recorder.calls == []


def test_trouble_in_one_workspace_does_not_hold_up_another(endpoint_desk: Any) -> None:
    endpoint_desk.enable("ws-2")

    def endpoints(ctx: Any, _: Any) -> list[WebhookEndpoint]:
        if ctx.workspace == "ws-1":
            raise RuntimeError("a bug")
        return [ENDPOINT]

    endpoint_desk.recorder.answers["webhook_endpoints"] = endpoints

    assert [endpoint_desk.run(run_id)["workspace"] for run_id in endpoint_desk.host.upkeep.request_due()] == ["ws-2"]


# -- events that an upkeep finds ---------------------------------------------------------------------------


def test_an_event_that_an_upkeep_finds_is_worked_once_like_a_delivered_one(endpoint_desk: Any) -> None:
    finds(endpoint_desk, FOUND)

    first, second = look_after(endpoint_desk), look_after(endpoint_desk)

    (run,) = webhook_runs(endpoint_desk)
    assert (run["status"], run["quote_id"]) == ("succeeded", "q-7")
    assert first["status"] == "succeeded"
    assert "Nobody had told us of paid, quote q-7: it is worked." in first["outcome"]["notes"]
    assert second["status"] == "skipped"


def test_an_event_found_and_delivered_is_worked_once_in_either_order(endpoint_desk: Any) -> None:
    def deliver(event_id: str) -> str:
        body = json.dumps({"id": event_id, "type": "paid", "quote_id": "q-7"}).encode()
        request = WebhookRequest("right", body, {"X-Signature": "signed"})
        return str(endpoint_desk.host.runs.webhooks.receive("ws-1", "recorder", request))

    assert deliver("e-1") == "stored"
    finds(endpoint_desk, FOUND, WebhookEvent("e-2", "paid", {}, "q-7"))
    look_after(endpoint_desk)
    assert deliver("e-2") == "duplicate"
    endpoint_desk.work()

    assert len(webhook_runs(endpoint_desk)) == 2


@pytest.mark.parametrize("quote_id", [None, "q-unknown"])
def test_an_event_about_no_known_quote_starts_no_run(endpoint_desk: Any, quote_id: str | None) -> None:
    finds(endpoint_desk, WebhookEvent("e-1", "paid", {}, quote_id))

    assert look_after(endpoint_desk)["status"] == "skipped"
    assert webhook_runs(endpoint_desk) == []


def test_events_are_worked_even_if_their_upkeep_needs_a_person(endpoint_desk: Any) -> None:
    finds(endpoint_desk, FOUND, outcome=Outcome.needs_attention("webhook_endpoint", "There is no room."))

    run = look_after(endpoint_desk)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "webhook_endpoint")
    assert len(webhook_runs(endpoint_desk)) == 1


def test_a_crash_before_the_end_of_an_upkeep_neither_loses_nor_repeats_an_event(endpoint_desk: Any) -> None:
    def upkeep(ctx: Any, _: Any) -> UpkeepReport:
        found = ctx.step("look", lambda attempt: [{"id": "e-1"}])
        return UpkeepReport(NOTHING.outcome, tuple(WebhookEvent(e["id"], "paid", e, "q-7") for e in found))

    endpoint_desk.recorder.answers["on_upkeep"] = upkeep
    run = look_after(endpoint_desk)
    with endpoint_desk.host.store.write() as db:  # its last write was rolled back
        db.exec_driver_sql("UPDATE runs SET status = 'running' WHERE kind = 'upkeep'")

    endpoint_desk.work_again(run["id"])

    assert len(webhook_runs(endpoint_desk)) == 1


# -- one at a time -----------------------------------------------------------------------------------------


def test_only_one_upkeep_is_queued_at_a_time(endpoint_desk: Any) -> None:
    (run_id,) = endpoint_desk.host.upkeep.request("ws-1")

    with pytest.raises(ActionRefused, match=run_id):
        endpoint_desk.host.upkeep.request("ws-1")
    assert endpoint_desk.host.upkeep.request_due() == endpoint_desk.host.upkeep.request_after_start() == []
    endpoint_desk.work()
    assert len(endpoint_desk.host.upkeep.request("ws-1")) == 1


def test_a_workspace_that_does_not_exist_is_not_found(endpoint_desk: Any) -> None:
    for ask in (endpoint_desk.host.upkeep.request, endpoint_desk.host.upkeep.status):
        with pytest.raises(NotFound):
            ask("nowhere")


def test_an_upkeep_can_be_retried_but_not_undone(endpoint_desk: Any) -> None:
    def trouble(ctx: Any, _: Any) -> UpkeepReport:
        raise NeedsAttention("The key was refused.")

    endpoint_desk.recorder.answers["on_upkeep"] = trouble
    run = look_after(endpoint_desk)
    assert run["status"] == "needs_attention"
    with pytest.raises(ActionRefused, match="nothing to take back"):
        endpoint_desk.host.runs.cancellation.undo(run["id"])
    finds(endpoint_desk)

    assert endpoint_desk.retry(run["id"])["status"] == "skipped"


# -- lists -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "listed"),
    [
        pytest.param(Outcome.skipped("Nothing had to be mended."), False, id="nothing to do"),
        pytest.param(Outcome.done("The endpoint was mended."), True, id="something was mended"),
        pytest.param(Outcome.needs_attention("c", "A person has to look."), True, id="a person has to look"),
    ],
)
def test_an_upkeep_that_changed_nothing_is_listed_only_on_request(
    endpoint_desk: Any, outcome: Outcome, listed: bool
) -> None:
    finds(endpoint_desk, outcome=outcome)
    run = look_after(endpoint_desk)

    def ids(**which: Any) -> list[str]:
        return [found["id"] for found in list_runs(endpoint_desk.host.store, **which)["data"]]

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


def test_the_quotes_that_await_a_payment_are_listed_in_pages(endpoint_desk: Any) -> None:
    records = endpoint_desk.host.integrations.contexts.make("ws-1", "recorder", {}).records
    for quote_id, status in (("q-a", "open"), ("q-b", "paid"), ("q-c", "draft"), ("q-d", "void"), ("q-e", "open")):
        endpoint_desk.host.runs.acceptance.accept("ws-1", a_quote(id=quote_id))
        record = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="in_1", status=status, account="a"))
        records.update(quote_id, lambda _, made=record: made)

    assert records.awaiting_payment(after="", limit=2) == ["q-a", "q-c"]
    assert records.awaiting_payment(after="q-c", limit=2) == ["q-e"]
    closed = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="in_1", status="paid", account="a"))
    records.update("q-a", lambda _: closed)
    assert records.awaiting_payment(after="", limit=9) == ["q-c", "q-e"]
