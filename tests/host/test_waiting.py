"""Runs that wait during an outage: when they resume, which results they keep, and what a person can do meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import a_quote
from qwoty_integrations_host import Attempt, NeedsAttention, Outcome, RetryableError
from qwoty_integrations_host.config import RetryPolicy
from qwoty_integrations_host.store import readings
from qwoty_integrations_host.store import runs as rows

MET = datetime(2026, 3, 10, 9, tzinfo=UTC)
#: The documented times of a waiting run's tries, in minutes after the outage began.
MOMENTS = (1, 6, 21, 51, 111, 231, 471, 951, *range(1671, 4320, 720), 4320)


class Service:
    """A remote service that can be away. It records each attempt that it gets."""

    def __init__(self, *, retry_after: float | None = None) -> None:
        self.away = True
        self.retry_after = retry_after
        self.seen: list[Attempt] = []

    def __call__(self, attempt: Attempt) -> str:
        self.seen.append(attempt)
        if self.away:
            raise RetryableError("The service is away.", code="service_away", retry_after=self.retry_after)
        return "made"


def with_steps(desk: Any, **services: Any) -> None:
    def hook(ctx: Any, _quote: Any) -> Outcome:
        return Outcome.done(result={name: ctx.step(name, work) for name, work in services.items()})

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()


def later(desk: Any, **time: float) -> None:
    desk.clock.advance(timedelta(**time).total_seconds())
    desk.work()


def test_a_waiting_run_tries_again_at_the_documented_moments() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    assert "| " + " | ".join(f"{m // 60} h {m % 60}" if m > 60 else f"{m} min" for m in MOMENTS[:8]) + " |" in page
    policy, now, moments = RetryPolicy(), MET, []

    while (until := policy.next_try(MET, now, None)) is not None:
        moments.append((until - MET).total_seconds() / 60)
        now = until

    assert tuple(moments) == MOMENTS


@pytest.mark.parametrize(
    ("after", "wish", "expected"),
    [
        pytest.param({"minutes": 2}, None, {"minutes": 6}, id="a manual try does not shift the schedule"),
        pytest.param({"hours": 5}, None, {"minutes": 471}, id="a host that was down continues with the next try"),
        pytest.param({}, 3600.0, {"hours": 1}, id="the service asks for a longer delay"),
        pytest.param({}, 10.0, {"minutes": 1}, id="the service asks for a shorter delay"),
        pytest.param({}, 1e6, {"hours": 12}, id="the service asks for too long a delay"),
        pytest.param({"hours": 70}, 1e6, {"days": 3}, id="the last try is at the end of the time"),
    ],
)
def test_the_delay_until_the_next_try(after: dict[str, Any], wish: float | None, expected: dict[str, Any]) -> None:
    assert RetryPolicy().next_try(MET, MET + timedelta(**after), wish) == MET + timedelta(**expected)


def test_a_run_whose_service_is_away_waits_with_a_reason_and_resumes_at_the_step(desk: Any) -> None:
    first, service = Service(), Service()
    first.away = False
    with_steps(desk, first=first, second=service)

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("waiting", "service_away")
    assert run["waits_until"] == (desk.clock.now() + timedelta(minutes=1)).isoformat(timespec="seconds")
    assert [step["status"] for step in run["steps"]] == ["succeeded", "waiting"]
    service.away = False
    later(desk, seconds=59)
    assert desk.run(run["id"])["status"] == "waiting"
    later(desk, seconds=1)

    run = desk.run(run["id"])
    assert (run["status"], run["error"], run["waits_until"]) == ("succeeded", None, None)
    assert (len(first.seen), len(service.seen)) == (1, 5)
    assert service.seen[-1].repeated


def test_a_retry_delay_too_long_for_a_thread_becomes_a_delayed_job(desk: Any) -> None:
    service = Service(retry_after=3600.0)
    with_steps(desk, make=service)

    run = desk.accept()

    assert (desk.slept, len(service.seen)) == ([], 1)
    assert run["waits_until"] == (desk.clock.now() + timedelta(hours=1)).isoformat(timespec="seconds")


def test_an_outage_outside_a_step_makes_the_run_wait_too(desk: Any) -> None:
    answers = [RetryableError("Not now."), None]

    def hook(_ctx: Any, _quote: Any) -> Outcome:
        if (error := answers.pop(0)) is not None:
            raise error
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    run = desk.accept()
    assert run["status"] == "waiting"

    later(desk, minutes=1)

    assert desk.run(run["id"])["status"] == "succeeded"


def test_a_run_of_an_unknown_kind_waits_for_a_newer_release(desk: Any) -> None:
    desk.enable()
    (run_id,) = desk.host.runs.acceptance.accept("ws-1", a_quote()).run_ids
    with desk.host.store.write() as db:
        rows.change(db, run_id, kind="of_tomorrow")

    desk.work()

    assert (desk.run(run_id)["status"], desk.run(run_id)["error"]["code"]) == ("waiting", "newer_release")
    assert "on_quote_accepted" not in [call[0] for call in desk.recorder.calls]


def test_a_run_fails_when_the_service_stays_away_and_a_retry_restarts_the_schedule(desk: Any) -> None:
    service = Service()
    with_steps(desk, make=service)
    run = desk.accept()
    for minutes in MOMENTS[:-1]:
        desk.clock.advance((MET + timedelta(minutes=minutes + 1) - desk.clock.now()).total_seconds())
        desk.work()
        assert desk.run(run["id"])["status"] == "waiting", minutes
    later(desk, hours=12)
    run = desk.run(run["id"])
    assert (run["status"], run["error"]["code"]) == ("failed", "retries_exhausted")
    assert len(service.seen) == 4 * (1 + len(MOMENTS))

    run = desk.retry(run["id"])

    assert run["status"] == "waiting"
    assert run["waits_until"] == (desk.clock.now() + timedelta(minutes=1)).isoformat(timespec="seconds")


def test_progress_restarts_the_schedule(desk: Any) -> None:
    first, second = Service(), Service()
    with_steps(desk, first=first, second=second)
    run = desk.accept()
    later(desk, minutes=50)
    assert desk.run(run["id"])["status"] == "waiting"
    first.away = False

    later(desk, minutes=61)

    run = desk.run(run["id"])
    assert run["waits_until"] == (desk.clock.now() + timedelta(minutes=1)).isoformat(timespec="seconds")


def test_a_retry_of_a_waiting_run_starts_at_once_and_disarms_the_delayed_job(desk: Any) -> None:
    service = Service()
    with_steps(desk, make=service)
    run = desk.accept()
    service.away = False

    assert desk.retry(run["id"])["status"] == "succeeded"

    seen = len(service.seen)
    later(desk, days=1)
    assert (len(service.seen), desk.run(run["id"])["status"]) == (seen, "succeeded")


def test_a_dismissed_run_does_not_resume_and_a_retry_has_its_earlier_results(desk: Any) -> None:
    first, service = Service(), Service()
    first.away = False
    with_steps(desk, first=first, second=service)
    run = desk.accept()
    desk.host.runs.control.dismiss(run["id"], "invoiced by hand")
    seen = len(service.seen)

    later(desk, days=4)

    run = desk.run(run["id"])
    assert (run["status"], run["waits_until"], len(service.seen)) == ("dismissed", None, seen)
    assert "invoiced by hand" in run["outcome"]["notes"][-1]
    service.away = False
    assert desk.retry(run["id"])["status"] == "succeeded"
    assert len(first.seen) == 1


@pytest.mark.parametrize(
    ("asked", "is_on"),
    [
        pytest.param("read", True, id="before its settings are read"),
        pytest.param("opened", True, id="while its settings are read"),
        pytest.param("read", False, id="switched off at the same time"),
    ],
)
def test_a_run_dismissed_while_its_job_starts_stays_dismissed(
    desk: Any, monkeypatch: pytest.MonkeyPatch, asked: str, is_on: bool
) -> None:
    service = Service()
    with_steps(desk, make=service)
    run = desk.accept()
    seen = len(service.seen)
    if not is_on:
        desk.host.settings.disable("ws-1", "recorder")
    of = {"read": readings, "opened": type(desk.host.settings)}[asked]
    answer, asked_for = getattr(of, asked), []

    def dismisses(*place: Any) -> Any:
        if not asked_for:
            asked_for.append(desk.host.runs.control.dismiss(run["id"], "meanwhile"))
        return answer(*place)

    monkeypatch.setattr(of, asked, dismisses)
    later(desk, minutes=1)

    assert asked_for == [run["id"]]
    assert (desk.run(run["id"])["status"], len(service.seen)) == ("dismissed", seen)


def test_a_waiting_run_starts_again_if_the_settings_changed(desk: Any) -> None:
    first, service = Service(), Service()
    first.away = False
    with_steps(desk, first=first, second=service)
    run = desk.accept()
    service.away = False
    desk.enable(mode="fast")

    later(desk, minutes=1)

    assert desk.run(run["id"])["status"] == "succeeded"
    assert len(first.seen) == 2


def test_an_outdated_result_from_before_the_outage_is_produced_again_automatically(desk: Any) -> None:
    first, service = Service(), Service()
    first.away = False
    with_steps(desk, first=first, second=service, third=lambda _: _refuse_at_first(first))
    run = desk.accept()
    service.away = False

    later(desk, minutes=1)

    assert desk.run(run["id"])["status"] == "succeeded"
    assert [attempt.repeated for attempt in first.seen] == [False, True]


def _refuse_at_first(first: Service) -> str:
    if len(first.seen) == 1:
        raise NeedsAttention("What was made first has run out.", restart=True)
    return "made"


def test_a_waiting_run_is_skipped_if_its_plugin_was_disabled(desk: Any) -> None:
    service = Service()
    with_steps(desk, make=service)
    run = desk.accept()
    desk.host.settings.disable("ws-1", "recorder")
    seen = len(service.seen)

    later(desk, minutes=1)

    assert (desk.run(run["id"])["status"], len(service.seen)) == ("skipped", seen)


def test_a_corrected_quote_ends_the_wait_at_once(desk: Any) -> None:
    service = Service()
    with_steps(desk, make=service)
    run = desk.accept()
    service.away = False

    corrected = desk.accept(number="Q-CORRECTED")

    assert (corrected["id"], corrected["status"]) == (run["id"], "succeeded")


def test_the_same_quote_sent_again_does_not_end_the_wait(desk: Any) -> None:
    with_steps(desk, make=Service())
    run = desk.accept()

    again = desk.accept()

    assert (again["id"], again["status"], again["waits_until"]) == (run["id"], "waiting", run["waits_until"])
