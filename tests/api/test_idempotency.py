"""``Idempotency-Key``: a repeated write has no second effect and gets the first answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from builders import a_quote
from host.conftest import TOKEN
from qwoty_integrations_host import NeedsAttention


def test_a_repeated_write_gets_the_first_answer_and_does_nothing(caller: Any) -> None:
    first, again = (caller.post("/ws-1/quotes/accepted", a_quote(), Idempotency_Key="k-1") for _ in range(2))

    assert (first.status_code, again.status_code) == (202, 202), "without the key it would be 200, duplicate"
    assert again.json == first.json
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert caller.desk.count("runs") == 1


def test_ten_simultaneous_requests_under_one_key_write_once(caller: Any) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: caller.post("/ws-1/api-keys", {}, Idempotency_Key="k-1"), range(10)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sum(answer.json["key"] is not None for answer in answers) == 1
    assert caller.desk.count("api_keys") == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [("/ws-1/quotes/accepted", a_quote(currency="USD")), ("/ws-1/api-keys", a_quote())],
    ids=["another body", "another address"],
)
def test_another_request_under_the_same_key_is_422(caller: Any, path: str, body: Any) -> None:
    caller.post("/ws-1/quotes/accepted", a_quote(), Idempotency_Key="k-1")

    answer = caller.post(path, body, Idempotency_Key="k-1")

    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/Idempotency-Key")
    assert caller.desk.count("runs") == 1


def test_two_workspaces_may_use_the_same_idempotency_key(caller: Any, callers: Any) -> None:
    other = callers(workspace="ws-2")
    caller.post("/ws-1/api-keys", {}, Idempotency_Key="k-1")

    assert other.post("/ws-2/api-keys", {}, Idempotency_Key="k-1").headers.get("Idempotency-Replayed") is None


def test_a_refused_request_may_be_corrected_under_the_same_key(caller: Any) -> None:
    refused = caller.post("/ws-1/quotes/accepted", a_quote(currency="XXY"), Idempotency_Key="k-1")

    assert refused.status_code == 422
    assert caller.post("/ws-1/quotes/accepted", a_quote(), Idempotency_Key="k-1").status_code == 202


def test_a_crash_during_a_request_stores_neither_its_work_nor_its_answer(
    caller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qwoty_integrations_host.store import idempotency

    def full(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as trouble:
        trouble.setattr(idempotency, "keep", full)
        assert caller.post("/ws-1/quotes/accepted", a_quote(), Idempotency_Key="k-1").status_code == 500

    assert caller.desk.count("quotes") == caller.desk.count("runs") == caller.desk.count("idempotency_keys") == 0
    assert caller.post("/ws-1/quotes/accepted", a_quote(), Idempotency_Key="k-1").status_code == 202
    caller.desk.work()
    assert caller.get("/ws-1/runs")["data"][0]["status"] == "succeeded"


def test_the_answer_shows_the_data_that_the_request_wrote(caller: Any) -> None:
    document = {"token": TOKEN, "mode": "fast"}
    answers = [caller.call("PUT", "/ws-1/plugins/recorder/settings", document, Idempotency_Key="k-1") for _ in range(2)]

    # Both answers name the same connection test, because only one was started.
    assert [a.status_code for a in answers] == [202, 202] and answers[0].json["id"] == answers[1].json["id"]
    assert caller.get("/ws-1/plugins/recorder/settings")["settings"]["mode"] == "fast"
    caller.desk.recorder.answers["on_quote_accepted"] = lambda *_: _raised(NeedsAttention("Look."))
    run = caller.desk.accept()
    retried = caller.post(f"/ws-1/runs/{run['id']}/retry", Idempotency_Key="k-2")
    assert retried.json["status"] == "queued"


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 256])
def test_an_invalid_idempotency_key_is_422_and_writes_nothing(caller: Any, key: str) -> None:
    answer = caller.post("/ws-1/quotes/accepted", a_quote(), Idempotency_Key=key)

    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/Idempotency-Key")
    assert caller.desk.count("runs") == 0


def test_stored_answers_hold_no_secret_and_are_deleted_after_a_day(caller: Any) -> None:
    made = caller.post("/ws-1/api-keys", {}, Idempotency_Key="k-1").json
    caller.call("PUT", "/ws-1/plugins/recorder/settings", {"token": TOKEN}, Idempotency_Key="k-2")

    with caller.desk.host.store.read() as db:
        kept = json.dumps([list(row) for row in db.exec_driver_sql("SELECT * FROM idempotency_keys")])
    assert made["key"].split("_", 2)[2] not in kept and TOKEN not in kept
    again = caller.post("/ws-1/api-keys", {}, Idempotency_Key="k-1")
    assert again.json == {**made, "key": None}
    caller.desk.clock.advance(23 * 3600)
    assert caller.desk.host.pruning.prune()["idempotency_keys"] == 0
    caller.desk.clock.advance(3601)
    assert caller.desk.host.pruning.prune(dry_run=True)["idempotency_keys"] == 2
    assert caller.desk.host.pruning.prune()["idempotency_keys"] == 2
    assert caller.post("/ws-1/api-keys", {}, Idempotency_Key="k-1").json["id"] != made["id"]


def _raised(error: Exception) -> Any:
    raise error
