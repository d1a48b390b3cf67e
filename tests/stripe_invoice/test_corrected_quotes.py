"""A quote that is accepted again and says something else: replaced while nothing is final, noted afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from builders import LINK, a_line, a_quote

OPEN = {"invoice_status": "open"}


def accept_again(bench: Any, quote: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    accepted = bench.host.runs.accept("ws-1", quote)
    bench.work()
    (run_id,) = accepted.run_ids
    return accepted, bench.run(run_id)


def totals(bench: Any) -> list[tuple[str, int]]:
    return [(invoice["status"], invoice["total"]) for invoice in bench.stripe.objects("invoices")]


def test_while_it_is_a_draft_the_corrected_quote_takes_its_place(bench: Any) -> None:
    bench.enable()
    first = bench.accept(a_quote(a_line(net="100.00"), installments=2))

    accepted, run = accept_again(bench, a_quote(a_line(net="250.00"), installments=2))

    assert accepted.corrected and not accepted.duplicate
    assert run["id"] == first["id"]
    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "300.00")
    assert totals(bench) == [("draft", 30000)]
    assert [part["amount"] for part in bench.quote("q-7")["installments"]] == ["150.00", "150.00"]


@pytest.mark.parametrize("settings", [OPEN, LINK], ids=["open", "link"])
def test_once_it_is_final_the_change_is_a_note_and_nothing_else(bench: Any, settings: dict[str, Any]) -> None:
    bench.enable(**settings)
    bench.accept(a_quote(a_line(net="100.00"), installments=2))
    bench.stripe.requests.reset()

    accepted, run = accept_again(bench, a_quote(a_line(net="250.00"), installments=2))
    accept_again(bench, a_quote(a_line(net="250.00"), installments=2))
    again = bench.run(run["id"])

    assert accepted.duplicate and not accepted.corrected
    assert len(bench.stripe.requests) == 0
    assert totals(bench) == [("open", 12000)]
    assert [note for note in again["outcome"]["notes"] if "changed quote arrived" in note] == [
        run["outcome"]["notes"][-1]
    ]
    assert bench.quote("q-7")["total"] == "120.00"


def test_a_quote_that_needed_attention_is_mended_by_accepting_the_corrected_one(bench: Any) -> None:
    bench.enable(**OPEN)
    wrong = bench.accept(a_quote(total="999.00"))
    assert wrong["error"]["code"] == "totals_differ"

    _, run = accept_again(bench, a_quote())

    assert (run["status"], run["error"]) == ("succeeded", None)
    assert totals(bench) == [("open", 12000)]


@pytest.mark.parametrize(
    "resent",
    [
        {"accepted_at": "2026-03-11T00:00:00Z"},
        {"pdf_link": "https://storage.example/quote.pdf?token=2"},
        {"colour": "green"},
        {"contact": {"external_ids": {"accounting": "cus_elsewhere"}}},
    ],
    ids=["another time", "another link", "an unknown field", "an id handed back"],
)
def test_what_does_not_change_the_quote_is_a_duplicate(bench: Any, resent: dict[str, Any]) -> None:
    bench.enable()
    bench.accept(a_quote())
    bench.stripe.requests.reset()

    accepted, _ = accept_again(bench, a_quote(**resent))

    assert accepted.duplicate and not accepted.corrected
    assert len(bench.stripe.requests) == 0


def test_a_draft_that_was_finalized_by_hand_is_not_replaced_and_its_quote_is_put_back(bench: Any, v1: Any) -> None:
    bench.enable()
    bench.accept(a_quote(a_line(net="100.00")))
    (invoice,) = bench.stripe.objects("invoices")
    v1.invoices.finalize_invoice(invoice["id"])

    _, run = accept_again(bench, a_quote(a_line(net="250.00"), installments=3))
    accepted, again = accept_again(bench, a_quote(a_line(net="100.00")))

    assert (run["status"], run["error"]) == ("succeeded", None)
    assert f"Invoice {invoice['id']} is open already." in run["outcome"]["notes"][-1]
    assert totals(bench) == [("open", 12000)]
    assert bench.quote("q-7")["invoice"]["status"] == "open", "the record says what Stripe says"
    assert bench.quote("q-7")["installments"] == []
    assert accepted.duplicate and again["outcome"] == run["outcome"], "the first version is the stored one again"


@pytest.mark.parametrize("fault", ["500_after", "cut_after", "cut_before", "500_before"])
def test_replacing_a_draft_survives_a_fault_at_every_request(bench: Any, fault: str) -> None:
    bench.enable()
    bench.accept(a_quote(a_line(net="100.00")))
    bench.stripe.requests.reset()
    accept_again(bench, a_quote(a_line(net="110.00")))
    seen = len(bench.stripe.requests)

    for number in range(seen):
        bench.stripe.faults.add(fault, skip=number)
        _, run = accept_again(bench, a_quote(a_line(net=f"{200 + number}.00")))
        bench.stripe.faults.reset()
        assert run["status"] == "succeeded", run
        assert totals(bench) == [("draft", (200 + number) * 120)]
