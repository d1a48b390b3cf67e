"""A corrected quote and several integrations: each one gets the correction, or each run says why not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builders import a_line, a_quote
from qwoty_integrations_host import AlreadyFinal, HookContext, InvoiceRecord, Outcome, Quote, QuoteRecord

FINAL = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="X-1", status="open", account="a"))
DRAFT = QuoteRecord(currency="EUR", invoice=InvoiceRecord(id="Y-1", status="draft", account="a"))


@pytest.fixture
def two_plugins(desk: Any) -> Any:
    """A desk on which two integrations get every quote."""
    desk.enable()
    desk.enable(plugin="second")
    return desk


def accept(desk: Any, net: str) -> tuple[Any, dict[str, dict[str, Any]]]:
    accepted = desk.host.runs.acceptance.accept("ws-1", a_quote(a_line(net=net)))
    desk.work()
    return accepted, {run["plugin"]: run for run in map(desk.run, accepted.run_ids)}


def keep(desk: Any, plugin: str, record: QuoteRecord) -> None:
    desk.host.integrations.contexts.make("ws-1", plugin, {}).records.update("q-7", lambda _: record)


@pytest.mark.parametrize("others", [None, DRAFT], ids=["nothing", "a draft"])
def test_a_correction_after_a_final_record_changes_nothing_and_is_noted_in_every_run(
    two_plugins: Any, others: QuoteRecord | None
) -> None:
    accept(two_plugins, "100.00")
    keep(two_plugins, "recorder", FINAL)
    if others is not None:
        keep(two_plugins, "second", others)
    two_plugins.recorder.calls.clear()

    accepted, runs = accept(two_plugins, "250.00")

    assert accepted.duplicate and not accepted.corrected
    for run in runs.values():
        assert "Invoice X-1 is open already. Nothing was changed" in run["outcome"]["notes"][-1]
    assert two_plugins.recorder.calls == []


def test_a_final_record_of_one_integration_restores_the_old_version_for_all(two_plugins: Any) -> None:
    seen: list[Decimal] = []

    def work(ctx: HookContext, quote: Quote) -> Outcome:
        assert quote.totals is not None
        seen.append(quote.totals.net_amount)
        if quote.totals.net_amount != 100:
            raise AlreadyFinal("Invoice X-1 is open already.", code="invoice_final")
        return Outcome.done("made")

    two_plugins.recorder.answers["on_quote_accepted"] = work
    accept(two_plugins, "100.00")

    accepted, runs = accept(two_plugins, "250.00")

    assert accepted.corrected
    assert seen == [100, 250], "the run of the first version keeps its end"
    for run in runs.values():
        assert run["status"] == "succeeded"
        assert "Invoice X-1 is open already. Nothing was changed" in run["outcome"]["notes"][-1]
    assert accept(two_plugins, "100.00")[0].duplicate


def test_a_final_record_without_an_older_version_needs_attention(desk: Any) -> None:
    def work(ctx: HookContext, quote: Quote) -> Outcome:
        raise AlreadyFinal("Invoice X-1 is open already.", hint="Look at it.", code="invoice_final")

    desk.enable()
    desk.recorder.answers["on_quote_accepted"] = work

    run = desk.accept()

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "invoice_final")
