"""Pruning: what is deleted and what stays, and that it neither breaks nor repeats anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import Attempt, Outcome, PermanentError, WebhookRequest
from qwoty_integrations_host.config import HostConfig
from qwoty_integrations_host.errors import HostError
from qwoty_integrations_host.reports.quotes import quote_report
from qwoty_integrations_host.store import runs as rows
from qwoty_integrations_host.store.rate_limits import SharedSlots

DAY = 24 * 3600.0
KINDS = "jobs runs upkeep_runs timelines webhook_bodies alerts leases deaths idempotency_keys inquiries sessions login_links audit webhook_refusals paces".split()
NOTHING = dict.fromkeys(KINDS, 0)


def webhook(desk: Any, event_id: str = "evt_1") -> str:
    body = json.dumps({"id": event_id, "type": "paid", "quote_id": "q-7"}).encode()
    stored: str = desk.host.runs.webhooks.receive(
        "ws-1", "recorder", WebhookRequest("right", body, {"X-Signature": "signed"})
    )
    desk.work()
    return stored


def pruned(desk: Any, *, days: float, **how: Any) -> dict[str, int]:
    """Prune after so many days, and return the counts that are not zero."""
    desk.clock.advance(days * DAY)
    counts = desk.host.pruning.prune(**how)
    assert set(counts) == set(NOTHING)
    # test_audit.py covers the audit log, which is pruned together with its runs.
    return {name: count for name, count in counts.items() if count and name != "audit"}


def runs_of(desk: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = quote_report(desk.host.store, "ws-1", "q-7", desk.clock.now())["runs"]
    return found


def with_a_step(desk: Any, work: Callable[[Attempt], Any] = lambda _: "made") -> None:
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: Outcome.done(str(ctx.step("make", work)))
    desk.recorder.answers["on_webhook"] = lambda ctx, _: Outcome.done(str(ctx.step("look", lambda _: "seen")))
    desk.enable()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(29, {}, id="young"),
        pytest.param(31, {"jobs": 2}, id="the engine's jobs"),
        pytest.param(91, {"jobs": 2, "webhook_bodies": 1}, id="bodies of webhooks"),
        pytest.param(399, {"jobs": 2, "webhook_bodies": 1}, id="not yet the runs"),
        pytest.param(401, {"jobs": 2, "webhook_bodies": 1, "runs": 1, "timelines": 1}, id="runs and timelines"),
    ],
)
def test_each_kind_of_row_is_pruned_once_at_its_age(desk: Any, days: float, expected: dict[str, int]) -> None:
    with_a_step(desk)
    desk.accept()
    webhook(desk)

    assert pruned(desk, days=days, dry_run=True) == expected
    assert pruned(desk, days=0) == expected
    assert pruned(desk, days=0) == {}


def test_many_are_pruned_batch_by_batch(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwoty_integrations_host.store.retention._BATCH", 2)
    with_a_step(desk)
    desk.accept()
    for number in range(5):
        webhook(desk, f"evt_{number}")

    assert pruned(desk, days=401) == {"jobs": 6, "runs": 5, "timelines": 1, "webhook_bodies": 5}


def test_a_pruned_quote_or_event_that_is_sent_again_starts_no_run(desk: Any) -> None:
    with_a_step(desk)
    run = desk.accept()
    webhook(desk)
    pruned(desk, days=401)
    desk.recorder.calls.clear()

    again = desk.host.runs.acceptance.accept("ws-1", a_quote())
    assert webhook(desk) == "duplicate"

    assert (again.duplicate, again.run_ids) == (True, (run["id"],))
    assert [call for call in desk.recorder.calls if call[0].startswith("on_")] == []
    assert [(run["status"], run["steps"]) for run in runs_of(desk)] == [("succeeded", [])]


def test_a_late_webhook_of_a_pruned_quote_is_worked(desk: Any) -> None:
    with_a_step(desk)
    desk.accept()
    pruned(desk, days=401)

    assert webhook(desk, "evt_late") == "stored"

    assert [run["status"] for run in runs_of(desk)] == ["succeeded", "succeeded"]


def test_a_retried_run_without_its_timeline_searches_before_it_writes(desk: Any) -> None:
    seen: list[Attempt] = []

    def work(attempt: Attempt) -> str:
        seen.append(Attempt(attempt.number, attempt.key, attempt.first_started_at))
        if len(seen) == 1:
            raise PermanentError("No.")
        return "made"

    with_a_step(desk, work)
    run = desk.accept()
    assert pruned(desk, days=401) == {"jobs": 1, "timelines": 1}

    assert desk.retry(run["id"])["status"] == "succeeded"

    assert [attempt.repeated for attempt in seen] == [False, True]


def test_a_corrected_quote_without_its_timeline_searches_before_it_writes(desk: Any) -> None:
    seen: list[bool] = []
    with_a_step(desk, lambda attempt: seen.append(attempt.repeated) or "made")
    run = desk.accept()
    pruned(desk, days=401)

    again = desk.accept(number="Q-CORRECTED")

    assert (again["id"], again["status"]) == (run["id"], "succeeded")
    assert seen == [False, True]


def test_an_event_keeps_its_body_while_a_run_may_need_it_and_a_missing_body_is_reported(desk: Any) -> None:
    with_a_step(desk)
    desk.accept()
    desk.recorder.answers["on_webhook"] = lambda _ctx, _event: Outcome.needs_attention("look", "Look.")
    webhook(desk)
    run = next(run for run in runs_of(desk) if run["kind"] == "webhook")
    assert pruned(desk, days=91) == {"jobs": 2}

    desk.recorder.answers["on_webhook"] = lambda _ctx, _event: Outcome.skipped("Nothing to do.")
    assert desk.retry(run["id"])["status"] == "skipped"
    assert pruned(desk, days=31) == {"jobs": 1, "webhook_bodies": 1}
    assert desk.retry(run["id"])["error"]["code"] == "event_forgotten"


def test_unfinished_runs_are_kept_at_any_age(desk: Any) -> None:
    with_a_step(desk)
    desk.host.runs.acceptance.accept("ws-1", a_quote())  # no worker takes it

    assert pruned(desk, days=1000) == {}

    desk.work()
    assert [run["status"] for run in runs_of(desk)] == ["succeeded"]


def test_a_failed_installment_run_is_kept_for_the_schedule(desk: Any) -> None:
    with_a_step(desk)
    desk.accept()
    for number, status in enumerate(("succeeded", "failed")):
        row = {"id": f"r{number}", "workspace": "ws-1", "plugin": "recorder", "kind": "installment", "quote_id": "q-7"}
        more = {"subject": f"due:{number}", "facts": {"number": 2}, "status": status, "attempt": 1, "resumable": False}
        times = {"created_at": desk.clock.now(), "finished_at": desk.clock.now()}
        with desk.host.store.write() as db:
            rows.add(db, {**row, **more, **times})

    pruned(desk, days=401)

    assert [(run["kind"], run["status"]) for run in runs_of(desk) if run["kind"] == "installment"] == [
        ("installment", "failed")
    ]


@pytest.mark.parametrize(("status", "pruned_after_a_week"), [("skipped", 1), ("succeeded", 1), ("needs_attention", 0)])
def test_successful_upkeep_is_pruned_after_a_week(desk: Any, status: str, pruned_after_a_week: int) -> None:
    row = {"id": "r", "workspace": "ws-1", "plugin": "recorder", "kind": "upkeep", "quote_id": "", "subject": "now"}
    times = {"created_at": desk.clock.now(), "finished_at": desk.clock.now()}
    with desk.host.store.write() as db:
        rows.add(db, {**row, "facts": {}, "status": status, "attempt": 1, "resumable": False, **times})

    assert pruned(desk, days=6) == {}
    assert pruned(desk, days=2).get("upkeep_runs", 0) == pruned_after_a_week


def test_leases_deaths_and_rate_limits_are_pruned_after_a_day(desks: Callable[..., Any], postgresql: str) -> None:
    desk = desks(shared_database=postgresql)
    now = desk.clock.now()
    with_a_step(desk)
    queued = desk.host.runs.acceptance.accept("ws-1", a_quote()).run_ids[0]
    with desk.host.store.write() as db:
        db.exec_driver_sql(f"INSERT INTO worker_leases VALUES ('w', {now.timestamp()})")
        db.exec_driver_sql(f"INSERT INTO job_deaths VALUES ('gone.1', 1, 1), ('{queued}.1', 1, 2)")
        db.exec_driver_sql(f"INSERT INTO paces VALUES ('a', {now.timestamp()})")

    assert pruned(desk, days=0) == {"deaths": 1}
    assert pruned(desk, days=2) == {"leases": 1, "paces": 1}
    assert desk.count("job_deaths") == 1, "its job is still queued"
    assert SharedSlots(desk.host.store.engine).reserve("a", 1.0) == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("given", ["soon", "0", "29", "-1", "40.5"])
def test_an_invalid_retention_time_is_refused(given: str) -> None:
    with pytest.raises(HostError, match="QWOTY_HOST_KEEP_DAYS"):
        HostConfig.from_environment({"QWOTY_HOST_KEEP_DAYS": given})


def test_the_deployment_chooses_how_long_runs_are_kept(desks: Callable[..., Any]) -> None:
    desk = desks(keep_days=HostConfig.from_environment({"QWOTY_HOST_KEEP_DAYS": "30"}).keep_days)
    with_a_step(desk)
    desk.accept()

    assert pruned(desk, days=31) == {"jobs": 1, "timelines": 1}
