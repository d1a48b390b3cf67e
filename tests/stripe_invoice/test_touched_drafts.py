"""A draft that somebody changes in Stripe between two attempts does not become final."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, OPEN, a_line, a_quote, vat
from stripe_invoice.conftest import invoice_lines, not_yet_final, notes


@pytest.fixture
def halted(bench: Any) -> tuple[Any, str]:
    """A bench with a complete draft over 100.00 and 20 % tax that is not final yet, and the id of its waiting run."""
    return bench, not_yet_final(bench, a_quote())


def _add(v1: Any, invoice: dict[str, Any]) -> None:
    item = {"customer": invoice["customer"], "invoice": invoice["id"], "currency": "eur"}
    v1.invoice_items.create(params={**item, "amount": 900, "description": "Travel"})


def _remove(v1: Any, invoice: dict[str, Any]) -> None:
    item = invoice["lines"]["data"][0]["parent"]["invoice_item_details"]["invoice_item"]
    v1.invoice_items.delete(item)


def _exchange(v1: Any, invoice: dict[str, Any]) -> None:
    _remove(v1, invoice)
    item = {"customer": invoice["customer"], "invoice": invoice["id"], "currency": "eur"}
    v1.invoice_items.create(params={**item, "amount": 12000, "description": "Travel"})


@pytest.mark.parametrize(
    ("touch", "there", "words"),
    [
        pytest.param(_add, "129.00 EUR", "Not ours: 'Travel' over 9.00 EUR.", id="a line that somebody added is named"),
        pytest.param(
            _remove,
            "0.00 EUR",
            "Missing: 'Consulting' over 100.00 EUR.",
            id="a line that somebody took out is missed",
        ),
        pytest.param(
            _exchange,
            "120.00 EUR",
            "Not ours: 'Travel' over 120.00 EUR.",
            id="a change that keeps the total is seen all the same",
        ),
    ],
)
def test_a_draft_that_somebody_changed_never_becomes_final(
    halted: tuple[Any, str], v1: Any, touch: Any, there: str, words: str
) -> None:
    bench, run_id = halted
    (invoice,) = bench.stripe.objects("invoices")
    touch(v1, invoice)

    first = bench.retry(run_id)
    second = bench.retry(run_id)

    assert (first["status"], first["error"]["code"]) == ("needs_attention", "totals_differ")
    assert f"was changed in Stripe: it comes to {there}" in first["error"]["title"]
    assert bench.stripe.objects("invoices")[0]["status"] == "draft"
    assert (second["status"], second["error"]["code"]) == ("needs_attention", "totals_differ")
    assert words in notes(second) + second["error"]["title"]


def test_a_line_that_somebody_removed_is_not_put_back(bench: Any, v1: Any) -> None:
    run_id = not_yet_final(bench, a_quote(a_line("l1", name="Advice"), a_line("l2", "50.00")))
    _remove(v1, bench.stripe.objects("invoices")[0])

    for _ in range(3):
        run = bench.retry(run_id)
        assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
        bench.stripe.clock.advance(86400)  # Stripe forgets the idempotency keys of the day before

    assert "Missing: 'Advice' over 100.00 EUR." in notes(run)
    assert [line["metadata"]["qwoty_line"] for line in invoice_lines(bench)] == ["l2"]


def test_exchanged_taxes_of_two_lines_are_noticed_although_the_total_is_right(bench: Any, v1: Any) -> None:
    taxed = [a_line("l1", taxes=[vat("20")]), a_line("l2", name="Books", taxes=[vat("5.5")])]
    run_id = not_yet_final(bench, a_quote(*taxed, total="225.50"))
    (invoice,) = bench.stripe.objects("invoices")
    for line, other in zip(invoice_lines(bench), reversed(invoice_lines(bench)), strict=True):
        v1.invoice_items.delete(line["parent"]["invoice_item_details"]["invoice_item"])
        rates = [tax["tax_rate_details"]["tax_rate"] for tax in other["taxes"]]
        exchanged = {**{name: line[name] for name in ("amount", "description", "metadata")}, "tax_rates": rates}
        v1.invoices.add_lines(invoice["id"], params={"lines": [exchanged]})
    assert bench.stripe.objects("invoices")[0]["total"] == 22550

    run = bench.retry(run_id)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "'Consulting' has other taxes than planned." in run["error"]["hint"]
    assert "'Books' has other taxes than planned." in run["error"]["hint"]
    assert bench.stripe.objects("invoices")[0]["status"] == "draft"


@pytest.mark.parametrize("settings", [OPEN, EMAIL, LINK], ids=["open", "email", "link"])
def test_a_draft_that_is_changed_just_before_it_becomes_final_is_not_sent(
    bench: Any, v1: Any, meanwhile: Any, settings: dict[str, Any]
) -> None:
    bench.enable(**settings)
    waiting = meanwhile("POST", "/add_lines$", lambda: _add(v1, bench.stripe.objects("invoices")[0]))

    run = bench.accept(a_quote(installments=2))

    assert not waiting
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "it comes to 129.00 EUR, the signed quote says 120.00 EUR. Nothing was sent." in run["error"]["title"]
    assert (bench.stripe.objects("sent"), bench.stripe.objects("sessions"), bench.mails()) == ([], [], [])


def test_a_change_that_somebody_took_back_does_not_stop_the_run(halted: tuple[Any, str], v1: Any) -> None:
    bench, run_id = halted
    (invoice,) = bench.stripe.objects("invoices")
    _add(v1, invoice)
    bench.retry(run_id)
    v1.invoice_items.delete(bench.stripe.objects("items")[-1]["id"])

    run = bench.retry(run_id)

    assert (run["status"], run["outcome"]["invoice_status"], run["outcome"]["total"]) == ("succeeded", "open", "120.00")
