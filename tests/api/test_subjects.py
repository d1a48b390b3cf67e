"""The subjects of the API: each action has its effect, and answers equal those of the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders import a_quote
from host.conftest import TOKEN
from qwoty_integrations_host import NeedsAttention, Outcome, PermanentError, WebhookEndpoint, WebhookRequest
from qwoty_integrations_host.reports.quotes import find_quote, quote_report


def receive(caller: Any, id: str = "evt_1", quote_id: str | None = "q-7") -> None:
    body = json.dumps({"id": id, "type": "thing.done", "quote_id": quote_id}).encode()
    caller.desk.host.runs.webhooks.receive("ws-1", "recorder", WebhookRequest("right", body, {"X-Signature": "signed"}))


def fail(caller: Any, error: Exception, hook: str = "on_quote_accepted") -> None:
    def failing(*_: Any) -> Any:
        raise error

    caller.desk.recorder.answers[hook] = failing


# -- workspaces, plugins, settings ----------------------------------------------------------------


def test_a_key_lists_only_its_workspace_with_the_enabled_integrations(caller: Any) -> None:
    (found,) = caller.get("/v1/workspaces")["data"]

    assert found == caller.get("/ws-1")
    assert found["id"] == "ws-1"
    assert {"id": "recorder", "status": "loaded", "enabled": True, "configured": True} in found["plugins"]
    assert {"id": "second", "status": "loaded", "enabled": False, "configured": False} in found["plugins"]


def test_plugins_are_listed_with_those_that_failed(caller: Any) -> None:
    found = {plugin["id"]: plugin for plugin in caller.get("/v1/plugins")["data"]}

    assert found["recorder"] == caller.get("/v1/plugins/recorder")
    assert (found["recorder"]["status"], found["recorder"]["title"]) == ("loaded", "R")
    assert (found["exits"]["status"], found["exits"]["title"]) == ("blocked", None)
    assert found["exits"]["reason"]


def test_a_settings_schema_is_served_as_the_plugin_wrote_it(caller: Any) -> None:
    answer = caller.call("GET", "/v1/plugins/recorder/settings-schema")

    schema = caller.desk.host.plugins.manifest("recorder").settings_schema
    assert json.dumps(answer.json) == json.dumps(schema), "the fields keep their order, which is the order of the form"


def test_settings_are_saved_shown_without_secrets_enabled_and_disabled(caller: Any) -> None:
    path = "/ws-1/plugins/recorder"
    tested = caller.call("PUT", f"{path}/settings", {"token": TOKEN, "mode": "fast", "ratio": 0.5})

    assert (tested.status_code, ended(caller, tested)["status"]) == (202, "succeeded")
    token = {"set": True, "last4": TOKEN[-4:]}
    assert caller.get(f"{path}/settings")["settings"] == {"token": token, "mode": "fast", "ratio": 0.5}
    assert caller.post(f"{path}/disable").json == {"workspace": "ws-1", "plugin": "recorder", "enabled": False}
    put = caller.call("PUT", f"{path}/settings", {"token": TOKEN, "mode": "fast"})
    assert put.status_code == 200 and put.json == caller.get(f"{path}/settings")
    assert ended(caller, caller.post(f"{path}/enable"))["kind"] == "integration.enable"
    again = caller.post(f"{path}/enable")
    assert (again.status_code, again.json["enabled"]) == (200, True)
    ended(caller, caller.call("PUT", f"{path}/settings", {"token": "", "mode": "slow"}))
    kept = caller.get(f"{path}/settings")["settings"]
    assert (kept["token"], kept["mode"]) == (token, "slow")


def ended(caller: Any, answer: Any) -> Any:
    """The result of a connection test, at the address in its 202."""
    assert answer.status_code == 202, answer.text
    return caller.get(answer.headers["Location"])


# -- quotes, installments --------------------------------------------------------------------------


def test_a_preview_of_a_quote_stores_nothing(callers: Any) -> None:
    reader = callers("read")
    reader.desk.enable()

    answer = reader.post("/ws-1/quotes/preview", a_quote())

    (plan,) = answer.json["previews"]
    assert (answer.json["quote_id"], answer.json["ends_well"]) == ("q-7", True)
    assert (plan["plugin"], plan["status"], plan["notes"]) == ("recorder", "skipped", ["nothing to see"])
    assert reader.desk.count("quotes") == reader.desk.count("runs") == 0


def test_a_quote_is_listed_and_shown_as_the_command_line_shows_it(bench: Any, callers_of: Any) -> None:
    caller = callers_of(bench.host)
    bench.enable(invoice_status="open", send_payment_link=True)
    bench.accept(a_quote(installments=2))

    shown = caller.get("/ws-1/quotes/q-7")
    assert shown == quote_report(bench.host.store, "ws-1", "q-7", bench.clock.now())
    assert caller.get("/ws-1/quotes/q-7/installments") == {"data": shown["installments"], "has_more": False}
    (listed,) = caller.get("/ws-1/quotes")["data"]
    figures = ("invoice", "payment_status", "currency", "total", "amount_paid", "amount_remaining")
    assert {name: listed[name] for name in figures} == {name: shown[name] for name in figures}
    assert (listed["customer_name"], listed["signed_total"]) == ("Buyer SARL", "120.00")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"currency": " eur "},
        {"summary": None},
        {"summary": {"one_off": {"net_amount": "100", "tax_amount": " 20.00", "total_amount": " 120.00 "}}},
        {"summary": {"one_off": {"net_amount": 100, "tax_amount": 20, "total_amount": Decimal("1.2E+2")}}},
    ],
)
def test_a_list_shows_the_same_values_of_a_quote_as_the_whole_quote(
    bench: Any, callers_of: Any, change: dict[str, Any]
) -> None:
    quote = a_quote() | change
    quote["customer"]["name"] = "  Buyer SARL "
    bench.enable()
    bench.accept(quote)

    (listed,) = callers_of(bench.host).get("/ws-1/quotes")["data"]

    loaded = find_quote(bench.host.store, "ws-1", quote["id"])
    total = loaded.totals and format(loaded.totals.total_amount, "f")
    names = ("quote_id", "number", "customer_name", "currency", "signed_total")
    assert [listed[name] for name in names] == [loaded.id, loaded.number, loaded.customer.name, loaded.currency, total]


def test_the_next_installment_is_sent_if_that_is_allowed(bench: Any, callers_of: Any) -> None:
    caller = callers_of(bench.host)
    bench.enable(invoice_status="open", send_payment_link=True)
    bench.accept(a_quote(installments=2))
    path = "/ws-1/quotes/q-7/installments"

    refused = caller.post(f"{path}/send", {"number": 2})
    sent = caller.post(f"{path}/send")

    assert (refused.status_code, refused.json["code"]) == (409, "refused")
    assert (sent.status_code, sent.json["kind"], sent.json["status"]) == (202, "installment", "queued")
    bench.work()
    assert caller.get(f"/ws-1/runs/{sent.json['id']}")["status"] == "succeeded"
    assert len(bench.mails()) == 2
    looking = caller.post(f"{path}/send", {"number": 2, "look_first": True})
    bench.work()
    assert looking.status_code == 202, "the run finds out whether the installment may be sent"
    assert caller.get(f"/ws-1/runs/{looking.json['id']}")["status"] == "skipped"


def test_a_preview_of_a_real_plan_has_its_lines_and_sums(bench: Any, callers_of: Any) -> None:
    caller = callers_of(bench.host)
    bench.enable()

    (plan,) = caller.post("/ws-1/quotes/preview", a_quote()).json["previews"]

    assert (plan["status"], plan["total"], plan["signed_total"]) == ("planned", "120.00", "120.00")
    assert [line["total"] for line in plan["lines"]] == ["120.00"]


# -- runs ------------------------------------------------------------------------------------------


def test_a_run_is_shown_as_the_command_line_shows_it(caller: Any) -> None:
    caller.desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: Outcome.done(
        ctx.step("one", lambda _: "done"), result={"own": {"result": 1}}
    )
    run = caller.desk.accept()

    assert caller.get(f"/ws-1/runs/{run['id']}") == run
    assert caller.get("/ws-1/runs") == {"data": [run], "has_more": False}


def test_a_run_is_retried_dismissed_and_undone(caller: Any) -> None:
    fail(caller, NeedsAttention("Look at this."))
    run = caller.desk.accept()
    path = f"/ws-1/runs/{run['id']}"

    dismissed = caller.post(f"{path}/dismiss", {"reason": "Done by hand."})
    retried = caller.post(f"{path}/retry")

    assert (dismissed.status_code, dismissed.json["status"]) == (200, "dismissed")
    assert dismissed.json["outcome"]["notes"][-1].endswith("Done by hand.")
    assert (retried.status_code, retried.json["id"], retried.json["status"]) == (202, run["id"], "queued")
    del caller.desk.recorder.answers["on_quote_accepted"]
    caller.desk.work()
    assert caller.get(path)["status"] == "succeeded"
    refused = caller.post(f"{path}/undo")
    assert (refused.status_code, refused.json["title"]) == (
        409,
        "The integration is switched off here, or cannot take back what it made.",
    )


def test_retrying_all_failed_runs_retries_only_those_of_the_workspace(caller: Any) -> None:
    caller.desk.enable("ws-2")
    fail(caller, PermanentError("No."))
    mine = [caller.desk.accept(id=f"q-{number}")["id"] for number in range(2)]
    theirs = caller.desk.accept("ws-2", id="q-theirs")["id"]

    answer = caller.post("/ws-1/runs/retry-all-failed")

    assert (answer.status_code, sorted(answer.json["run_ids"])) == (202, sorted(mine))
    assert caller.desk.run(theirs)["status"] == "failed"
    assert {run["status"] for run in caller.get("/ws-1/runs")["data"]} == {"queued"}


# -- webhooks --------------------------------------------------------------------------------------


def test_an_event_is_listed_with_the_run_that_works_it(caller: Any) -> None:
    caller.desk.accept()
    receive(caller)
    caller.desk.clock.advance(1)
    receive(caller, "evt_2", quote_id=None)
    caller.desk.work()

    unknown, known = caller.get("/ws-1/webhooks/deliveries")["data"]

    assert (unknown["id"], unknown["run_id"], unknown["run_status"]) == ("evt_2", None, None)
    run = caller.get(f"/ws-1/runs/{known['run_id']}")
    assert (known["id"], known["type"], known["run_status"]) == ("evt_1", "thing.done", run["status"])
    assert (known["plugin"], known["account"], known["found"], known["kept"]) == ("recorder", None, False, True)


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_replayed_event_is_worked_again_by_its_own_run(caller: Any, outcome: str) -> None:
    caller.desk.accept()
    if outcome == "failed":
        fail(caller, PermanentError("No."), "on_webhook")
    receive(caller)
    caller.desk.work()
    caller.desk.recorder.answers.clear()
    (event,) = caller.get("/ws-1/webhooks/deliveries")["data"]
    assert event["run_status"] == outcome
    path = "/ws-1/webhooks/deliveries/recorder/evt_1/replay"

    answers = [caller.post(path) for _ in range(2)]
    caller.desk.work()

    assert [(a.status_code, a.json.get("id")) for a in answers] == [(202, event["run_id"]), (409, None)]
    assert caller.desk.recorder.calls.count(("on_webhook", "ws-1")) == 2
    assert caller.get(f"/ws-1/runs/{event['run_id']}")["status"] == "succeeded"
    assert caller.desk.count("runs") == 2


def test_an_event_that_cannot_be_replayed_is_409(caller: Any) -> None:
    caller.desk.accept()
    receive(caller, "evt_1")
    receive(caller, "evt_2", quote_id=None)
    caller.desk.work()
    caller.desk.clock.advance(timedelta(days=91).total_seconds())
    caller.desk.host.pruning.prune()

    forgotten, nothing = (
        caller.post(f"/ws-1/webhooks/deliveries/recorder/{event}/replay") for event in ("evt_1", "evt_2")
    )

    assert (forgotten.status_code, forgotten.json["title"]) == (409, "What the service said then is no longer kept.")
    assert (nothing.status_code, "no quote" in nothing.json["title"]) == (409, True)
    assert {event["kept"] for event in caller.get("/ws-1/webhooks/deliveries")["data"]} == {False}


def test_webhook_endpoints_are_shown_with_their_last_upkeep(caller: Any) -> None:
    endpoint = WebhookEndpoint("acct_1", "test", "we_1", "https://host.example/webhooks/recorder/ws-1/" + "t" * 40)
    caller.desk.recorder.answers["webhook_endpoints"] = lambda *_: [endpoint]
    caller.desk.host.upkeep.request("ws-1")
    caller.desk.work()

    found = caller.get("/ws-1/webhooks/endpoints")

    assert found["data"] == caller.desk.host.upkeep.status("ws-1")["data"]
    assert found["data"][0]["last_upkeep"]["status"] == "skipped"
    assert "t" * 9 not in json.dumps(found)


# -- connections -----------------------------------------------------------------------------------


def test_a_connection_is_tested_and_shown(bench: Any, callers_of: Any) -> None:
    caller = callers_of(bench.host)
    bench.enable()
    path = "/ws-1/plugins/stripe_invoice/connection"

    before = caller.get(path)
    tested = caller.post(f"{path}/test")

    assert (before["status"], before["checked_at"]) == ("untested", None)
    assert ended(caller, tested)["status"] == "succeeded"
    after = caller.get(path)
    assert after["status"] == "ok" and after == bench.host.connections.show("ws-1", "stripe_invoice")
    assert {right["status"] for right in after["keys"][0]["rights"]} <= {"ok", "unclear"}


def test_a_connection_without_settings_is_404(caller: Any) -> None:
    assert caller.post("/ws-1/plugins/second/connection/test").status_code == 404
    assert caller.call("GET", "/ws-1/plugins/second/connection").status_code == 404
