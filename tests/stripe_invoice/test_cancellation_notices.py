"""How the host learns that a quote is cancelled: by an event, by a status, or for a quote that it does not know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host.errors import InvalidInput, NotFound


def test_a_second_cancellation_changes_nothing(bench: Any) -> None:
    bench.enable()
    bench.accept(a_quote())

    first = bench.host.runs.cancellation.cancel("ws-1", "q-7", reason="  The customer\n went elsewhere ")
    second = bench.host.runs.cancellation.cancel("ws-1", "q-7", reason="Another")

    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.run_ids == second.run_ids
    assert bench.quote("q-7")["cancelled"]["reason"] == "The customer went elsewhere"


def test_cancelling_an_unknown_quote_answers_not_found(bench: Any) -> None:
    with pytest.raises(NotFound, match="There is no quote 'q-7' in workspace 'ws-1'"):
        bench.host.runs.cancellation.cancel("ws-1", "q-7")
    with pytest.raises(NotFound, match="There is no quote"):
        bench.host.runs.acceptance.accept("ws-1", {**a_quote(), "status": "Lost"})


def test_an_event_or_a_status_of_the_platform_cancels_a_quote(bench: Any) -> None:
    bench.enable()
    for number, body in enumerate(
        [
            {"event_type": "quote.canceled", "id": "q-0"},
            {"event_type": "quote.expired", "id": "q-1"},
            {"event_type": "quote.lost", "quote": a_quote(id="q-2")},
            {"event_type": "quote.accepted", "id": "q-3", "quote": {**a_quote(id="q-3"), "status": "Canceled"}},
            {**a_quote(id="q-4"), "status": "lost"},
        ]
    ):
        bench.accept(a_quote(id=f"q-{number}"))
        answer = bench.host.platform_events.receive("ws-1", json.dumps(body).encode(), f"e-{number}")
        bench.work()

        assert answer.is_new and answer.body["status"] == "cancelled"
        assert [bench.run(run["id"])["status"] for run in answer.body["runs"]] == ["succeeded"]

    said = [bench.quote(f"q-{number}")["cancelled"]["how"] for number in range(5)]
    assert said == ["quote.canceled", "quote.expired", "quote.lost", "Canceled", "lost"]
    assert bench.stripe.objects("invoices") == []


def test_the_end_of_an_unknown_quote_is_acknowledged_and_ignored(bench: Any) -> None:
    for number, body in enumerate(
        [{"event_type": "quote.expired", "id": "q-9"}, {**a_quote(id="q-9"), "status": "expired"}]
    ):
        answer = bench.host.platform_events.receive("ws-1", json.dumps(body).encode(), f"e-{number}")

        assert (answer.is_new, answer.body["status"]) == (False, "ignored")
        assert answer.body["note"] == "It was never accepted here."


@pytest.mark.parametrize(
    ("document", "field"), [({"id": None}, "id"), ({"workspace_id": "ws-2"}, "workspace_id")], ids=["no id", "foreign"]
)
def test_a_cancellation_with_a_wrong_id_is_refused_and_its_field_is_named(
    bench: Any, document: dict[str, Any], field: str
) -> None:
    bench.enable()
    bench.accept(a_quote())

    with pytest.raises(InvalidInput) as refused:
        bench.host.runs.acceptance.accept("ws-1", {**a_quote(), "status": "lost", **document})

    assert [problem.dotted for problem in refused.value.problems] == [field]
    assert bench.quote("q-7")["cancelled"] is None
