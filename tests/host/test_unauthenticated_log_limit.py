"""Unauthenticated requests cannot fill the log, and authenticated ones are always logged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client

from qwoty_integrations_host import Outcome, WebhookEvent, WebhookRejected
from qwoty_integrations_host.web.app import create_app
from qwoty_integrations_host.web.unauthenticated_log_limit import MOST_LINES
from qwoty_integrations_host.workspaces import api_keys
from written_log import written_log


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    with written_log(monkeypatch) as written:
        yield lambda event: [line for line in map(json.loads, written().splitlines()) if line["event"] == event]


STRANGERS: dict[str, Callable[[Client], Any]] = {
    "no key": lambda caller: caller.get("/v1/workspaces/ws-1/runs"),
    "a wrong key": lambda caller: caller.get("/v1/workspaces/ws-1/runs", headers={"Authorization": "Bearer qwh_wrong"}),
    "nothing there": lambda caller: caller.get("/.env"),
    "a forged webhook": lambda caller: caller.post("/webhooks/recorder/ws-1/forged", data=b"{}"),
    "a forged event": lambda caller: caller.post("/v1/workspaces/ws-1/events", headers={"webhook-signature": "v1,x"}),
    "the console": lambda caller: caller.get("/console/runs"),
    "a wrong session": lambda caller: caller.get("/console/runs", headers={"Cookie": "qwoty_session=wrong"}),
    "health": lambda caller: caller.get("/health/live"),
}


def authenticate(_ctx: Any, request: Any) -> WebhookEvent:
    if request.token == "forged":
        raise WebhookRejected("Forged.", code="wrong_signature")
    return WebhookEvent(request.body.decode(), "thing.done", {})


@pytest.mark.parametrize("stranger", STRANGERS)
def test_unauthenticated_requests_cause_a_limited_number_of_log_lines_and_one_that_counts_the_rest(
    desk: Any, log: Any, stranger: str
) -> None:
    desk.recorder.answers["authenticate_webhook"] = authenticate
    desk.enable()
    caller, call = Client(create_app(desk.host)), STRANGERS[stranger]
    for _ in range(MOST_LINES + 30):
        call(caller)
    assert len(log("http.answered")) == MOST_LINES
    assert log("http.strangers_not_logged") == []

    desk.clock.advance(61)
    call(caller)

    (summary,) = log("http.strangers_not_logged")
    assert (summary["lines"], summary["level"]) == (30, "warning")
    assert len(log("http.answered")) == MOST_LINES + 1
    desk.clock.advance(61)
    call(caller)
    assert len(log("http.strangers_not_logged")) == 1, "no line of the second minute was dropped"


def test_authenticated_requests_are_always_logged(desk: Any, log: Any) -> None:
    desk.recorder.answers |= {"authenticate_webhook": authenticate, "on_webhook": lambda *_: Outcome.done()}
    desk.enable()
    host = desk.host
    secret = host.platforms.add_signing_secret("ws-1")["secret"]
    key = {"Authorization": "Bearer " + api_keys.create(host.store, host.clock, "ws-1")["key"]}
    caller = Client(create_app(host))
    for _ in range(MOST_LINES + 1):
        caller.get("/.env")
    before = len(log("http.answered"))

    caller.get("/v1/workspaces/ws-1/runs", headers=key)
    caller.post("/webhooks/recorder/ws-1/right", data=b"evt_1")
    caller.post("/v1/workspaces/ws-1/events", **signed_event(host, secret))
    again = caller.get("/v1/workspaces/ws-2/runs", headers=key)

    assert again.status_code == 404
    routes = [line["route"] for line in log("http.answered")[before:]]
    assert [route.rsplit("/", 1)[1] for route in routes] == [
        "runs",
        "<token>",
        "events",
        "runs",
    ]


def signed_event(host: Any, secret: str) -> dict[str, Any]:
    from standardwebhooks import Webhook

    body, now = json.dumps({"event_type": "quote.viewed", "id": "q-1"}), host.clock.now()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    return {"data": body, "headers": headers | {"webhook-signature": Webhook(secret).sign("msg_1", now, body)}}
