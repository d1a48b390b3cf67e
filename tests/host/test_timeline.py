"""Steps: repeated after temporary errors, counted across crashes, and resumed where they failed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from qwoty_integrations_host import (
    ActionRefused,
    Attempt,
    CredentialsError,
    NeedsAttention,
    Outcome,
    PermanentError,
    RetryableError,
)
from qwoty_integrations_host.errors import HostError, IntegrationError, Interruption, InvalidInput
from qwoty_integrations_host.store import runs


class Crash(Interruption):
    """The process dies at this point."""


class Service:
    """A remote service with prepared answers. It records the attempts that it gets."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[Attempt] = []

    def __call__(self, attempt: Attempt) -> Any:
        self.seen.append(Attempt(attempt.number, attempt.key, attempt.first_started_at))
        attempt.request_ids.append(f"req_{len(self.seen)}")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def numbers(self) -> list[tuple[int, int]]:
        return [(attempt.number, attempt.key) for attempt in self.seen]


def steps_of(**services: Service) -> Callable[[Any, Any], Outcome]:
    """A hook that runs these steps in order and returns their results."""

    def hook(ctx: Any, _quote: Any) -> Outcome:
        return Outcome.done(result={name: ctx.step(name, service) for name, service in services.items()})

    return hook


def busy(**facts: Any) -> RetryableError:
    return RetryableError("The service is busy.", **facts)


def test_a_retryable_error_is_repeated_with_growing_gaps_until_it_works(desk: Any) -> None:
    service = Service(busy(), busy(), "made")
    desk.recorder.answers["on_quote_accepted"] = steps_of(make=service)
    desk.enable()

    run = desk.accept()

    assert run["status"] == "succeeded"
    assert run["outcome"]["make"] == "made"
    assert desk.slept == [0.5, 1.0]
    assert run["steps"] == [
        {
            "name": "make",
            "status": "succeeded",
            "attempts": 3,
            "ms": 0,
            "request_ids": ["req_1", "req_2", "req_3"],
            "started_at": "2026-03-10T09:00:00+00:00",
        }
    ]


@pytest.mark.parametrize(
    ("wish", "slept"),
    [(None, 0.5), (0.1, 0.5), (7.0, 7.0), (30.0, 30.0)],
    ids=["none", "shorter than ours", "longer than ours", "the longest that a thread waits for"],
)
def test_the_retry_delay_that_the_service_asks_for_is_respected_within_limits(
    desk: Any, wish: float | None, slept: float
) -> None:
    desk.recorder.answers["on_quote_accepted"] = steps_of(make=Service(busy(retry_after=wish), "made"))
    desk.enable()

    desk.accept()

    assert desk.slept == [slept]


def test_the_key_changes_only_after_an_answer_that_the_service_could_replay(desk: Any) -> None:
    service = Service(busy(), busy(answered=True), busy(), "made")
    desk.recorder.answers["on_quote_accepted"] = steps_of(make=service)
    desk.enable()

    desk.accept()

    assert service.numbers == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert [attempt.repeated for attempt in service.seen] == [False, True, True, True]


def test_a_retried_run_does_not_reuse_a_key_that_was_answered(desk: Any) -> None:
    # Stripe replays a stored 500 for a day: with the old key, the retry would get it again and again.
    service = Service(*[busy(answered=True)] * 4, "made")
    desk.recorder.answers["on_quote_accepted"] = steps_of(make=service)
    desk.enable()
    run = desk.accept()
    assert run["status"] == "waiting"

    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert service.numbers == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]


def test_a_refusal_counts_as_an_answer_and_a_timeout_does_not(desk: Any) -> None:
    refused, looked_in_vain = NeedsAttention("Refused."), NeedsAttention("Not allowed to look.")
    refused.answered = True  # the first was a write, the second only a read
    service = Service(refused, *[busy()] * 4, looked_in_vain, "made")
    desk.recorder.answers["on_quote_accepted"] = steps_of(make=service)
    desk.enable()

    run = desk.accept()
    run = desk.retry(run["id"])
    run = desk.retry(run["id"])
    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert [key for _, key in service.numbers] == [1, 2, 2, 2, 2, 2, 2]


def test_a_crash_inside_a_step_counts_as_a_try_and_keeps_the_start_time(desk: Any) -> None:
    service = Service(Crash(), "made")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=Service("one"), make=service)
    desk.enable()
    with pytest.raises(Crash):
        desk.accept()
    (run_id,) = [row["id"] for row in _runs(desk)]
    desk.clock.advance(600)

    run = desk.work_again(run_id)

    assert run["status"] == "succeeded"
    assert service.numbers == [(1, 1), (2, 1)]
    assert service.seen[1].first_started_at == service.seen[0].first_started_at
    assert [step["attempts"] for step in run["steps"]] == [1, 2]


def test_a_run_starts_again_when_a_release_renames_its_steps_and_each_step_counts_as_repeated(desk: Any) -> None:
    customer, invoice = Service("cus_1"), Service(Crash(), "in_1")
    desk.recorder.answers["on_quote_accepted"] = steps_of(customer_1=customer, invoice=invoice)
    desk.enable()
    with pytest.raises(Crash):
        desk.accept()
    renamed = Service("cus_1")
    desk.recorder.answers["on_quote_accepted"] = steps_of(customer=renamed, invoice=invoice)

    desk.work_again(_runs(desk)[0]["id"])
    desk.work()

    (run,) = _runs(desk)
    assert run["status"] == "succeeded"
    assert renamed.numbers == [(2, 1)], "the step may have been done under its old name"
    assert invoice.numbers == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermanentError("No.", hint="Do this.", code="never"), "failed"),
        (NeedsAttention("Look.", code="look"), "needs_attention"),
        (CredentialsError("The key was refused."), "needs_attention"),
        (ActionRefused("Not now."), "skipped"),
        (HostError("A key is missing.", code="key_missing"), "failed"),
        (InvalidInput("Bad."), "failed"),
        (IntegrationError("Something."), "failed"),
    ],
    ids=lambda found: type(found).__name__ if isinstance(found, Exception) else None,
)
def test_a_permanent_error_is_recorded_and_raised_the_same_on_replay(desk: Any, error: Any, status: str) -> None:
    service = Service(error)
    seen: list[IntegrationError] = []

    def hook(ctx: Any, _quote: Any) -> Outcome:
        try:
            ctx.step("make", service)
        except IntegrationError as raised:
            seen.append(raised)
            if len(seen) == 1:
                raise Crash from None
            raise
        raise AssertionError("the step must not succeed")

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()
    with pytest.raises(Crash):
        desk.accept()

    run = desk.work_again(_runs(desk)[0]["id"])

    assert len(service.seen) == 1
    assert run["status"] == status
    what_else = "" if isinstance(error, ActionRefused) else "Mend what it names, then retry the run; or dismiss it."
    assert run["error"] == {"code": error.code, "title": error.title, "hint": error.hint or what_else}
    assert type(seen[0]) is type(seen[1])
    assert (seen[0].title, seen[0].code, seen[0].restart) == (error.title, error.code, error.restart)


def test_a_retry_resumes_at_the_failed_step_with_the_earlier_results(desk: Any) -> None:
    first, second = Service("one"), Service(PermanentError("No."), "two")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second)
    desk.enable()
    run = desk.accept()
    assert run["status"] == "failed"

    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert (run["outcome"]["first"], run["outcome"]["second"]) == ("one", "two")
    assert len(first.seen) == 1
    assert second.numbers == [(1, 1), (2, 1)]


def test_a_retry_may_take_a_new_step_before_the_failed_one(desk: Any) -> None:
    first, second, failing = Service("one"), Service("two"), Service(PermanentError("No."), "three")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, failing=failing)
    desk.enable()
    run = desk.accept()
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second, failing=failing)

    assert desk.retry(run["id"])["status"] == "succeeded"
    assert (first.numbers, failing.numbers) == ([(1, 1)], [(1, 1), (2, 1)])


def test_a_second_retry_still_has_the_results_of_the_first_attempt(desk: Any) -> None:
    first, second = Service("one"), Service("two")
    third = Service(PermanentError("No."), PermanentError("No."), "three")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second, third=third)
    desk.enable()

    run = desk.accept()
    run = desk.retry(run["id"])
    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert (len(first.seen), len(second.seen), len(third.seen)) == (1, 1, 3)


def test_an_error_that_asks_for_a_restart_begins_at_the_first_step(desk: Any) -> None:
    first = Service("one")
    second = Service(NeedsAttention("The customer is gone.", restart=True), "two")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second)
    desk.enable()

    run = desk.accept()
    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert [attempt.repeated for attempt in first.seen] == [False, True]


def test_a_retry_after_a_change_of_settings_starts_at_the_first_step(desk: Any) -> None:
    first, second = Service("one"), Service(PermanentError("No."), "two")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second)
    desk.enable()
    run = desk.accept()
    desk.enable(mode="fast")

    run = desk.retry(run["id"])

    assert run["status"] == "succeeded"
    assert len(first.seen) == 2


def test_an_attempt_that_crashed_starts_again_if_the_settings_changed(desk: Any) -> None:
    first, second = Service("one"), Service(Crash(), "two")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second)
    desk.enable()
    with pytest.raises(Crash):
        desk.accept()
    desk.enable(mode="fast")

    desk.work_again(_runs(desk)[0]["id"])
    desk.work()

    run = _runs(desk)[0]
    assert run["status"] == "succeeded"
    assert len(first.seen) == 2


def test_an_attempt_that_crashed_resumes_if_the_settings_did_not_change(desk: Any) -> None:
    first, second = Service("one"), Service(Crash(), "two")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second)
    desk.enable()
    with pytest.raises(Crash):
        desk.accept()
    desk.enable()

    desk.work_again(_runs(desk)[0]["id"])

    assert len(first.seen) == 1


def test_a_crash_after_a_result_was_recorded_does_not_repeat_its_step(desk: Any) -> None:
    first, second = Service("one"), Service("two")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, second=second)
    desk.enable()
    desk.accept()
    (run,) = _runs(desk)
    with desk.host.store.write() as db:  # as if the process had died before the run's end was written
        runs.change(db, run["id"], status="running", finished_at=None, outcome=None)

    desk.work_again(run["id"])

    assert _runs(desk)[0]["outcome"] == {**run["outcome"], "first": "one", "second": "two"}
    assert (len(first.seen), len(second.seen)) == (1, 1)


def test_a_final_error_that_was_recorded_is_raised_again_after_a_crash(desk: Any) -> None:
    service = Service(NeedsAttention("The address is unknown.", hint="Enter it.", code="no_address"), "made")
    desk.recorder.answers["on_quote_accepted"] = steps_of(make=service)
    desk.enable()
    desk.accept()
    (run,) = _runs(desk)
    with desk.host.store.write() as db:
        runs.change(db, run["id"], status="running", finished_at=None, error=None)

    desk.work_again(run["id"])

    again = _runs(desk)[0]
    assert (again["status"], again["error"]) == ("needs_attention", run["error"])
    assert len(service.seen) == 1


def test_a_result_of_an_earlier_attempt_is_ignored(desk: Any) -> None:
    def overtaken(_attempt: Attempt) -> str:
        with desk.host.store.write() as db:  # as when the quote is corrected while the step is under way
            desk.host.executor.attempts.begin_anew(db, runs.require(db, _runs(desk)[0]["id"]))
        return "of the first attempt"

    second = Service("of the second attempt")
    works = iter([overtaken, second])
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: Outcome.done(
        result={"made": ctx.step("make", next(works))}
    )
    desk.enable()

    desk.accept()

    (run,) = _runs(desk)
    assert run["outcome"]["made"] == "of the second attempt"
    assert [attempt.repeated for attempt in second.seen] == [True]


def test_a_run_of_a_plugin_that_was_disabled_is_skipped_without_a_call(desk: Any) -> None:
    desk.enable()
    accepted = desk.host.runs.acceptance.accept("ws-1", _quote())
    desk.host.settings.disable("ws-1", "recorder")
    desk.recorder.calls.clear()

    desk.work()

    run = desk.run(accepted.run_ids[0])
    assert run["status"] == "skipped"
    assert "switched off" in run["error"]["title"]
    assert desk.recorder.calls == []


def test_runs_of_a_plugin_that_no_longer_loads_wait_and_say_why(desks: Any) -> None:
    desk = desks()
    desk.enable()
    accepted = desk.host.runs.acceptance.accept("ws-1", _quote())
    desk.host.plugins._manifests.pop("recorder")

    desk.work()

    run = desk.run(accepted.run_ids[0])
    assert (run["status"], run["error"]["code"]) == ("waiting", "plugin_not_loaded")
    assert "recorder" in run["error"]["title"]


@pytest.mark.parametrize(
    "answer",
    [KeyError("name"), SystemExit(1), ValueError("sk_test_CanaryInAStep001")],
    ids=["KeyError", "SystemExit", "with a secret"],
)
def test_a_bug_in_a_step_ends_the_step_and_names_the_distribution(desk: Any, answer: BaseException) -> None:
    first, service = Service("one"), Service(answer, "made")
    desk.recorder.answers["on_quote_accepted"] = steps_of(first=first, make=service)
    desk.enable()

    run = desk.accept()

    assert run["status"] == "failed"
    assert run["error"]["code"] == "plugin_bug"
    assert "fake-recorder 1.0" in run["error"]["title"]
    assert "Canary" not in str(run)
    assert [step["status"] for step in run["steps"]] == ["succeeded", "failed"]
    assert desk.retry(run["id"])["status"] == "succeeded"
    assert len(first.seen) == 1


def test_a_step_that_returns_no_json_is_a_bug_on_every_engine(desk: Any) -> None:
    desk.recorder.answers["on_quote_accepted"] = steps_of(make=Service(Decimal(1)))
    desk.enable()

    run = desk.accept()

    assert run["error"]["code"] == "plugin_bug"


def test_a_step_returns_the_same_value_at_first_as_in_a_replay(desk: Any) -> None:
    given: list[Any] = []

    def hook(ctx: Any, _quote: Any) -> Outcome:
        given.append(ctx.step("make", lambda _: {"pair": (1, 2), 3: None}))
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()

    desk.accept()

    assert given == [{"pair": [1, 2], "3": None}]


def test_a_step_name_used_twice_is_a_bug_on_every_engine(desk: Any) -> None:
    def hook(ctx: Any, _quote: Any) -> Outcome:
        ctx.step("make", lambda _: 1)
        ctx.step("make", lambda _: 2)
        return Outcome.done()

    desk.recorder.answers["on_quote_accepted"] = hook
    desk.enable()

    error = desk.accept()["error"]

    assert error["code"] == "plugin_bug"
    assert "'make' twice" in error["title"]


def _runs(desk: Any) -> list[dict[str, Any]]:
    from qwoty_integrations_host.reports.runs import list_runs

    found: list[dict[str, Any]] = list_runs(desk.host.store)["data"]
    return found


def _quote() -> dict[str, Any]:
    from builders import a_quote

    return a_quote()
