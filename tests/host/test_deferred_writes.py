"""The beginning and the end of a step wait for the run's next transaction; only a count of commits shows it (ADR 0082)."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from builders import a_line, a_quote
from qwoty_integrations_host import MailMessage, NeedsAttention, Outcome, RetryableError
from qwoty_integrations_host.errors import Interruption
from qwoty_integrations_host.runs.executor import Executor
from qwoty_integrations_host.store import deferred_writes, holds
from qwoty_integrations_host.store import steps as rows
from qwoty_integrations_host.store import tables as t

MAIL = MailMessage(to="ana@buyer.example", subject="Pay", text="Pay", html="<p>Pay</p>")
EFFECTS: dict[str, Callable[[Any, Any], object]] = {
    "a mail": lambda ctx, _: ctx.mail.send("one", MAIL),
    "a write to the service": lambda _, attempt: attempt.confirm(),
    "a state": lambda ctx, _: ctx.state.set("name", "written"),
}


def meanwhile(ctx: Any) -> None:
    """Do what the thread that waits for the hook does, when something has waited too long."""
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setattr(deferred_writes, "LONGEST_WAIT", 0.0)
        ctx.step.meanwhile()


def elsewhere(work: Callable[[], Any]) -> Any:
    """What another worker finds: in its own thread, outside the run."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def stored_steps(desk: Any) -> dict[str, str]:
    """The stored statuses of all steps, by name."""

    def steps() -> dict[str, str]:
        with desk.host.store.read() as db:
            return {row.name: row.status for row in db.execute(select(t.steps.c.name, t.steps.c.status))}

    found: dict[str, str] = elsewhere(steps)
    return found


def worked(desk: Any, hook: Callable[[Any], object], *, confirms: bool = True) -> dict[str, Any]:
    """Accept a quote whose hook is this, and return its run. The plugin confirms its writes, or does not say so."""
    manifests = desk.host.plugins._manifests
    manifests["recorder"] = replace(manifests["recorder"], confirms_writes=confirms)
    desk.recorder.answers["on_quote_accepted"] = lambda ctx, _: hook(ctx) or Outcome.done()
    desk.enable()
    run: dict[str, Any] = desk.accept(id="q-7")
    return run


def commits_of(desk: Any, work: Callable[[], object]) -> int:
    commits: list[Any] = []

    def count(line: Any) -> None:
        commits.append(line)

    event.listen(desk.host.store.engine, "commit", count)
    work()
    event.remove(desk.host.store.engine, "commit", count)
    return len(commits)


@pytest.mark.parametrize(("confirms", "commits"), [(False, 10), (True, 0)])
def test_a_step_ends_in_the_commit_in_which_the_next_one_begins(desk: Any, confirms: bool, commits: int) -> None:
    found = []

    def hook(ctx: Any) -> None:
        def ten_steps() -> None:
            for number in range(10):
                ctx.step(f"step {number}", lambda _: None)

        found.append(commits_of(desk, ten_steps))

    run = worked(desk, hook, confirms=confirms)

    assert (run["status"], found) == ("succeeded", [commits])
    assert [step["status"] for step in run["steps"]] == ["succeeded"] * 10


def test_a_plugin_that_confirms_its_writes_commits_a_beginning_before_the_first_one(desk: Any) -> None:
    found: list[Any] = []

    def hook(ctx: Any) -> None:
        def writes(attempt: Any) -> None:
            found.append(stored_steps(desk))
            attempt.confirm()
            found.append(stored_steps(desk))

        ctx.step("only reads", lambda _: None)
        ctx.step("writes", writes)

    assert worked(desk, hook)["status"] == "succeeded"
    assert found == [{}, {"only reads": "succeeded", "writes": "running"}]


def test_the_beginning_of_any_other_plugins_step_is_committed_before_its_work(desk: Any) -> None:
    found: list[Any] = []
    worked(desk, lambda ctx: ctx.step("step", lambda _: found.append(stored_steps(desk))), confirms=False)
    assert found == [{"step": "running"}]


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_beginning_of_a_step_is_stored_with_its_first_effect(desk: Any, effect: str) -> None:
    found: list[Any] = []

    def hook(ctx: Any) -> None:
        def work(attempt: Any) -> None:
            EFFECTS[effect](ctx, attempt)
            found.append(stored_steps(desk))

        ctx.step("step", work)

    worked(desk, hook)
    assert found == [{"step": "running"}]


def test_what_waits_too_long_is_written_while_the_hook_is_busy(desk: Any) -> None:
    found: list[Any] = []

    def hook(ctx: Any) -> None:
        def work(_: Any) -> None:
            ctx.step.meanwhile()
            found.append(stored_steps(desk))
            meanwhile(ctx)
            found.append(stored_steps(desk))

        ctx.step("a slow one", work)

    worked(desk, hook)
    assert found == [{}, {"a slow one": "running"}]


def test_a_step_that_died_before_its_first_write_begins_as_if_for_the_first_time(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated: list[bool] = []

    def hook(ctx: Any) -> None:
        def dies_before_its_write(attempt: Any) -> None:
            repeated.append(attempt.repeated)
            raise Interruption

        def dies_after_its_write(attempt: Any) -> None:
            repeated.append(attempt.repeated)
            attempt.confirm()
            raise Interruption

        tries = [dies_before_its_write, dies_after_its_write, lambda attempt: repeated.append(attempt.repeated)]
        ctx.step("step", tries[len(repeated)])

    with monkeypatch.context() as died:
        died.setattr(desk.host.store, "flush", lambda: None)  # what waits is never written
        with pytest.raises(Interruption):
            worked(desk, hook)
    (run_id,) = desk.runs()
    with pytest.raises(Interruption):
        desk.work_again(run_id)
    desk.work_again(run_id)

    assert repeated == [False, False, True]


def test_an_engine_that_stops_forgets_no_result(desk: Any) -> None:
    worked_on: list[str] = []

    def hook(ctx: Any) -> None:
        ctx.step("step", lambda _: worked_on.append("step"))
        if len(worked_on) == 1:
            worked_on.append("the stop")
            raise Interruption

    with pytest.raises(Interruption):
        worked(desk, hook)
    (run_id,) = desk.runs()

    assert desk.work_again(run_id)["status"] == "succeeded"
    assert worked_on == ["step", "the stop"]


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("noticed", [False, True], ids=["", "noticed meanwhile"])
def test_a_run_that_is_cancelled_between_two_steps_has_no_more_effects(desk: Any, effect: str, noticed: bool) -> None:
    came_back: list[str] = []

    def hook(ctx: Any) -> None:
        def work(attempt: Any) -> None:
            if noticed:
                meanwhile(ctx)
            with suppress(Exception):
                EFFECTS[effect](ctx, attempt)
            came_back.append(effect)

        ctx.step("first", lambda _: None)
        elsewhere(lambda: desk.host.runs.cancellation.cancel("ws-1", "q-7"))
        ctx.step("second", work)

    worked(desk, hook)

    assert (came_back, len(desk.outbox.mails), desk.context("recorder").state.get("name")) == ([], 0, None)


# -- what goes wrong while something waits -----------------------------------------------------------


def never_stored(_: Any) -> None:
    raise ValueError("it can never be stored")


HOW_A_HOOK_ENDS = {
    "it returns": None,
    "a person is asked": NeedsAttention("a person"),
    "it waits": RetryableError("later"),
}


@pytest.mark.parametrize("end", HOW_A_HOOK_ENDS)
def test_a_write_that_fails_for_its_own_fault_fails_the_run_and_not_its_end(desk: Any, end: str) -> None:
    def hook(ctx: Any) -> None:
        for place in ("a place", "another place"):
            desk.host.store.defer(place, never_stored)
        if error := HOW_A_HOOK_ENDS[end]:
            raise error

    run = worked(desk, hook)

    assert (run["status"], run["error"]["code"]) == ("failed", "bug")


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("noticed", [False, True], ids=["", "noticed meanwhile"])
def test_a_hook_has_no_more_effects_once_a_write_has_failed(desk: Any, effect: str, noticed: bool) -> None:
    came_back: list[str] = []

    def hook(ctx: Any) -> None:
        def work(attempt: Any) -> None:
            desk.host.store.defer("a place", never_stored)
            if noticed:
                meanwhile(ctx)
            with suppress(Exception):
                EFFECTS[effect](ctx, attempt)
            came_back.append(effect)

        ctx.step("step", work)

    run = worked(desk, hook)

    assert (run["error"]["code"], came_back, len(desk.outbox.mails)) == ("bug", [], 0)


def test_a_hook_waits_for_what_the_other_thread_writes(desk: Any) -> None:
    came_back: list[str] = []

    def hook(ctx: Any) -> None:
        def work(attempt: Any) -> None:
            writing, goes_on = threading.Event(), threading.Event()

            def slowly(_: Any) -> None:
                writing.set()
                assert goes_on.wait(10)
                raise ValueError("it can never be stored")

            desk.host.store.defer("a place", slowly)
            other = threading.Thread(target=copy_context().run, args=(meanwhile, ctx))
            other.start()
            assert writing.wait(10)
            threading.Timer(0.01, goes_on.set).start()
            try:
                attempt.confirm()
                came_back.append("the effect")
            finally:
                other.join()

        ctx.step("step", work)

    worked(desk, hook)
    assert came_back == []


def test_what_meets_an_outage_waits_for_the_next_transaction(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    def hook(ctx: Any) -> None:
        def work(attempt: Any) -> None:
            with monkeypatch.context() as full:
                full.setattr(rows, "put", disk_is_full)
                meanwhile(ctx)
            found.append(stored_steps(desk))
            attempt.confirm()
            found.append(stored_steps(desk))

        ctx.step("writes", work)

    worked(desk, hook)

    assert found == [{}, {"writes": "running"}]


def disk_is_full(*_: Any) -> bool:
    cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise OperationalError("INSERT", {}, cause)


def test_a_hook_that_hangs_in_a_transaction_hangs_alone(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, awake, over, did = desk.host.plugins.calls, threading.Event(), threading.Event(), []
    monkeypatch.setattr(calls, "deadlines", replace(calls.deadlines, run=0.05))

    def hook(ctx: Any) -> None:
        def work(attempt: Any) -> None:
            hold = holds.held()
            assert hold is not None
            with hold.deferred.alone():  # as in a transaction
                awake.wait(20)
            ctx.step("another", lambda _: did.append("an effect"))

        try:
            ctx.step("step", work)
        finally:
            over.set()

    try:
        run = worked(desk, hook)
    finally:
        awake.set()
    assert over.wait(20)

    assert (run["error"]["code"], did) == ("plugin_hangs", [])


def test_a_correction_while_a_run_ends_does_not_deadlock(
    desks: Callable[..., Any], postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The correction holds the quote and changes the run's steps; the end of the run locks both, too."""
    desk = desks(shared_database=postgresql)
    holds_the_quote, unavailable = threading.Event(), []
    forget, hold_out = rows.forget_results, Executor._hold_out

    def forget_once_the_run_waits(db: Any, run_id: str) -> None:
        holds_the_quote.set()
        with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True) as line:
            asked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            for _ in range(500):
                if line.execute(asked).fetchone():
                    break
                time.sleep(0.01)
        forget(db, run_id)

    def noting(executor: Any, job_id: str, error: Any) -> None:
        unavailable.append(error)
        hold_out(executor, job_id, error)

    def correct() -> None:
        monkeypatch.setattr(rows, "forget_results", forget_once_the_run_waits)
        desk.host.runs.acceptance.accept("ws-1", a_quote(a_line(net="250.00"), id="q-7"))

    correction = threading.Thread(target=correct)

    def hook(ctx: Any) -> None:
        ctx.step("step", lambda attempt: attempt.confirm())
        if correction.ident is None:
            correction.start()
            assert holds_the_quote.wait(10)

    monkeypatch.setattr(Executor, "_hold_out", noting)
    worked(desk, hook)
    correction.join()

    assert unavailable == []
