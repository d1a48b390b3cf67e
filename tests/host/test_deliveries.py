"""The result of each webhook delivery: verified, duplicate or refused; and that a flood of deliveries fills no table."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy.event import listen, remove

from builders import a_quote
from qwoty_integrations_host import WebhookEvent, WebhookRejected, WebhookRequest
from qwoty_integrations_host.errors import IntegrationError
from qwoty_integrations_host.reports.deliveries import list_deliveries

DAY = 24 * 3600.0
CANARY = "CanaryOfTheSender"


def deliver(
    desk: Any, event_id: str = "evt_1", *, signature: str = "signed", token: str = "right", workspace: str = "ws-1"
) -> None:
    body = json.dumps({"id": event_id, "type": "thing.done", "quote_id": "q-7"}).encode()
    with suppress(IntegrationError):
        desk.host.runs.webhooks.receive(workspace, "recorder", WebhookRequest(token, body, {"X-Signature": signature}))


def listed(desk: Any, workspace: str = "ws-1", **which: Any) -> list[dict[str, Any]]:
    desk.host.runs.webhooks.rejected.write_down()
    found: list[dict[str, Any]] = list_deliveries(desk.host.store, workspace, **which)["data"]
    return found


def test_each_delivery_is_listed_with_its_result(desk: Any) -> None:
    desk.enable()
    desk.host.runs.acceptance.accept("ws-1", a_quote())
    deliver(desk)
    for _ in range(2):
        desk.clock.advance(60)
        deliver(desk)
    deliver(desk, "evt_2")
    deliver(desk, "evt_3", signature="forged")

    refused, second, first = listed(desk)

    shown = ("result", "type", "times", "reason", "run_status", "received_at", "last_at")
    begin, end = "2026-03-10T09:00:00+00:00", "2026-03-10T09:02:00+00:00"
    assert [first[name] for name in shown] == ["verified", "thing.done", 3, None, "queued", begin, end]
    assert [second[name] for name in shown] == ["verified", "thing.done", 1, None, "queued", end, end]
    assert [refused[name] for name in shown] == ["refused", None, 1, "wrong_signature", None, end, end]
    assert {one["id"] for one in listed(desk, result="verified")} == {"evt_1", "evt_2"}
    assert [one["id"] for one in listed(desk, result="duplicate")] == ["evt_1"]
    assert [one["reason"] for one in listed(desk, result="refused")] == ["wrong_signature"]
    assert listed(desk, result="refused", plugin="second") == listed(desk, result="refused", type="thing.done") == []


def test_a_flood_of_forged_deliveries_becomes_one_row_a_day_and_reason(desk: Any) -> None:
    desk.enable()
    statements: list[str] = []
    note = lambda *given: statements.append(given[2])  # noqa: E731 - listened to below, and let go again
    listen(desk.host.store.engine, "before_cursor_execute", note)
    for number in range(300):
        deliver(desk, f"evt_{number}", signature=f"forged {number}")
        deliver(desk, f"evt_{number}", token=f"guessed-{number}")
    remove(desk.host.store.engine, "before_cursor_execute", note)

    assert not [one for one in statements if not one.lstrip().upper().startswith("SELECT")]
    assert {(one["reason"], one["times"]) for one in listed(desk)} == {
        ("wrong_signature", 300),
        ("unknown_address", 300),
    }
    desk.clock.advance(DAY)
    deliver(desk, signature="forged")
    assert [one["times"] for one in listed(desk)] == [1, 300, 300]


def test_the_counts_of_a_day_add_up_however_often_they_are_written(desk: Any) -> None:
    desk.enable()
    for _ in range(3):
        desk.clock.advance(60)
        deliver(desk, signature="forged")
        (found,) = listed(desk)

    assert (found["times"], found["received_at"][11:16], found["last_at"][11:16]) == (3, "09:01", "09:03")


def test_the_content_of_refused_deliveries_is_not_stored(desk: Any) -> None:
    desk.enable()
    deliver(desk, CANARY, signature=CANARY)
    deliver(desk, token=CANARY)

    assert len(listed(desk)) == 2
    with desk.host.store.read() as db:
        assert CANARY not in str(db.exec_driver_sql("SELECT * FROM webhook_refusals").all())


@pytest.mark.parametrize("workspace", ["ws-2", "nobody"], ids=["switched off there", "no such workspace"])
def test_deliveries_to_a_disabled_plugin_or_an_unknown_workspace_are_not_counted(desk: Any, workspace: str) -> None:
    desk.enable()

    deliver(desk, workspace=workspace, signature="forged")

    assert listed(desk, "ws-2") == [] and desk.count("webhook_refusals") == 0


def test_refusals_of_another_workspace_are_not_listed(desk: Any) -> None:
    desk.enable()
    desk.enable("ws-2")
    deliver(desk, workspace="ws-2", signature="forged")

    assert listed(desk) == [] and len(listed(desk, "ws-2")) == 1


def test_a_reason_taken_from_the_sender_cannot_fill_the_table(desk: Any) -> None:
    def refuse(_ctx: Any, request: WebhookRequest) -> WebhookEvent:
        raise WebhookRejected("No.", code=request.token)

    desk.recorder.answers["authenticate_webhook"] = refuse
    desk.enable()
    for number in range(100):
        deliver(desk, token=f"reason_{number}")
        deliver(desk, token=f"{CANARY} {number}")

    found = {one["reason"]: one["times"] for one in listed(desk)}
    assert len(found) <= 21 and sum(found.values()) == 200
    assert CANARY not in str(found)


def test_pages_of_events_and_refusals_hold_each_entry_once(desk: Any) -> None:
    desk.enable()
    for number in range(4):
        deliver(desk, f"evt_{number}")
        deliver(desk, signature="forged")
        desk.clock.advance(DAY)
        listed(desk)
    everything = [one["id"] for one in listed(desk)]

    seen: list[str] = []
    while page := listed(desk, limit=3, after=seen[-1] if seen else None):
        seen += [one["id"] for one in page]

    assert seen == everything and len(seen) == 8


def test_refusals_are_kept_for_90_days(desk: Any) -> None:
    desk.enable()
    deliver(desk, signature="forged")
    assert len(listed(desk)) == 1

    desk.clock.advance(89 * DAY)
    assert desk.host.pruning.prune()["webhook_refusals"] == 0
    desk.clock.advance(2 * DAY)
    assert desk.host.pruning.prune()["webhook_refusals"] == 1
    assert listed(desk) == []


def test_an_event_that_an_upkeep_found_counts_as_delivered_only_after_its_delivery(desk: Any) -> None:
    desk.enable()
    desk.host.runs.webhooks.receive_found("ws-1", "recorder", [WebhookEvent("evt_1", "thing.done", {"id": "evt_1"})])
    (found,) = listed(desk)
    deliver(desk)
    (delivered,) = listed(desk)
    deliver(desk)
    (again,) = listed(desk)

    assert [(one["found"], one["times"]) for one in (found, delivered, again)] == [(True, 0), (False, 1), (False, 2)]


def test_counts_are_written_when_the_host_closes(desks: Any) -> None:
    first = desks("here")
    first.enable()
    deliver(first, signature="forged")
    first.host.close()

    assert len(listed(desks("here"))) == 1
