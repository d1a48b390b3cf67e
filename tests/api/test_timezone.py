"""The time zone of a workspace, by the API."""

from __future__ import annotations

from typing import Any

import pytest


def test_the_api_sets_shows_and_removes_the_time_zone(caller: Any) -> None:
    changed = caller.call("PATCH", "/ws-1", {"timezone": "Europe/Paris"})

    assert (changed.status_code, changed.json["timezone"]) == (200, "Europe/Paris")
    assert caller.get("/v1/workspaces/ws-1")["timezone"] == "Europe/Paris"
    assert caller.call("PATCH", "/ws-1", {"timezone": None}).json["timezone"] is None


@pytest.mark.parametrize("body", [{"timezone": "Europe/Pari"}, {"timezone": 2}, {}, {"timezone": "UTC", "name": "x"}])
def test_an_unknown_time_zone_is_refused_by_field(caller: Any, body: Any) -> None:
    answer = caller.call("PATCH", "/ws-1", body)

    assert answer.status_code == 422
    assert answer.json["errors"]
    assert caller.get("/v1/workspaces/ws-1")["timezone"] is None


def test_the_answer_names_the_nearest_time_zone(caller: Any) -> None:
    (problem,) = caller.call("PATCH", "/ws-1", {"timezone": "Europe/Pari"}).json["errors"]

    assert problem["pointer"] == "/timezone"
    assert "The nearest one is Europe/Paris." in problem["detail"]
