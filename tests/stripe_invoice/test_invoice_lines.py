"""The lines of the invoice: in the quote's order, in chunks or one by one, and none of them twice."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, OPEN, a_line, a_quote, signed, vat
from stripe_invoice.conftest import the_invoice, writes


def line_amounts(bench: Any, v1: Any) -> list[tuple[str, int]]:
    """The key and the amount of each line of the only invoice, in order."""
    lines = v1.invoices.line_items.list(the_invoice(bench)["id"], params={"limit": 100}).auto_paging_iter()
    return [(line.metadata["qwoty_line"], line.amount) for line in lines]


def many_lines(count: int) -> list[dict[str, Any]]:
    return [a_line(f"l{number:03}", f"{number + 1}.00") for number in range(count)]


def test_lines_keep_the_quotes_order_and_each_discount_follows_its_line(bench: Any, v1: Any) -> None:
    bench.enable()

    bench.accept(a_quote(a_line("b", discount="1.00"), a_line("a"), a_line("c", discount="2.00"), discount="3.00"))

    assert line_amounts(bench, v1) == [
        ("b", 10100),
        ("b:discount", -100),
        ("a", 10000),
        ("c", 10200),
        ("c:discount", -200),
        ("discount:1", -300),
    ]


def test_the_worked_example_of_two_rates_reaches_its_total(bench: Any, v1: Any) -> None:
    bench.enable(**OPEN)
    quote = a_quote(
        a_line("l1", "1000.00"), a_line("l2", "500.00", taxes=[vat("5.5")]), discount="100.00", total="1612.34"
    )

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "1612.34")
    assert line_amounts(bench, v1)[2:] == [("discount:1", -10000)]
    assert any("what the global discount takes off each is given" in note for note in run["outcome"]["notes"])


@pytest.mark.parametrize(("count", "calls"), [(100, 1), (120, 2), (201, 3)])
def test_many_lines_are_sent_in_chunks_of_a_hundred_and_keep_their_order(
    bench: Any, v1: Any, count: int, calls: int
) -> None:
    bench.enable()

    run = bench.accept(a_quote(*many_lines(count)))

    assert run["status"] == "succeeded", run
    assert writes(bench).count("add_lines") == calls
    assert line_amounts(bench, v1) == [(f"l{number:03}", (number + 1) * 100) for number in range(count)]


@pytest.mark.parametrize(("kind", "count"), [("404", 103), ("403", 3), ("unknown_parameter", 3)])
def test_the_lines_are_sent_one_by_one_where_add_lines_is_refused(bench: Any, v1: Any, kind: str, count: int) -> None:
    bench.stripe.faults.add(kind, path=r"/add_lines$", times=50)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*many_lines(count)))

    assert run["status"] == "succeeded", run
    assert writes(bench).count("invoiceitems") == count
    assert writes(bench).count("add_lines") == 1
    assert line_amounts(bench, v1) == [(f"l{number:03}", (number + 1) * 100) for number in range(count)]


def test_the_second_chunk_alone_can_be_sent_one_by_one(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*many_lines(103)))

    assert run["status"] == "succeeded", run
    assert len(line_amounts(bench, v1)) == 103
    assert writes(bench).count("invoiceitems") == 3


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_sending_one_by_one_adds_only_the_lines_that_are_missing(bench: Any, v1: Any, kept: int) -> None:
    bench.stripe.config.update(add_lines_atomic=False)
    bench.stripe.faults.add("500_midway", path=r"/add_lines$", lines=kept)
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*many_lines(3)))

    assert run["status"] == "succeeded", run
    assert sorted(line_amounts(bench, v1)) == [("l000", 100), ("l001", 200), ("l002", 300)]


@pytest.mark.parametrize("atomic", [True, False])
def test_add_lines_that_breaks_off_half_way_is_completed(bench: Any, v1: Any, atomic: bool) -> None:
    bench.stripe.config.update(add_lines_atomic=atomic)
    bench.stripe.faults.add("500_midway", path=r"/add_lines$", lines=2)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*many_lines(5)))

    assert run["status"] == "succeeded", run
    assert line_amounts(bench, v1) == [(f"l{number:03}", (number + 1) * 100) for number in range(5)]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "cut_before", "429"])
def test_sending_one_by_one_survives_a_fault(bench: Any, v1: Any, fault: str) -> None:
    bench.stripe.faults.add("404", path=r"/add_lines$", times=50)
    bench.stripe.faults.add(fault, method="POST", path="/v1/invoiceitems", skip=1)
    bench.enable(**OPEN)

    run = bench.accept(a_quote(*many_lines(3)))

    assert run["status"] == "succeeded", run
    assert line_amounts(bench, v1) == [("l000", 100), ("l001", 200), ("l002", 300)]


def test_a_run_that_begins_anew_keeps_the_invoice_and_its_lines(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/finalize$", times=50)
    bench.enable(**OPEN)
    run = bench.accept(a_quote(*many_lines(3)))
    assert (run["status"], run["error"]["code"]) == ("waiting", "stripe_error")
    bench.stripe.faults.reset()
    bench.enable(**EMAIL)  # a changed setting makes the next attempt begin anew

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert line_amounts(bench, v1) == [("l000", 100), ("l001", 200), ("l002", 300)]
    assert the_invoice(bench)["status"] == "open"
    assert len(bench.stripe.objects("sent")) == 1


@pytest.mark.parametrize("count", [130, 240])
def test_a_half_filled_draft_is_kept_and_completed_in_order(bench: Any, v1: Any, count: int) -> None:
    bench.stripe.faults.add("500_before", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)
    run = bench.accept(a_quote(*many_lines(count)))
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    bench.enable(**EMAIL)

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert [key for key, _ in line_amounts(bench, v1)] == [f"l{number:03}" for number in range(count)]


def test_a_half_filled_draft_gets_no_line_twice_when_add_lines_is_refused(bench: Any, v1: Any) -> None:
    bench.stripe.faults.add("500_before", path=r"/add_lines$", times=50, skip=1)
    bench.enable(**OPEN)
    run = bench.accept(a_quote(*many_lines(103)))
    bench.stripe.faults.reset()
    customer = the_invoice(bench)["customer"]
    item = {"customer": customer, "invoice": the_invoice(bench)["id"], "amount": 10200, "currency": "eur"}
    rate = bench.stripe.objects("tax_rates")[0]["id"]
    v1.invoice_items.create(params={**item, "tax_rates": [rate], "metadata": {"qwoty_line": "l101"}})
    bench.stripe.faults.add("403", path=r"/add_lines$", times=50)
    bench.enable(**EMAIL)

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    assert sorted(key for key, _ in line_amounts(bench, v1)) == [f"l{number:03}" for number in range(103)]


def test_an_optional_line_that_was_not_selected_is_not_invoiced_and_noted(bench: Any) -> None:
    extra = {**a_line("l2", "50.00", name="Hotline"), "optional": True, "selected": False}
    bench.enable(**OPEN)

    run = bench.accept(signed(a_quote(a_line("l1", "100.00"), extra), "100.00", "20.00", "120.00"))

    assert run["status"] == "succeeded"
    assert "'Hotline' is optional and was not selected: it is not invoiced." in run["outcome"]["notes"]
