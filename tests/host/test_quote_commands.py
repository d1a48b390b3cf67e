"""The commands about quotes: accept, preview, list, show; and installments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import click
import pytest

from builders import a_quote, the_example
from host.conftest import RUN_KEYS, TOKEN, CommandLine, refused
from qwoty_integrations_host import (
    InstallmentRecord,
    InvoiceRecord,
    Outcome,
    QuoteRecord,
)
from qwoty_integrations_host.cli import main
from qwoty_integrations_host.contract.visible_text import visible

OUTCOME_KEYS = {
    "invoice_id", "invoice_status", "payment_status", "currency", "net", "tax", "total", "customer_id", "payment_link", "notes",
}  # fmt: skip


def test_quotes_accepted_before_an_integration_is_enabled_can_be_listed_and_run_later(cli: CommandLine) -> None:
    cli.ok("workspace", "add", "ws-1")
    cli.ok("settings", "set", "ws-1", "recorder", "--file", cli.file({"token": TOKEN}))
    for number in range(3):
        accepted = cli("accept", "ws-1", cli.file(a_quote(id=f"q-{number}")))
        assert (accepted.exit_code, f"quote run ws-1 q-{number}" in accepted.stderr) == (0, True)
    assert len(cli.ok("quote", "list", "ws-1", "--without-invoice")["data"]) == 3
    assert cli("quote", "run", "ws-1", "q-0").exit_code == 2, "nothing is enabled yet"

    offered = cli("enable", "ws-1", "recorder").stderr
    assert "3 signed quotes have no invoice yet." in offered and "--run-waiting" in offered
    saved = cli("settings", "set", "ws-1", "recorder", "--file", cli.file({"token": TOKEN}))
    assert "3 signed quotes have no invoice yet." in saved.stderr
    assert cli.recorder.calls.count(("on_quote_accepted", "ws-1")) == 0, "enabling starts no run by itself"
    one = cli.ok("quote", "run", "ws-1", "q-0", "--plugin", "recorder", "--wait")
    (run,) = one["runs"]
    assert (one["quote_id"], run["status"]) == ("q-0", "succeeded")
    assert len(cli.ok("enable", "ws-1", "recorder", "--run-waiting")["run_ids"]) == 2
    assert cli.ok("quote", "list", "ws-1", "--without-invoice") == {"data": [], "has_more": False}
    assert len(cli("quote", "list", "ws-1").stdout.splitlines()) == 5


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
def test_a_bad_quote_exits_2_and_stores_nothing(cli: CommandLine, command: str, document: Any, says: str) -> None:
    cli.ready()

    assert says in refused(cli(command, "ws-1", cli.file(document)), 2)

    assert cli.ok("run", "list") == {"data": [], "has_more": False}


def test_accept_with_wait_shows_the_quote_with_its_run(cli: CommandLine) -> None:
    cli.ready()

    found = cli("accept", "ws-1", cli.file(the_example()), "--wait", "--json")

    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["quote_id"], document["duplicate"]) == ("q-1", False)
    (run,) = document["runs"]
    assert set(run) == RUN_KEYS
    assert set(run["outcome"]) == OUTCOME_KEYS
    assert (run["status"], run["kind"], run["error"]) == ("succeeded", "quote_accepted", None)
    again = cli("accept", "ws-1", cli.file(the_example()), "--wait", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {**document, "duplicate": True}
    assert "accepted before" in again.stderr
    assert cli.ok("run", "show", run["id"]) == run
    assert cli.ok("run", "list", "--quote", "q-1") == {"data": [run], "has_more": False}
    assert cli.ok("run", "list", "--quote", "other")["data"] == []
    assert cli.ok("run", "list", "--status", run["status"]) == {"data": [run], "has_more": False}
    assert cli.ok("run", "list", "--status", "failed")["data"] == []
    assert "needs_attention" in refused(cli("run", "list", "--status", "broken"), 2)
    shown = cli.ok("quote", "show", "ws-1", "q-1")
    assert shown.pop("standing")["state"] == "done"
    assert shown == {
        "quote_id": "q-1", "number": "Q-2026-042", "signed_total": "9102.00", "total_differs": False, "cancelled": None, "undone": [], "invoice": None, "payment_status": None, "currency": None, "total": None,
        "amount_paid": None, "amount_paid_outside": None, "amount_remaining": None, "amount_overpaid": None, "installments": [],
        "saved_ids": {"contacts": {}, "taxes": {}}, "without_invoice": None, "runs": [run],
    }  # fmt: skip
    for words in (("run", "show", run["id"]), ("run", "list"), ("quote", "show", "ws-1", "q-1")):
        assert "succeeded" in cli(*words).stdout


def test_accept_without_an_enabled_integration_makes_no_run_and_says_so(cli: CommandLine) -> None:
    cli.ok("workspace", "add", "ws-1")

    found = cli("accept", "ws-1", cli.file(a_quote()), "--wait", "--json")

    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"quote_id": "q-7", "duplicate": False, "runs": []}
    assert "No integration is enabled" in found.stderr


def test_an_installment_is_listed_sent_and_refused(cli: CommandLine) -> None:
    parts = tuple(InstallmentRecord(number=n, amount=Decimal(50)) for n in (1, 2))
    record = QuoteRecord(
        currency="EUR", invoice=InvoiceRecord(id="in_1", status="open", account="a"), installments=parts
    )

    def invoice(ctx: Any, quote: Any) -> Outcome:
        ctx.step("invoice", lambda _: ctx.records.update(quote.id, lambda _: record) and None)
        return Outcome.done()

    cli.recorder.answers["on_quote_accepted"] = invoice
    cli.ready()
    path = cli.file(a_quote())
    cli.ok("accept", "ws-1", path)
    refused(cli("installment", "send", "ws-1", "q-7"), 2)
    cli.ok("accept", "ws-1", path, "--wait")

    listed = cli.ok("installment", "list", "ws-1", "q-7")
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
    run = cli.ok("installment", "send", "ws-1", "q-7", "--number", "2")
    assert (set(run), run["kind"], run["status"]) == (RUN_KEYS, "installment", "queued")
    assert run["id"] in refused(cli("installment", "send", "ws-1", "q-7"), 2), "only one installment at a time"
    refused(cli("installment", "send", "ws-1", "q-7", "--number", "3"), 2)


def test_a_preview_stores_nothing_and_calls_only_the_preview_hook(cli: CommandLine) -> None:
    cli.ready()
    cli.recorder.calls.clear()

    found = cli.ok("preview", "ws-1", cli.file(a_quote()))

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
    assert cli.recorder.calls == [("preview_quote", "ws-1")]
    assert "nothing to see" in cli("preview", "ws-1", cli.file(a_quote())).stdout
    refused(cli("quote", "show", "ws-1", "q-7"), 5)


@pytest.mark.parametrize(
    "quote_id", ["日本 é", "a/b", "-x", "💶", "50%", "a\u2028b\u202e", "'\"", "x" * 255], ids=ascii
)
def test_a_quote_of_any_id_is_shown(cli: CommandLine, quote_id: str) -> None:
    cli.ready()
    cli.ok("accept", "ws-1", "-", given=json.dumps(a_quote(id=quote_id, number="N-1")))

    shown = cli("quote", "show", "--json", "ws-1", "--", quote_id)

    assert json.loads(shown.stdout)["quote_id"] == quote_id
    assert f"Quote N-1 · id {visible(quote_id)}\n" in cli("quote", "show", "ws-1", "--", quote_id).stdout


def named_quotes(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command with a quote as an argument."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from named_quotes(inner, (*path, name))
    elif any(isinstance(each, click.Argument) and each.metavar == "QUOTE" for each in command.params):
        yield path


@pytest.mark.parametrize("words", list(named_quotes(main)), ids=" ".join)
def test_every_command_about_a_quote_names_the_candidates_for_an_ambiguous_number(
    cli: CommandLine, words: tuple[str, ...]
) -> None:
    cli.ready()
    for quote_id in ("q-1", "q-2"):
        cli("accept", "ws-1", "-", given=json.dumps(a_quote(id=quote_id, number="N-1")))
    reason = ("--reason", "Done.") if words == ("quote", "dismiss") else ()

    said = refused(cli(*words, "ws-1", "N-1", *reason), 2)

    assert "2 quotes have the number 'N-1'" in said and "q-1" in said and "q-2" in said
