"""The commands about runs: waiting for them, retrying and dismissing them, pruning old ones."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from builders import a_quote
from host.conftest import CommandLine, refused
from qwoty_integrations_host import (
    NeedsAttention,
    Outcome,
    RetryableError,
)
from qwoty_integrations_host.concurrency.file_lock import WorkerLock


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (Outcome.skipped("Nothing to invoice."), "skipped", 0),
        (Outcome.needs_attention("look", "Look at this."), "needs_attention", 1),
        (NeedsAttention("Look at this."), "needs_attention", 1),
        (RuntimeError("a bug"), "failed", 1),
    ],
    ids=["skipped", "needs attention", "raised", "bug"],
)
def test_the_exit_code_follows_the_outcome_and_a_retry_prints_the_run(
    cli: CommandLine, answer: Any, status: str, code: int
) -> None:
    cli.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: _raised(answer)
    cli.ready()

    found = cli("accept", "ws-1", cli.file(a_quote()), "--wait", "--json")

    (run,) = json.loads(found.stdout)["runs"]
    assert (run["status"], found.exit_code) == (status, code)
    cli.recorder.answers.clear()
    retried = cli("run", "retry", run["id"], "--wait", "--json")
    assert retried.exit_code == 0
    assert json.loads(retried.stdout)["status"] == "succeeded"
    refused(cli("run", "retry", run["id"]), 2)


def test_accept_with_wait_exits_1_for_a_waiting_run_and_says_when_it_resumes(cli: CommandLine) -> None:
    cli.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: _raised(RetryableError("It is away.", code="away"))
    cli.ready()

    found = cli("accept", "ws-1", cli.file(a_quote()), "--wait", "--json")

    (run,) = json.loads(found.stdout)["runs"]
    assert (run["status"], found.exit_code) == ("waiting", 1)
    until = f"{run['waits_until'][:16].replace('T', ' ')} UTC"
    assert f"Run {run['id']} waits until {until}: It is away." in found.stderr
    assert f"waiting until {until}" in cli("run", "show", run["id"]).stdout
    assert f"away, goes on {until}" in cli("run", "list").stdout
    assert cli.ok("quote", "show", "ws-1", "q-7")["runs"][0]["waits_until"] == run["waits_until"]
    assert cli("accept", "ws-1", cli.file(a_quote()), "--wait").exit_code == 1, (
        "--wait does not wait until a waiting run resumes"
    )
    cli.recorder.answers.clear()
    assert cli.ok("run", "retry", run["id"], "--wait")["status"] == "succeeded"


def test_retry_all_failed_retries_only_failed_runs(cli: CommandLine) -> None:
    answers = {"q-1": RuntimeError("a bug"), "q-2": RuntimeError("another"), "q-3": NeedsAttention("Look at this.")}
    cli.recorder.answers["on_quote_accepted"] = lambda _ctx, quote: _raised(answers[quote.id])
    cli.ready()
    for name in answers:
        cli("accept", "ws-1", cli.file(a_quote(id=name)), "--wait")
    cli.recorder.answers.clear()

    found = cli.ok("run", "retry", "--all-failed", "--wait")

    assert [(run["quote_id"], run["status"]) for run in found["data"]] == [("q-1", "succeeded"), ("q-2", "succeeded")]
    assert [run["status"] for run in cli.ok("run", "list", "--quote", "q-3")["data"]] == ["needs_attention"]
    assert "No run has failed." in cli("run", "retry", "--all-failed").stderr


@pytest.mark.parametrize("words", [(), ("some-id", "--all-failed")], ids=["neither", "both"])
def test_a_retry_needs_either_an_id_or_all_failed(cli: CommandLine, words: tuple[str, ...]) -> None:
    assert "--all-failed" in refused(cli("run", "retry", *words), 2)


def test_a_dismissed_run_says_why_and_can_still_be_retried(cli: CommandLine) -> None:
    cli.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: _raised(NeedsAttention("Look at this."))
    cli.ready()
    (run,) = json.loads(cli("accept", "ws-1", cli.file(a_quote()), "--wait", "--json").stdout)["runs"]

    found = cli.ok("run", "dismiss", run["id"], "--reason", "Invoiced by hand,\n see ticket 7")

    assert found["status"] == "dismissed"
    assert found["outcome"]["notes"][-1].endswith("Invoiced by hand, see ticket 7")
    assert "cannot take back" in refused(cli("run", "undo", run["id"]), 2)
    assert "nothing to dismiss" in refused(cli("run", "dismiss", run["id"], "--reason", "again"), 2)
    cli.recorder.answers.clear()
    assert json.loads(cli("run", "retry", run["id"], "--wait", "--json").stdout)["status"] == "succeeded"


def test_a_retry_of_a_run_that_has_not_ended_exits_2(cli: CommandLine) -> None:
    cli.ready()
    (run,) = cli.ok("accept", "ws-1", cli.file(a_quote()))["runs"]

    assert run["status"] == "queued"
    assert "queued" in refused(cli("run", "retry", run["id"]), 2)


def test_a_timeout_exits_1_and_the_run_goes_on_later(cli: CommandLine) -> None:
    cli.recorder.answers["on_quote_accepted"] = lambda ctx, _q: Outcome.done(ctx.step("slow", lambda _: "done"))
    cli.ready()
    path = cli.file(a_quote())
    lock = WorkerLock(cli.folder / "data")
    assert lock.acquire()

    found = cli("accept", "ws-1", path, "--wait", "--timeout", "0.2", "--json")

    assert found.exit_code == 1
    assert json.loads(found.stdout)["runs"][0]["status"] == "queued"
    assert "the run goes on" in found.stderr
    lock.release()
    assert cli.ok("accept", "ws-1", path, "--wait")["runs"][0]["status"] == "succeeded"


def test_a_command_that_waits_for_a_worker_takes_over_when_the_worker_stops(cli: CommandLine) -> None:
    cli.ready()
    lock = WorkerLock(cli.folder / "data")
    assert lock.acquire()
    threading.Timer(0.5, lock.release).start()

    found = cli.ok("accept", "ws-1", cli.file(a_quote()), "--wait", "--timeout", "15")

    assert found["runs"][0]["status"] == "succeeded"


def test_a_timeout_ends_the_wait_even_if_this_process_works_the_run(cli: CommandLine) -> None:
    def slow(ctx: Any, _quote: Any) -> Outcome:
        for number in range(200):
            ctx.step(f"step {number}", lambda _: time.sleep(0.2))
        return Outcome.done()

    cli.recorder.answers["on_quote_accepted"] = slow
    cli.ready()
    began = time.monotonic()

    # Long enough for the run to begin on a busy machine, and far shorter than the run.
    found = cli("accept", "ws-1", cli.file(a_quote()), "--wait", "--timeout", "8", "--json")

    assert found.exit_code == 1
    assert time.monotonic() - began < 30
    assert json.loads(found.stdout)["runs"][0]["status"] == "running"


def test_pruning_counts_and_with_dry_run_deletes_nothing(cli: CommandLine) -> None:
    cli.ready()

    found = cli.ok("prune", "--dry-run")

    assert (found["dry_run"], found["keep_days"], set(found["pruned"].values())) == (True, 400, {0})
    assert "Nothing was deleted" in cli("prune", "--dry-run").stderr
    assert "ended runs" in cli("prune").stdout


def _raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer
