"""What Stripe takes at its limits: amounts, numbers of items and lengths of descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from builders import OPEN, a_line, a_quote, loaded, vat
from qwoty_stripe_invoice.plan import make_plan
from qwoty_stripe_invoice.plan_types import InvoicePlan
from stripe_invoice.conftest import invoice_lines


@pytest.mark.parametrize(
    ("quote", "total"),
    [
        pytest.param(
            a_quote(a_line("l1", "500000.00"), a_line("l2", "399999.99", taxes=[])),
            "999999.99",
            id="the largest total in euro is taken",
        ),
        pytest.param(
            a_quote(a_line("l1", "99999999", taxes=[]), currency="JPY"),
            "99999999",
            id="the largest total in yen is taken",
        ),
        pytest.param(
            a_quote(a_line("l1", "99999.990", taxes=[]), currency="KWD"),
            "99999.990",
            id="the largest total in dinar is taken",
        ),
        pytest.param(
            a_quote(a_line("l1", "46550", taxes=[vat("18", "UG")]), currency="UGX"),
            "54929.00",
            id="whole shillings reach Stripe as hundredths",
        ),
        pytest.param(
            a_quote(a_line("l1", "1000.50", taxes=[vat("5", "TW")]), currency="TWD", total="1050.53"),
            "1050.53",
            id="charges in TWD have two decimals, only payouts have none",
        ),
        pytest.param(
            a_quote(a_line("l1", "12.34", taxes=[]), currency="BHD"), "12.340", id="two decimals of three are enough"
        ),
        pytest.param(
            a_quote(*(a_line(f"l{n}", "1.00", taxes=[]) for n in range(250))), "250.00", id="250 items are taken"
        ),
    ],
)
def test_an_invoice_at_a_limit_of_stripe_reaches_its_total(bench: Any, quote: dict[str, Any], total: str) -> None:
    bench.enable(**OPEN)

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", total, "open")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("x" * 5000, "x" * 5000, id="a description of just the longest length is left whole"),
        pytest.param(("word " * 2000).strip(), "word " * 998 + "word…", id="a longer one is cut between two words"),
        pytest.param("x" * 6000, "x" * 4999 + "…", id="a single word that is too long is cut where it must be"),
    ],
)
def test_a_description_that_is_too_long_is_cut_at_a_word(bench: Any, name: str, shown: str) -> None:
    bench.enable()

    run = bench.accept(a_quote(a_line(name=name)))

    assert run["status"] == "succeeded"
    assert invoice_lines(bench)[0]["description"] == shown


def test_a_cut_description_keeps_its_quantity_and_price() -> None:
    line = a_line("l1", "100.00", quantity="2.50", pricing={"model": "per_unit", "list_price": "40.00"})
    line["product"]["name"] = "word " * 2000

    plan = make_plan(loaded(a_quote(line)))

    assert isinstance(plan, InvoicePlan)
    assert plan.lines[0].description.endswith("word… (2.5 unit × 40.00 EUR)")
    assert len(plan.lines[0].description) <= 5000


@pytest.mark.parametrize("currency", ["EUR", "USD"])
@pytest.mark.parametrize(
    ("net", "final"), [pytest.param("0.49", False, id="below"), pytest.param("0.50", True, id="at")]
)
def test_a_total_below_stripes_minimum_stays_a_draft(bench: Any, currency: str, net: str, final: bool) -> None:
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line("l1", net, taxes=[]), currency=currency))

    assert (run["status"], run["outcome"]["invoice_status"]) == (
        ("succeeded", "open") if final else ("needs_attention", "draft")
    )
    assert final or run["error"]["code"] == "amount_too_small"
