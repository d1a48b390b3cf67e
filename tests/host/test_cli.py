"""The command line that others script: shapes, exit codes, data on stdout and talk on stderr."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest
import requests
import structlog
from click.testing import CliRunner, Result

from builders import a_quote, the_example
from host_server import FAKES, REAL
from qwoty_integrations_host import (
    InstallmentRecord,
    InvoiceRecord,
    NeedsAttention,
    Outcome,
    QuoteRecord,
    RetryableError,
    UpkeepReport,
    UpkeepRequest,
    WebhookEndpoint,
    WebhookEvent,
)
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.concurrency.file_lock import WorkerLock
from qwoty_integrations_host.config import VARIABLES
from qwoty_integrations_host.contract.visible_text import visible
from qwoty_integrations_host.store import database

TOKEN = "key_Plain1234567890"
BLOCKED = "argument_default,bad_schema,exits,half_removed,id_mismatch,import_error,leaky,old_api,try_first,twin"
RUN_KEYS = set(
    "id kind workspace plugin quote_id status created_at finished_at waits_until outcome steps error".split()
)
OUTCOME_KEYS = {
    "invoice_id", "invoice_status", "payment_status", "currency", "net", "tax", "total", "customer_id", "payment_link", "notes",
}  # fmt: skip


class Line:
    """A person at the command line of one data directory."""

    def __init__(self, folder: Path, recorder: Any) -> None:
        self.folder, self.recorder = folder, recorder

    def __call__(self, *words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(self.folder / "data"), *words], input=given)

    def ok(self, *words: str, given: str | None = None) -> Any:
        """Call with --json, expect exit 0, and give the document."""
        found = self(*words, "--json", given=given)
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    def file(self, document: Any, name: str = "given.json") -> str:
        path = self.folder / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
        return str(path)

    def ready(self) -> None:
        self.ok("workspace", "add", "ws-1")
        self.ok("settings", "set", "ws-1", "recorder", "--file", self.file({"token": TOKEN}))
        self.ok("enable", "ws-1", "recorder")


@pytest.fixture
def line(tmp_path: Path, fakes: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setenv(
        "QWOTY_PLUGINS_BLOCKED", BLOCKED + ",typo_hook,unknown_argument,wrong_manifest," + ",".join(REAL)
    )
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield Line(tmp_path, fakes)
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def refused(found: Result, code: int) -> str:
    """Expect an exit code, nothing on stdout, a sentence on stderr and no traceback; give the sentence."""
    assert found.exit_code == code, found.output
    assert found.stdout == ""
    assert "Traceback" not in found.stderr
    assert "Error" in found.stderr
    return found.stderr


def test_quotes_that_were_accepted_while_nothing_was_enabled_are_listed_offered_and_run(line: Line) -> None:
    line.ok("workspace", "add", "ws-1")
    line.ok("settings", "set", "ws-1", "recorder", "--file", line.file({"token": TOKEN}))
    for number in range(3):
        accepted = line("accept", "ws-1", line.file(a_quote(id=f"q-{number}")))
        assert (accepted.exit_code, f"quote run ws-1 q-{number}" in accepted.stderr) == (0, True)
    assert len(line.ok("quote", "list", "ws-1", "--without-invoice")["data"]) == 3
    assert line("quote", "run", "ws-1", "q-0").exit_code == 2, "nothing is enabled yet"

    offered = line("enable", "ws-1", "recorder").stderr
    assert "3 signed quotes have no invoice yet." in offered and "--run-waiting" in offered
    saved = line("settings", "set", "ws-1", "recorder", "--file", line.file({"token": TOKEN}))
    assert "3 signed quotes have no invoice yet." in saved.stderr
    assert line.recorder.calls.count(("on_quote_accepted", "ws-1")) == 0, "never by itself"
    one = line.ok("quote", "run", "ws-1", "q-0", "--plugin", "recorder", "--wait")
    (run,) = one["runs"]
    assert (one["quote_id"], run["status"]) == ("q-0", "succeeded")
    assert len(line.ok("enable", "ws-1", "recorder", "--run-waiting")["run_ids"]) == 2
    assert line.ok("quote", "list", "ws-1", "--without-invoice") == {"data": [], "has_more": False}
    assert len(line("quote", "list", "ws-1").stdout.splitlines()) == 5


def test_plugins_are_listed_with_status_reason_and_distribution(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWOTY_PLUGINS_BLOCKED", "exits, " + ", ".join(REAL))

    found = line.ok("plugin", "list")

    items = {item["id"]: item for item in found["data"]}
    assert found["has_more"] is False
    shown = {"id", "status", "reason", "distribution", "version", "title", "description", "capabilities"}
    assert set(items["recorder"]) == shown | {"hooks", "hook_api", "import_ms", "settings_schema_id", "hanging"}
    assert items["recorder"]["status"] == "loaded"
    assert (items["exits"]["status"], items["typo_hook"]["status"]) == ("blocked", "failed")
    assert (items["exits"]["distribution"], items["exits"]["version"]) == ("fake-exits", "1.0")
    assert "typo_hook" in line("plugin", "list").stdout


def test_workspaces_and_keys_are_made(line: Line) -> None:
    assert line.ok("workspace", "add", "ws-1") == {"id": "ws-1", "added": True}
    assert line.ok("workspace", "add", "ws-1") == {"id": "ws-1", "added": False}
    shown = line("apikey", "create", "ws-1")
    assert shown.stdout.startswith("qwh_")
    assert "not shown again" in shown.stderr


def test_a_key_is_made_for_a_purpose_listed_without_its_secret_and_revoked(line: Line) -> None:
    line.ok("workspace", "add", "ws-1")
    made = line.ok("apikey", "create", "ws-1", "--name", "The CPQ", "--scope", "write", "--scope", "read")
    key = made.pop("key")

    assert (made["name"], made["scopes"], made["last_used_at"]) == ("The CPQ", ["read", "write"], None)
    assert line.ok("apikey", "list", "ws-1") == {"data": [made], "has_more": False}
    assert line.ok("apikey", "revoke", "ws-1", made["id"])["revoked_at"]
    plain = line("apikey", "list", "ws-1").stdout
    assert "The CPQ" in plain and key not in plain


def test_a_key_with_an_unknown_scope_or_of_nobody_is_refused(line: Line) -> None:
    line.ok("workspace", "add", "ws-1")

    refused = line("apikey", "create", "ws-1", "--scope", "everything")

    assert (refused.exit_code, "scopes.0: Is none of read, write, admin." in refused.stderr) == (2, True)
    assert line("apikey", "revoke", "ws-1", "00000000").exit_code == 5


def test_settings_are_set_shown_validated_and_switched(line: Line) -> None:
    line.ok("workspace", "add", "ws-1")
    path = line.file({"token": TOKEN})

    assert line.ok("settings", "validate", "recorder", "--file", path) == {"valid": True, "problems": []}
    shown = line.ok("settings", "set", "ws-1", "recorder", "--file", "-", given=json.dumps({"token": TOKEN}))
    assert shown["settings"]["token"] == {"set": True, "last4": "7890"}
    assert (shown["connection"]["status"], shown["connection"]["checked_at"]) == ("untested", None)
    assert line.ok("settings", "show", "ws-1", "recorder") == shown
    assert line.ok("enable", "ws-1", "recorder")["enabled"] is True
    assert line.ok("disable", "ws-1", "recorder") == {"workspace": "ws-1", "plugin": "recorder", "enabled": False}
    plain = line("settings", "show", "ws-1", "recorder").stdout
    assert "•••• 7890" in plain and TOKEN not in plain


def test_invalid_settings_exit_3_and_name_the_field(line: Line) -> None:
    line.ok("workspace", "add", "ws-1")
    path = line.file({"token": "key-CanaryABCDEFGH99"})

    for words in (("set", "ws-1", "recorder"), ("validate", "recorder")):
        said = refused(line("settings", *words, "--file", path), 3)
        assert "token: Enter a key" in said
        assert "Canary" not in said
    assert "token" in refused(line("enable", "ws-1", "recorder"), 3)
    found = line("settings", "validate", "recorder", "--file", path, "--json")
    assert found.exit_code == 3
    assert json.loads(found.stdout)["problems"][0]["path"] == ["token"]


@pytest.mark.parametrize(
    "words",
    [
        ("settings", "show", "unknown", "recorder"),
        ("settings", "show", "ws-1", "unknown"),
        ("settings", "show", "ws-1", "exits"),
        ("enable", "unknown", "recorder"),
        ("disable", "ws-1", "unknown"),
        ("apikey", "create", "unknown"),
        ("quote", "show", "ws-1", "unknown"),
        ("installment", "list", "ws-1", "unknown"),
        ("installment", "send", "ws-1", "unknown"),
        ("run", "show", "unknown"),
        ("run", "retry", "unknown"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_exits_5(line: Line, words: tuple[str, ...]) -> None:
    line.ok("workspace", "add", "ws-1")

    refused(line(*words), 5)


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("accept", "ws-1"), ("accept", "ws-1", "/no/such/file"), ("run", "list", "--limit", "0"),
     ("installment", "send", "ws-1", "q", "--number", "0"), ("settings", "set", "ws-1", "recorder")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_2(line: Line, words: tuple[str, ...]) -> None:
    refused(line(*words), 2)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "JSON"),
        (json.dumps(a_quote())[:-9], "JSON"),
        ("[]", "object"),
        ("{}", "pricing_table"),
        (a_quote(status="draft"), "status"),
        (a_quote(workspace_id="ws-2"), "workspace_id"),
        (a_quote(currency="ABC"), "currency"),
        (a_quote(installments=["50", "40"]), "payment_terms.installments"),
    ],
    ids=[
        "not JSON",
        "truncated",
        "no object",
        "no quote",
        "not accepted",
        "other workspace",
        "currency",
        "installments",
    ],
)
@pytest.mark.parametrize("command", ["accept", "preview"])
def test_a_bad_quote_exits_2_and_stores_nothing(line: Line, command: str, document: Any, says: str) -> None:
    line.ready()

    assert says in refused(line(command, "ws-1", line.file(document)), 2)

    assert line.ok("run", "list") == {"data": [], "has_more": False}


def test_a_quote_that_is_accepted_and_waited_for_is_shown_with_its_run(line: Line) -> None:
    line.ready()

    found = line("accept", "ws-1", line.file(the_example()), "--wait", "--json")

    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["quote_id"], document["duplicate"]) == ("q-1", False)
    (run,) = document["runs"]
    assert set(run) == RUN_KEYS
    assert set(run["outcome"]) == OUTCOME_KEYS
    assert (run["status"], run["kind"], run["error"]) == ("succeeded", "quote_accepted", None)
    again = line("accept", "ws-1", line.file(the_example()), "--wait", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {**document, "duplicate": True}
    assert "accepted before" in again.stderr
    assert line.ok("run", "show", run["id"]) == run
    assert line.ok("run", "list", "--quote", "q-1") == {"data": [run], "has_more": False}
    assert line.ok("run", "list", "--quote", "other")["data"] == []
    assert line.ok("run", "list", "--status", run["status"]) == {"data": [run], "has_more": False}
    assert line.ok("run", "list", "--status", "failed")["data"] == []
    assert "needs_attention" in refused(line("run", "list", "--status", "broken"), 2)
    shown = line.ok("quote", "show", "ws-1", "q-1")
    assert shown.pop("standing")["state"] == "done"
    assert shown == {
        "quote_id": "q-1", "number": "Q-2026-042", "signed_total": "9102.00", "total_differs": False, "cancelled": None, "undone": [], "invoice": None, "payment_status": None, "currency": None, "total": None,
        "amount_paid": None, "amount_paid_outside": None, "amount_remaining": None, "amount_overpaid": None, "installments": [],
        "saved_ids": {"contacts": {}, "taxes": {}}, "without_invoice": None, "runs": [run],
    }  # fmt: skip
    for words in (("run", "show", run["id"]), ("run", "list"), ("quote", "show", "ws-1", "q-1")):
        assert "succeeded" in line(*words).stdout


def test_without_an_enabled_integration_there_is_no_run_and_a_sentence(line: Line) -> None:
    line.ok("workspace", "add", "ws-1")

    found = line("accept", "ws-1", line.file(a_quote()), "--wait", "--json")

    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"quote_id": "q-7", "duplicate": False, "runs": []}
    assert "No integration is enabled" in found.stderr


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
    line: Line, answer: Any, status: str, code: int
) -> None:
    line.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: _raised(answer)
    line.ready()

    found = line("accept", "ws-1", line.file(a_quote()), "--wait", "--json")

    (run,) = json.loads(found.stdout)["runs"]
    assert (run["status"], found.exit_code) == (status, code)
    line.recorder.answers.clear()
    retried = line("run", "retry", run["id"], "--wait", "--json")
    assert retried.exit_code == 0
    assert json.loads(retried.stdout)["status"] == "succeeded"
    refused(line("run", "retry", run["id"]), 2)


def test_waiting_for_a_run_that_waits_ends_with_1_and_says_until_when(line: Line) -> None:
    line.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: _raised(
        RetryableError("It is away.", code="away")
    )
    line.ready()

    found = line("accept", "ws-1", line.file(a_quote()), "--wait", "--json")

    (run,) = json.loads(found.stdout)["runs"]
    assert (run["status"], found.exit_code) == ("waiting", 1)
    until = f"{run['waits_until'][:16].replace('T', ' ')} UTC"
    assert f"Run {run['id']} waits until {until}: It is away." in found.stderr
    assert f"waiting until {until}" in line("run", "show", run["id"]).stdout
    assert f"away, goes on {until}" in line("run", "list").stdout
    assert line.ok("quote", "show", "ws-1", "q-7")["runs"][0]["waits_until"] == run["waits_until"]
    assert line("accept", "ws-1", line.file(a_quote()), "--wait").exit_code == 1, "the same quote again waits no longer"
    line.recorder.answers.clear()
    assert line.ok("run", "retry", run["id"], "--wait")["status"] == "succeeded"


def test_all_failed_runs_are_retried_together_and_no_others(line: Line) -> None:
    answers = {"q-1": RuntimeError("a bug"), "q-2": RuntimeError("another"), "q-3": NeedsAttention("Look at this.")}
    line.recorder.answers["on_quote_accepted"] = lambda _ctx, quote: _raised(answers[quote.id])
    line.ready()
    for name in answers:
        line("accept", "ws-1", line.file(a_quote(id=name)), "--wait")
    line.recorder.answers.clear()

    found = line.ok("run", "retry", "--all-failed", "--wait")

    assert [(run["quote_id"], run["status"]) for run in found["data"]] == [("q-1", "succeeded"), ("q-2", "succeeded")]
    assert [run["status"] for run in line.ok("run", "list", "--quote", "q-3")["data"]] == ["needs_attention"]
    assert "No run has failed." in line("run", "retry", "--all-failed").stderr


@pytest.mark.parametrize("words", [(), ("some-id", "--all-failed")], ids=["neither", "both"])
def test_a_retry_takes_an_id_or_all_failed(line: Line, words: tuple[str, ...]) -> None:
    assert "--all-failed" in refused(line("run", "retry", *words), 2)


def test_a_dismissed_run_says_why_and_can_still_be_retried(line: Line) -> None:
    line.recorder.answers["on_quote_accepted"] = lambda _ctx, _quote: _raised(NeedsAttention("Look at this."))
    line.ready()
    (run,) = json.loads(line("accept", "ws-1", line.file(a_quote()), "--wait", "--json").stdout)["runs"]

    found = line.ok("run", "dismiss", run["id"], "--reason", "Invoiced by hand,\n see ticket 7")

    assert found["status"] == "dismissed"
    assert found["outcome"]["notes"][-1].endswith("Invoiced by hand, see ticket 7")
    assert "cannot take back" in refused(line("run", "undo", run["id"]), 2)
    assert "nothing to dismiss" in refused(line("run", "dismiss", run["id"], "--reason", "again"), 2)
    line.recorder.answers.clear()
    assert json.loads(line("run", "retry", run["id"], "--wait", "--json").stdout)["status"] == "succeeded"


def test_a_retry_of_a_run_that_has_not_ended_exits_2(line: Line) -> None:
    line.ready()
    (run,) = line.ok("accept", "ws-1", line.file(a_quote()))["runs"]

    assert run["status"] == "queued"
    assert "queued" in refused(line("run", "retry", run["id"]), 2)


def test_an_installment_is_listed_sent_and_refused(line: Line) -> None:
    parts = tuple(InstallmentRecord(number=n, amount=50) for n in (1, 2))  # type: ignore[arg-type]
    record = QuoteRecord(
        currency="EUR", invoice=InvoiceRecord(id="in_1", status="open", account="a"), installments=parts
    )

    def invoice(ctx: Any, quote: Any) -> Outcome:
        ctx.step("invoice", lambda _: ctx.records.update(quote.id, lambda _: record) and None)
        return Outcome.done()

    line.recorder.answers["on_quote_accepted"] = invoice
    line.ready()
    path = line.file(a_quote())
    line.ok("accept", "ws-1", path)
    refused(line("installment", "send", "ws-1", "q-7"), 2)
    line.ok("accept", "ws-1", path, "--wait")

    listed = line.ok("installment", "list", "ws-1", "q-7")
    assert listed["has_more"] is False
    assert listed["data"][0] == {
        "number": 1,
        "amount": "50",
        "due_date": None,
        "status": "scheduled",
        "url": None,
        "linked_at": None,
        "mailed_at": None,
        "payment_id": None,
        "amount_refunded": None,
    }
    run = line.ok("installment", "send", "ws-1", "q-7", "--number", "2")
    assert (set(run), run["kind"], run["status"]) == (RUN_KEYS, "installment", "queued")
    assert run["id"] in refused(line("installment", "send", "ws-1", "q-7"), 2), "one at a time"
    refused(line("installment", "send", "ws-1", "q-7", "--number", "3"), 2)


def test_a_timeout_exits_1_and_the_run_goes_on_later(line: Line) -> None:
    line.recorder.answers["on_quote_accepted"] = lambda ctx, _q: Outcome.done(ctx.step("slow", lambda _: "done"))
    line.ready()
    path = line.file(a_quote())
    lock = WorkerLock(line.folder / "data")
    assert lock.acquire()

    found = line("accept", "ws-1", path, "--wait", "--timeout", "0.2", "--json")

    assert found.exit_code == 1
    assert json.loads(found.stdout)["runs"][0]["status"] == "queued"
    assert "the run goes on" in found.stderr
    lock.release()
    assert line.ok("accept", "ws-1", path, "--wait")["runs"][0]["status"] == "succeeded"


def test_who_waits_for_another_worker_takes_over_when_that_one_goes(line: Line) -> None:
    line.ready()
    lock = WorkerLock(line.folder / "data")
    assert lock.acquire()
    threading.Timer(0.5, lock.release).start()

    found = line.ok("accept", "ws-1", line.file(a_quote()), "--wait", "--timeout", "15")

    assert found["runs"][0]["status"] == "succeeded"


def test_a_timeout_ends_the_wait_also_while_this_process_works_the_run(line: Line) -> None:
    def slow(ctx: Any, _quote: Any) -> Outcome:
        for number in range(200):
            ctx.step(f"step {number}", lambda _: time.sleep(0.2))
        return Outcome.done()

    line.recorder.answers["on_quote_accepted"] = slow
    line.ready()
    began = time.monotonic()

    # Long enough for the run to begin on a machine that is busy, and far shorter than the run.
    found = line("accept", "ws-1", line.file(a_quote()), "--wait", "--timeout", "8", "--json")

    assert found.exit_code == 1
    assert time.monotonic() - began < 30
    assert json.loads(found.stdout)["runs"][0]["status"] == "running"


def test_a_preview_writes_nothing_and_asks_only_for_a_plan(line: Line) -> None:
    line.ready()
    line.recorder.calls.clear()

    found = line.ok("preview", "ws-1", line.file(a_quote()))

    assert found == {
        "quote_id": "q-7",
        "ends_well": True,
        "previews": [
            {
                "plugin": "recorder",
                "enabled": True,
                "status": "skipped",
                "ends": "skipped",
                "ends_well": True,
                "problems": [],
                "notes": ["nothing to see"],
            }
        ],
    }
    assert line.recorder.calls == [("preview_quote", "ws-1")]
    assert "nothing to see" in line("preview", "ws-1", line.file(a_quote())).stdout
    refused(line("quote", "show", "ws-1", "q-7"), 5)


def test_a_file_that_is_no_database_is_said_not_thrown(line: Line) -> None:
    folder = line.folder / "data"
    folder.mkdir()
    (folder / "host.sqlite3").write_bytes(b"this is no database, and long enough to be noticed" * 20)

    assert "cannot be opened" in refused(line("run", "list"), 1)


def test_pruning_counts_and_with_dry_run_deletes_nothing(line: Line) -> None:
    line.ready()

    found = line.ok("prune", "--dry-run")

    assert (found["dry_run"], found["keep_days"], set(found["pruned"].values())) == (True, 400, {0})
    assert "Nothing was deleted" in line("prune", "--dry-run").stderr
    assert "ended runs" in line("prune").stdout


def test_a_database_that_another_program_holds_is_said_not_thrown(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    line.ready()
    with closing(sqlite3.connect(line.folder / "data" / "host.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        for words in (("accept", "ws-1", line.file(a_quote())), ("run", "list"), ("workspace", "add", "ws-2")):
            assert "database is locked" in refused(line(*words), 1)


def _commands(group: Any, *names: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, *names, name)
        else:
            yield (*names, name)


#: Those that begin something, and those that need no data directory.
_BEGIN, _NEED_NONE = {("serve",), ("worker",), ("workspace", "add")}, {"plugin"}


@pytest.mark.parametrize(
    "words",
    sorted(words for words in _commands(main) if words not in _BEGIN and words[0] not in _NEED_NONE),
    ids=" ".join,
)
def test_only_what_begins_something_makes_a_data_directory(line: Line, words: tuple[str, ...]) -> None:
    command: Any = main
    for word in words:
        command = command.commands[word]
    given = {"--timezone": "UTC", "--reason": "x", "--file": line.file({}), "--webhook-url": "https://x.example"}
    needed = [one for one in command.params if one.required]
    arguments = [line.file({}) if one.name == "path" else "x" for one in needed if one.param_type_name == "argument"]
    options = [
        word
        for one in needed
        for name in one.opts[:1]
        if name.startswith("--")
        for word in (name, given.get(name, "x"))
    ]
    if words in {("run", "retry"), ("admin", "revoke")}:
        arguments.append("x")

    said = refused(line(*words, *arguments, *options), 2)

    assert f"There is no host's data in {line.folder / 'data'}" in said
    assert "QWOTY_HOST_DATA_DIR" in said and "workspace add" in said
    assert not (line.folder / "data").exists()


def test_an_empty_folder_is_the_wrong_one_too_and_the_advised_step_works(line: Line) -> None:
    (line.folder / "data").mkdir()
    refused(line("run", "list"), 2)
    assert list((line.folder / "data").iterdir()) == []

    first, second = line("workspace", "add", "ws-1"), line("workspace", "add", "ws-1")

    assert f"Made the data directory {line.folder / 'data'}." in first.stderr
    assert "Made" not in second.stderr and line("run", "list").exit_code == 0


def test_what_is_installed_is_listed_without_a_data_directory(line: Line) -> None:
    assert line.ok("plugin", "list")["data"] and line.ok("plugin", "show", "recorder")["status"] == "loaded"
    assert not (line.folder / "data").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("QWOTY_HOST_SMPT_URL", "Did you mean QWOTY_HOST_SMTP_URL?"),
        ("QWOTY_HOST_PLUGINS_BLOCKED", "Did you mean QWOTY_PLUGINS_BLOCKED?"),
        ("qwoty_host_keys", "Did you mean QWOTY_HOST_KEYS?"),
        ("QWOTY_HOST_9", "docs/operations.md lists the variables."),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest_known_one(
    line: Line, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    line.ready()
    monkeypatch.setenv(name, "secret-value")

    found = line("run", "list")
    (finding,) = [one for one in line_findings(line) if name in one["detail"]]

    assert found.exit_code == 0
    assert f"Warning: The host does not know the variable {name}, so it has no effect. {said}" in found.stderr
    assert (finding["state"], said in finding["detail"]) == ("warning", True)
    assert "secret-value" not in found.output + str(finding)


def test_the_variables_that_are_known_are_those_of_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "environment.md").read_text("utf-8")
    rows = re.findall(r"^\| `(QWOTY_(?:HOST|PLUGINS|TRACE)_\w+)` \|", page, re.MULTILINE)

    assert sorted(rows) == sorted(VARIABLES)


def line_findings(line: Line) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(line("doctor", "--json").stdout)["data"]
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [("SMTP_URL", "smtp://mail.example"), ("PUBLIC_URL", "no-address-of-ours"), ("KEYS", "bm90IGEga2V5")],
)
def test_a_wrong_variable_exits_1_and_is_named(
    line: Line, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"QWOTY_HOST_{name}", value)

    said = refused(line("workspace", "add", "ws-1"), 1)

    assert value not in said
    assert name in said or "key ring" in said


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "smtp://mail.example:99999"])
def test_a_wrong_mail_server_is_named(line: Line, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("QWOTY_HOST_SMTP_URL", url)
    monkeypatch.setenv("QWOTY_HOST_MAIL_FROM", "shop@seller.example")

    assert "QWOTY_HOST_SMTP_URL" in refused(line("workspace", "add", "ws-1"), 1)


def test_serve_works_what_others_queue_and_ends_on_request(line: Line) -> None:
    line.ready()
    served = _serve(line, "--port", "0")
    try:
        assert served.stderr is not None
        assert "Listening on http://127.0.0.1:" in _until(served, "Listening")
        found = line("accept", "ws-1", line.file(a_quote()), "--wait", "--timeout", "20", "--json")
        assert json.loads(found.stdout)["runs"][0]["status"] == "succeeded"
        assert ("on_quote_accepted", "ws-1") not in line.recorder.calls, "the server worked it, not this process"
    finally:
        served.send_signal(signal.SIGTERM)
        out, err = served.communicate(timeout=15)
    assert served.returncode == 0, err
    assert "Traceback" not in out + err


def test_serve_says_so_when_its_port_is_taken(line: Line) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = _serve(line, "--port", str(taken.getsockname()[1]))
        _, err = served.communicate(timeout=20)

    assert served.returncode == 1
    assert "cannot listen" in err
    assert "Traceback" not in err


HEAVY = ("dbos", "stripe", "flask", "jsonschema", "marshmallow", "sqlalchemy", "structlog", "waitress")


@pytest.mark.parametrize("words", [["--help"], ["accept", "--help"], ["run", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = f"""
import sys
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.config import VARIABLES
try:
    main({words!r})
except SystemExit as end:
    assert end.code == 0
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)

    assert "Usage:" in found.stdout
    assert found.stderr.strip() == "[]"


def _raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_a_worker_shows_its_metrics_when_asked_to(line: Line) -> None:
    with _serve(line, "--metrics-port", "0", command="worker") as worker:
        address = _until(worker, "Metrics on").split()[-1]
        found = requests.get(address, timeout=10).text
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=20) == 0

    assert "qwoty_queue_depth 0.0" in found and "qwoty_http_request_seconds" in found


def _serve(line: Line, *words: str, command: str = "serve") -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from qwoty_integrations_host.cli import main; main()"]
    env = {**os.environ, "PYTHONPATH": str(FAKES)}
    words = (*program, "--data-dir", str(line.folder / "data"), command, *words)
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def _until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stderr is not None
    for text in process.stderr:
        if word in text:
            return text
    raise AssertionError(f"it ended without saying {word!r}")


# -- webhooks ----------------------------------------------------------------------------------------------


@pytest.fixture
def kept(line: Line) -> Line:
    """A line to a host on which the recorder keeps a webhook endpoint."""
    line.ready()
    url = "https://host.example/webhooks/recorder/ws-1/tokentokentoken1234"
    line.recorder.answers["webhook_endpoints"] = lambda ctx, _: [WebhookEndpoint("main", "test", "we_1", url)]
    return line


def test_webhooks_are_looked_after_when_somebody_asks(kept: Line) -> None:
    asked: list[Any] = []
    report = UpkeepReport(Outcome.done("The secret was rolled."))
    kept.recorder.answers["on_upkeep"] = lambda ctx, upkeep: asked.append(upkeep) or report

    found = kept.ok("webhook", "check", "ws-1", "--roll-secrets", "--wait")

    (run,) = found["data"]
    assert set(run) == RUN_KEYS
    assert (run["kind"], run["status"], run["outcome"]["notes"]) == ("upkeep", "succeeded", ["The secret was rolled."])
    assert asked == [UpkeepRequest(roll_secrets=True)]
    assert "upkeep · workspace ws-1" in kept("webhook", "check", "ws-1").stdout
    # That one waits for a worker, and another is not asked for meanwhile.
    assert "looks after it now" in refused(kept("webhook", "check", "ws-1"), 2)


def test_a_payment_that_nobody_told_us_of_is_worked_before_the_command_ends(kept: Line) -> None:
    kept.ok("accept", "ws-1", kept.file(a_quote()), "--wait")
    missed = WebhookEvent("e-1", "paid", {"id": "e-1"}, "q-7")
    kept.recorder.answers["on_upkeep"] = lambda ctx, _: UpkeepReport(Outcome.skipped("Nothing to mend."), (missed,))

    found = kept.ok("webhook", "check", "ws-1", "--wait")

    upkeep, webhook = found["data"]
    assert (webhook["kind"], webhook["quote_id"], webhook["status"]) == ("webhook", "q-7", "succeeded")
    assert upkeep["outcome"]["found_runs"] == [webhook["id"]]


def test_an_upkeep_that_needs_a_person_exits_1_when_waited_for(kept: Line) -> None:
    report = UpkeepReport(Outcome.needs_attention("c", "There is no room.", hint="Make some."))
    kept.recorder.answers["on_upkeep"] = lambda ctx, upkeep: report

    found = kept("webhook", "check", "ws-1", "--wait")

    assert found.exit_code == 1
    assert "There is no room." in found.stdout


def test_the_state_of_the_webhooks_is_shown(kept: Line) -> None:
    before = kept("webhook", "status", "ws-1").stdout
    assert kept("webhook", "check", "ws-1", "--wait").exit_code == 0

    (shown,) = kept.ok("webhook", "status", "ws-1")["data"]

    assert set(shown) == {
        "plugin", "account", "mode", "endpoint_id", "url", "last_event_at", "last_event_age", "last_upkeep",
    }  # fmt: skip
    assert (shown["endpoint_id"], shown["last_event_at"]) == ("we_1", None)
    assert shown["last_upkeep"]["status"] == "skipped"
    assert "tokentokentoken1234" not in json.dumps(shown) + before
    assert "last upkeep  none yet" in before
    text = kept("webhook", "status", "ws-1").stdout
    assert "we_1  https://host.example/webhooks/recorder/ws-1/toke…1234" in text
    assert "Nothing had to be mended." in text


def test_without_an_endpoint_there_is_nothing_to_check(line: Line) -> None:
    line.ready()

    assert "No webhook endpoint yet" in line("webhook", "status", "ws-1").stdout
    assert "no integration" in refused(line("webhook", "check", "ws-1"), 2).lower()
    refused(line("webhook", "status", "nowhere"), 5)


def test_upkeep_that_had_nothing_to_do_is_listed_when_asked_for(kept: Line) -> None:
    kept("webhook", "check", "ws-1", "--wait")

    assert kept.ok("run", "list")["data"] == []
    assert [run["kind"] for run in kept.ok("run", "list", "--all")["data"]] == ["upkeep"]


def test_what_was_delivered_is_listed_and_worked_again(kept: Line) -> None:
    kept.ok("accept", "ws-1", kept.file(a_quote()), "--wait")
    missed = WebhookEvent("evt_1", "paid", {"id": "evt_1"}, "q-7")
    kept.recorder.answers["on_upkeep"] = lambda ctx, _: UpkeepReport(Outcome.skipped("Nothing to mend."), (missed,))
    kept.ok("webhook", "check", "ws-1", "--wait")

    (event,) = kept.ok("webhook", "list", "ws-1")["data"]
    assert (event["id"], event["result"], event["found"]) == ("evt_1", "verified", True)
    assert kept.ok("webhook", "list", "ws-1", "--result", "refused")["data"] == []
    assert "verified      0  evt_1  paid" in kept("webhook", "list", "ws-1").stdout
    assert kept.ok("webhook", "replay", "ws-1", "recorder", "evt_1", "--wait")["id"] == event["run_id"]
    assert "no such event" in refused(kept("webhook", "replay", "ws-1", "recorder", "evt_2"), 5)


@pytest.mark.parametrize(
    "quote_id", ["日本 é", "a/b", "-x", "💶", "50%", "a\u2028b\u202e", "'\"", "x" * 255], ids=ascii
)
def test_a_quote_of_any_id_is_shown(line: Line, quote_id: str) -> None:
    line.ready()
    line.ok("accept", "ws-1", "-", given=json.dumps(a_quote(id=quote_id, number="N-1")))

    shown = line("quote", "show", "--json", "ws-1", "--", quote_id)

    assert json.loads(shown.stdout)["quote_id"] == quote_id
    assert f"Quote N-1 · id {visible(quote_id)}\n" in line("quote", "show", "ws-1", "--", quote_id).stdout


def named_quotes(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that is given a quote."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from named_quotes(inner, (*path, name))
    elif any(isinstance(each, click.Argument) and each.metavar == "QUOTE" for each in command.params):
        yield path


@pytest.mark.parametrize("words", list(named_quotes(main)), ids=" ".join)
def test_whatever_is_given_a_quote_names_the_candidates_of_an_ambiguous_number(
    line: Line, words: tuple[str, ...]
) -> None:
    line.ready()
    for quote_id in ("q-1", "q-2"):
        line("accept", "ws-1", "-", given=json.dumps(a_quote(id=quote_id, number="N-1")))
    reason = ("--reason", "Done.") if words == ("quote", "dismiss") else ()

    said = refused(line(*words, "ws-1", "N-1", *reason), 2)

    assert "2 quotes have the number 'N-1'" in said and "q-1" in said and "q-2" in said
