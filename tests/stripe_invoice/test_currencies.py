"""Currencies in any spelling and with any number of decimals."""

from __future__ import annotations

from typing import Any

import pytest

from builders import OPEN, a_line, a_quote, vat
from stripe_invoice.conftest import the_invoice


@pytest.mark.parametrize("code", ["eur", "Eur", "EUR", "eUr"])
def test_a_currency_may_be_written_in_any_case(bench: Any, code: str) -> None:
    bench.enable(**OPEN)

    run = bench.accept(a_quote(currency=code))

    assert (run["status"], run["outcome"]["currency"], run["outcome"]["total"]) == ("succeeded", "EUR", "120.00")
    assert bench.stripe.objects("invoices")[0]["currency"] == "eur"


@pytest.mark.parametrize(
    ("currency", "line", "total", "parts"),
    [
        pytest.param(
            "ISK", a_line("l1", "1000", taxes=[]), "1000", ["334.00", "333.00", "333.00"], id="kronur are paid whole"
        ),
        pytest.param(
            "KWD", a_line("l1", "10.000", taxes=[]), "10.000", ["3.340", "3.330", "3.330"], id="dinars end in a 0"
        ),
        pytest.param("JPY", a_line("l1", "1000", taxes=[]), "1000", ["334", "333", "333"], id="yen are paid whole"),
    ],
)
def test_every_installment_is_an_amount_that_the_currency_has(
    bench: Any, currency: str, line: dict[str, Any], total: str, parts: list[str]
) -> None:
    bench.enable(invoice_status="open", send_payment_link=True)

    run = bench.accept(a_quote(line, currency=currency, total=total, installments=["33.34", "33.33", "33.33"]))

    assert run["status"] == "succeeded", run
    assert [part["amount"] for part in bench.quote("q-7")["installments"]] == parts
    assert run["outcome"]["payment_link"]["amount"] == parts[0]


@pytest.mark.parametrize(
    ("currency", "line", "total", "minor"),
    [
        ("JPY", a_line("l1", "9667", discount="333", taxes=[vat("10", "JP")]), "10634", 10634),
        ("KWD", a_line("l1", "12.340", taxes=[]), "12.340", 12340),
        ("ISK", a_line("l1", "1500", taxes=[vat("24", "IS")]), "1860", 186000),
        ("HUF", a_line("l1", "1000.50", taxes=[]), "1000.50", 100050),
    ],
)
def test_currencies_with_other_decimals_reach_their_totals(
    bench: Any, currency: str, line: dict[str, Any], total: str, minor: int
) -> None:
    bench.enable(**OPEN)

    run = bench.accept(a_quote(line, currency=currency, total=total))

    assert run["status"] == "succeeded", run
    assert the_invoice(bench)["total"] == minor
    assert run["outcome"]["currency"] == currency
    assert bench.quote("q-7")["total"] == run["outcome"]["total"]
