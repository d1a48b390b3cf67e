"""Customers who are tax-exempt in Stripe."""

from __future__ import annotations

from typing import Any

import pytest

from builders import OPEN, a_line, a_quote, vat
from stripe_invoice.conftest import notes, the_invoice


@pytest.mark.parametrize("tax_exempt", ["exempt", "reverse"])
@pytest.mark.parametrize(
    "taxes", [pytest.param([], id="without tax"), pytest.param([vat("0")], id="at a real rate of 0 %")]
)
def test_a_quote_without_tax_for_an_exempt_customer_becomes_final(
    bench: Any, v1: Any, taxes: list[dict[str, Any]], tax_exempt: str
) -> None:
    v1.customers.create(params={"email": "ana@buyer.example", "tax_exempt": tax_exempt})
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line(taxes=taxes)))

    assert (run["status"], run["outcome"]["total"], run["outcome"]["invoice_status"]) == ("succeeded", "100.00", "open")


@pytest.mark.parametrize("tax_exempt", ["exempt", "reverse"])
@pytest.mark.parametrize(
    "net", [pytest.param("100.00", id="much tax"), pytest.param("0.60", id="a cent, which no rounding line may hide")]
)
def test_a_quote_with_tax_for_an_exempt_customer_stays_a_draft_and_explains_it(
    bench: Any, v1: Any, net: str, tax_exempt: str
) -> None:
    v1.customers.create(params={"email": "ana@buyer.example", "tax_exempt": tax_exempt})
    bench.enable(**OPEN)

    run = bench.accept(a_quote(a_line("l1", net, taxes=[vat("1")])))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert run["outcome"]["invoice_status"] == "draft"
    assert f"The customer is tax-exempt in Stripe ({tax_exempt}), so no tax is added there." in notes(run)


def test_a_customer_with_reverse_charge_keeps_a_taxed_quote_a_draft(bench: Any, v1: Any) -> None:
    v1.customers.create(params={"email": "ana@buyer.example", "tax_exempt": "reverse"})
    bench.enable(**OPEN)

    run = bench.accept(a_quote())

    assert run["error"]["code"] == "totals_differ"
    assert the_invoice(bench)["status"] == "draft"
