"""Features that depend on the database, on PostgreSQL: waiting for an idempotency key, and places in a list."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import WebhookRejected, WebhookRequest


@pytest.fixture
def caller(desks: Any, callers_of: Any, postgresql: str) -> Any:
    desk = desks(shared_database=postgresql)
    desk.enable()
    found = callers_of(desk.host)
    found.desk = desk
    return found


def test_ten_simultaneous_requests_under_one_key_write_once_and_get_the_same_answer(caller: Any) -> None:
    with ThreadPoolExecutor(10) as pool:
        sent = [pool.submit(caller.post, "/ws-1/quotes/accepted", a_quote(), Idempotency_Key="k-1") for _ in range(10)]
    answers = [each.result() for each in sent]

    assert {answer.status_code for answer in answers} == {202}
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 9
    assert len({answer.json["runs"][0]["id"] for answer in answers}) == 1
    caller.desk.work()
    assert [run["status"] for run in caller.get("/ws-1/runs")["data"]] == ["succeeded"]


def test_a_page_continues_where_the_previous_page_ended(caller: Any) -> None:
    for number in range(5):
        caller.desk.clock.advance(number % 2)
        caller.post("/ws-1/quotes/accepted", a_quote(id=f"q-{number}"))

    runs = caller.desk.host.runs
    for number, signature in enumerate(("signed", "signed", "signed", "forged", "forged")):
        body = json.dumps({"id": f"evt_{number % 2}", "type": "paid", "quote_id": None}).encode()
        token = "right" if number < 4 else "wrong"
        with suppress(WebhookRejected):
            runs.webhooks.receive("ws-1", "recorder", WebhookRequest(token, body, {"X-Signature": signature}))
    runs.webhooks.rejected.write_down()
    with suppress(WebhookRejected):
        runs.webhooks.receive("ws-1", "recorder", WebhookRequest("wrong", b"", {}))
    runs.webhooks.rejected.write_down()
    for number in range(2, 4):
        caller.desk.clock.advance(1)
        body = json.dumps({"id": f"evt_{number}", "type": "paid", "quote_id": None}).encode()
        runs.webhooks.receive("ws-1", "recorder", WebhookRequest("right", body, {"X-Signature": "signed"}))

    seen = {item["reason"] or item["id"]: item["times"] for item in caller.get("/ws-1/webhooks/deliveries")["data"]}
    assert seen == {"evt_0": 2, "evt_1": 1, "evt_2": 1, "evt_3": 1, "wrong_signature": 1, "unknown_address": 2}
    for path, name in (("/ws-1/runs", "id"), ("/ws-1/quotes", "quote_id"), ("/ws-1/webhooks/deliveries", "id")):
        whole = [item[name] for item in caller.get(path)["data"]]
        first = caller.get(f"{path}?limit=2")
        rest = caller.get(f"{path}?starting_after={first['data'][-1][name]}")
        assert [item[name] for item in first["data"] + rest["data"]] == whole
        assert (first["has_more"], rest["has_more"], len(set(whole)) >= 5) == (True, False, True)
