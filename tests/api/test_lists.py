"""Lists in pages, newest first. They stay correct while new items arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import WebhookRequest


def accepted(caller: Any, *numbers: int) -> None:
    for number in numbers:
        # Several at the same moment, so that the time alone does not determine the order.
        caller.desk.clock.advance(number % 2)
        caller.desk.host.runs.acceptance.accept("ws-1", a_quote(id=f"q-{number}"))


def delivered(caller: Any, *numbers: int) -> None:
    for number in numbers:
        caller.desk.clock.advance(number % 2)
        body = json.dumps({"id": f"evt_{number}", "type": "thing.done", "quote_id": None}).encode()
        caller.desk.host.runs.webhooks.receive(
            "ws-1", "recorder", WebhookRequest("right", body, {"X-Signature": "signed"})
        )


def made_keys(caller: Any, *numbers: int) -> None:
    for number in numbers:
        caller.desk.clock.advance(number % 2)
        caller.post("/ws-1/api-keys", {"name": f"key {number}"})


LISTS = [
    ("/ws-1/runs", "id", accepted),
    ("/ws-1/quotes", "quote_id", accepted),
    ("/ws-1/webhooks/deliveries", "id", delivered),
    ("/ws-1/api-keys", "id", made_keys),
]


@pytest.mark.parametrize(("path", "name", "add"), LISTS, ids=lambda found: found if isinstance(found, str) else "")
def test_pages_hold_every_item_once_while_new_items_arrive(caller: Any, path: str, name: str, add: Any) -> None:
    add(caller, *range(1, 8))
    before = [item[name] for item in caller.get(path)["data"]]

    seen: list[str] = []
    more, where, number = True, "", 10
    while more:
        page = caller.get(f"{path}?limit=2{where}")
        seen += [item[name] for item in page["data"]]
        more, where, number = page["has_more"], f"&starting_after={seen[-1]}", number + 1
        add(caller, number)

    assert seen == before and len(set(seen)) >= 7


@pytest.mark.parametrize(("path", "name", "add"), LISTS, ids=lambda found: found if isinstance(found, str) else "")
def test_a_place_that_is_not_in_the_list_is_422(caller: Any, path: str, name: str, add: Any) -> None:
    answer = caller.call("GET", f"{path}?starting_after=nowhere")

    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/starting_after")


def test_an_item_of_another_workspace_is_refused_as_a_place_in_the_list(caller: Any) -> None:
    caller.desk.enable("ws-2")
    theirs = caller.desk.accept("ws-2", id="q-theirs")

    assert caller.call("GET", f"/ws-1/runs?starting_after={theirs['id']}").status_code == 422
    assert caller.get("/ws-1/runs") == {"data": [], "has_more": False}


def test_a_page_continues_after_a_run_that_no_longer_matches_the_filter(caller: Any) -> None:
    accepted(caller, 1, 3, 5)
    first = caller.get("/ws-1/runs?status=queued&limit=1")["data"][0]
    caller.desk.work()
    accepted(caller, 7)

    assert caller.get(f"/ws-1/runs?status=queued&starting_after={first['id']}") == {"data": [], "has_more": False}
    assert len(caller.get(f"/ws-1/runs?starting_after={first['id']}")["data"]) == 2


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=succeeded", ["q-1"]),
        ("status=queued", ["q-2"]),
        ("quote_id=q-2", ["q-2"]),
        ("plugin=recorder", ["q-2", "q-1"]),
        ("plugin=second", []),
        ("kind=quote_accepted&status=succeeded", ["q-1"]),
        ("kind=undo", []),
    ],
)
def test_runs_are_filtered(caller: Any, query: str, found: list[str]) -> None:
    accepted(caller, 1)
    caller.desk.work()
    caller.desk.clock.advance(1)
    accepted(caller, 2)

    assert [run["quote_id"] for run in caller.get(f"/ws-1/runs?{query}")["data"]] == found


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=many", "status_=failed", "starting_after="])
def test_a_wrong_or_unknown_parameter_is_422_and_named(caller: Any, query: str) -> None:
    answer = caller.call("GET", f"/ws-1/runs?{query}")

    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/" + query.split("=", maxsplit=1)[0])


def test_upkeep_that_changed_nothing_is_listed_only_with_all(caller: Any) -> None:
    caller.desk.host.upkeep.request_for("ws-1", "recorder")
    caller.desk.work()

    assert caller.get("/ws-1/runs")["data"] == []
    assert [run["kind"] for run in caller.get("/ws-1/runs?all=true")["data"]] == ["upkeep"]
