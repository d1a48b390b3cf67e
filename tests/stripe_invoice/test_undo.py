"""Undoing a run deletes a draft, closes an open link, and leaves a final invoice to a person."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, a_quote
from qwoty_integrations_host.errors import ActionRefused
from stripe_invoice.conftest import notes


def undo(bench: Any, run: dict[str, Any]) -> dict[str, Any]:
    run_id = bench.host.runs.cancellation.undo(run["id"])
    bench.work()
    found: dict[str, Any] = bench.run(run_id)
    return found


def test_undoing_deletes_the_draft_and_accepting_again_makes_a_new_one(bench: Any) -> None:
    bench.enable()
    run = bench.accept(a_quote())
    (first,) = bench.stripe.objects("invoices")

    undone = undo(bench, run)
    left = bench.stripe.objects("invoices")
    again = bench.accept(a_quote())

    assert (undone["status"], undone["kind"]) == ("succeeded", "undo")
    assert f"The draft {first['id']} is deleted." in notes(undone)
    assert left == []
    (second,) = bench.stripe.objects("invoices")
    assert (again["status"], second["total"], second["id"] != first["id"]) == ("succeeded", 12000, True)


def test_undoing_closes_the_link_and_keeps_the_invoice(bench: Any) -> None:
    bench.enable(**LINK)
    run = bench.accept(a_quote(installments=2))

    undone = undo(bench, run)

    assert undone["status"] == "succeeded"
    assert "The payment link of installment 1 is closed." in notes(undone)
    assert "stays open: void it if nobody is to pay it" in notes(undone)
    assert bench.stripe.objects("sessions")[0]["status"] == "expired"
    assert bench.stripe.objects("invoices")[0]["status"] == "open"
    assert bench.quote("q-7")["installments"][0]["status"] == "closed"


def test_a_payment_that_comes_before_the_link_is_closed_is_noted(bench: Any) -> None:
    bench.enable(**LINK)
    run = bench.accept(a_quote(installments=2))
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.pay(bench.stripe.objects("sessions")[0]["id"])

    undone = undo(bench, run)

    assert "Installment 1 was paid before its link could be closed." in notes(undone)


@pytest.mark.parametrize("settings", [OPEN, EMAIL], ids=["open", "email"])
def test_undoing_does_not_change_a_final_invoice(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)
    run = bench.accept(a_quote())
    bench.stripe.requests.reset()

    undone = undo(bench, run)

    assert {request.method for request in bench.stripe.requests} == {"GET"}
    assert "is final and stays open" in notes(undone)


def test_undoing_keeps_a_draft_that_somebody_finalized(bench: Any, v1: Any) -> None:
    bench.enable()
    run = bench.accept(a_quote())
    (invoice,) = bench.stripe.objects("invoices")
    v1.invoices.finalize_invoice(invoice["id"])

    undone = undo(bench, run)

    assert "stays open" in notes(undone)
    assert bench.stripe.objects("invoices")[0]["status"] == "open"


def test_undoing_a_run_that_made_nothing_is_skipped(bench: Any) -> None:
    bench.enable()
    run = bench.accept(a_quote(currency="IQD", total="120.00"))

    assert undo(bench, run)["status"] == "skipped"


def test_undoing_is_refused_while_a_run_works_or_the_integration_is_off(bench: Any) -> None:
    bench.enable()
    run_ids = bench.host.runs.acceptance.accept("ws-1", a_quote()).run_ids

    with pytest.raises(ActionRefused, match="has not ended"):
        bench.host.runs.cancellation.undo(run_ids[0])
    bench.work()
    bench.host.settings.disable("ws-1", "stripe_invoice")
    with pytest.raises(ActionRefused, match="switched off"):
        bench.host.runs.cancellation.undo(run_ids[0])


@pytest.mark.parametrize("fault", ["500_after", "cut_after", "cut_before", "500_before"])
def test_undoing_survives_a_lost_answer(bench: Any, fault: str) -> None:
    bench.enable()
    run = bench.accept(a_quote())
    bench.stripe.faults.add(fault, method="DELETE")

    undone = undo(bench, run)

    assert (undone["status"], bench.stripe.objects("invoices")) == ("succeeded", [])
    assert "is deleted." in notes(undone)
