"""One untaxed line makes up for a difference that only rounding causes."""

from __future__ import annotations

from typing import Any

import pytest

from builders import BY_RATES, EMAIL, ROUNDED_ONCE
from stripe_invoice.conftest import invoice_lines, not_yet_final, notes


@pytest.mark.parametrize(
    ("language", "word"),
    [
        pytest.param("en", "Rounding", id="the rounding line is named in English"),
        pytest.param("fr", "Arrondi", id="the rounding line is named in French"),
        pytest.param("nl", "Rounding", id="where a language is missing the rounding line is named in English"),
    ],
)
def test_one_untaxed_line_makes_the_total_equal(bench: Any, language: str, word: str) -> None:
    bench.enable(**BY_RATES)

    run = bench.accept({**ROUNDED_ONCE, "language": language})

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", "31.97", "open")
    *_, last = invoice_lines(bench)
    assert (last["metadata"]["qwoty_line"], last["description"], last["amount"], last["taxes"]) == (
        "rounding",
        word,
        -1,
        [],
    )
    assert "One untaxed line of -0.01 EUR" in notes(run)
    assert "Tax: the quote says 1.67 EUR, line by line it comes to 1.68 EUR." in notes(run)


def test_the_rounding_line_is_sent_as_an_item_where_add_lines_is_refused(bench: Any) -> None:
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50)
    bench.enable(**BY_RATES)

    run = bench.accept(ROUNDED_ONCE)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in invoice_lines(bench)] == [1010, 1010, 1010, -1]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "cut_before", "500_before"])
def test_a_lost_answer_makes_no_second_rounding_line(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, path=r"/add_lines$", skip=1)
    bench.enable(**BY_RATES)

    run = bench.accept(ROUNDED_ONCE)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in invoice_lines(bench)] == [1010, 1010, 1010, -1]


def test_a_run_that_begins_anew_adds_no_second_rounding_line(bench: Any) -> None:
    run_id = not_yet_final(bench, ROUNDED_ONCE, exact_tax=False)
    bench.enable(**EMAIL, exact_tax=False)  # a changed setting makes the next attempt begin anew

    run = bench.retry(run_id)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in invoice_lines(bench)] == [1010, 1010, 1010, -1]


def test_a_rounding_line_that_is_switched_off_afterwards_keeps_the_draft(bench: Any) -> None:
    run_id = not_yet_final(bench, ROUNDED_ONCE, exact_tax=False)
    bench.enable(**BY_RATES, rounding_line=False)

    run = bench.retry(run_id)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert "as signed, but what it is made of is not; it stays a draft" in run["error"]["title"]
    assert run["outcome"]["invoice_status"] == "draft"


def test_a_rounding_line_that_is_switched_on_afterwards_is_added(bench: Any) -> None:
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50)
    bench.enable(**BY_RATES, rounding_line=False)
    without = bench.accept(ROUNDED_ONCE)
    assert without["error"]["code"] == "totals_differ"
    bench.enable(**BY_RATES)

    run = bench.retry(without["id"])

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", "31.97", "open")
    assert [line["amount"] for line in invoice_lines(bench)] == [1010, 1010, 1010, -1]


@pytest.mark.parametrize("fault", ["404", "unknown_parameter", "403"])
def test_a_rounding_line_that_add_lines_refuses_is_sent_as_an_item(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, path=r"/add_lines$", times=50, skip=1)
    bench.enable(**BY_RATES)

    run = bench.accept(ROUNDED_ONCE)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in invoice_lines(bench)] == [1010, 1010, 1010, -1]


def test_a_run_that_begins_anew_adds_the_missing_rounding_line_as_an_item(bench: Any) -> None:
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50)
    bench.stripe.faults.add("500_before", method="POST", path="^/v1/invoiceitems$", times=50, skip=3)
    bench.enable(**BY_RATES)
    failed = bench.accept(ROUNDED_ONCE)
    assert failed["status"] == "waiting"
    bench.stripe.faults.reset()
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50)
    bench.enable(**EMAIL, exact_tax=False)  # a changed setting makes the next attempt begin anew

    run = bench.retry(failed["id"])

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "31.97")
    assert [line["amount"] for line in invoice_lines(bench)] == [1010, 1010, 1010, -1]
