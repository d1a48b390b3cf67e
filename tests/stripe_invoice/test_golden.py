"""Invoices that were computed by hand: ``golden/*.json`` has their amounts in major units.

``tax`` and ``total`` are Stripe's figures before any rounding line; ``rounding`` is that line.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from builders import a_quote, loaded
from in_process import Desk
from qwoty_stripe_invoice.comparison import compare
from qwoty_stripe_invoice.money import to_major
from qwoty_stripe_invoice.plan import make_plan
from qwoty_stripe_invoice.plan_types import InvoicePlan, PlanLine
from qwoty_stripe_invoice.tax_methods import first_method

GOLDEN = {
    path.stem: json.loads(path.read_text("utf-8"), parse_float=Decimal)
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
}
by_name = pytest.mark.parametrize("name", GOLDEN)


def document(short: dict[str, Any]) -> dict[str, Any]:
    """The whole quote that the file gives in a short form."""
    signed = short["signed"]
    return a_quote(
        *(_line(line) for line in short["lines"]),
        currency=short["currency"],
        installments=short.get("installments", []),
        discounts=[{"type": "amount", "amount": short["discount"]}] if "discount" in short else [],
        summary={"one_off": {f"{name}_amount": signed[name] for name in ("net", "tax", "total")}},
    )


def _line(short: dict[str, Any]) -> dict[str, Any]:
    assumed = {
        "product": {"name": f"Product {short['id']}"},
        "quantity": "1",
        "pricing": {"model": "flat", "list_price": None},
    }
    return {**assumed, **short, "taxes": [_tax(tax) for tax in short["taxes"]]}


def _tax(short: str | dict[str, str]) -> dict[str, Any]:
    if isinstance(short, str):
        return {"id": f"tax_{short}", "name": "VAT", "rate": short, "country": "FR"}
    if "rate" in short:
        return {"id": f"tax_{short['name']}", "country": "IN", **short}
    return {"id": "tax_fixed", "name": short["name"], "is_percentage": False, "amount": short["fixed"]}


def tax_of(plan: InvoicePlan, line: PlanLine) -> int:
    """The tax on one line alone."""
    return replace(plan, lines=(line,)).tax


def test_every_golden_invoice_has_a_description() -> None:
    assert len(GOLDEN) >= 10
    assert all(len(case["why"]) > 20 for case in GOLDEN.values())


@by_name
def test_the_plan_is_the_golden_invoice(name: str) -> None:
    case = GOLDEN[name]
    plan = make_plan(loaded(document(case["quote"])))
    assert isinstance(plan, InvoicePlan)

    def money(minor: int) -> Decimal:
        return to_major(minor, plan.currency)

    assert [
        (line.key, money(line.amount), [rate.percentage for rate in line.rates], money(tax_of(plan, line)))
        for line in plan.lines
    ] == [
        (line["key"], Decimal(line["amount"]), [Decimal(rate) for rate in line["rates"]], Decimal(line["tax"]))
        for line in case["lines"]
    ]
    found = {"subtotal": money(plan.subtotal), "tax": money(plan.tax), "total": money(plan.total)}
    assert found == {figure: Decimal(case[figure]) for figure in found}
    verdict = compare(plan, subtotal=plan.subtotal, total=plan.total)
    assert verdict.kind == ("rounding" if case["rounding"] else "equal")
    # The signed tax is sent as amounts only where Tax Rates do not give it.
    first = first_method(plan, exact_tax=True)
    assert (first.name == "exact") == ("exact" in case)
    if "exact" in case:
        told = [[str(money(tax.amount)) for tax in line.taxes] for line in first.plan.lines]
        assert told == case["exact"]["taxes"]
        assert [str(money(line.amount)) for line in first.plan.lines] == case["exact"]["amounts"]


@by_name
@pytest.mark.parametrize("exact_tax", [True, False], ids=["exact", "by rates"])
def test_the_simulator_makes_the_golden_invoice(desk: Desk, name: str, exact_tax: bool) -> None:
    case = GOLDEN[name]
    currency, signed = case["quote"]["currency"], case["quote"]["signed"]

    outcome = desk.invoice(document(case["quote"]), exact_tax=exact_tax)

    assert outcome.status == "succeeded", outcome
    lines = [(line["metadata"]["qwoty_line"], str(to_major(line["amount"], currency))) for line in desk.lines]
    if exact_tax and "exact" in case:
        assert [amount for _, amount in lines] == case["exact"]["amounts"]
        assert to_major(desk.made["total"] - desk.made["subtotal"], currency) == Decimal(signed["tax"])
    else:
        rounding = [("rounding", case["rounding"])] if case["rounding"] else []
        assert lines == [(line["key"], line["amount"]) for line in case["lines"]] + rounding
    record = desk.records["q-7"]
    assert record.total == Decimal(signed["total"])
    assert [str(part.amount) for part in record.installments] == case["installments"]
