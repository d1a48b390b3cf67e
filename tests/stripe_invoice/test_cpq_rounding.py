"""Quotes that are rounded as real CPQs round them become final with their signed figures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builders import OPEN, a_line, a_quote, signed, vat
from stripe_invoice.conftest import notes, the_invoice


def taxed_line(net: str, *rates: str) -> dict[str, Any]:
    return a_line(f"{net}@{'+'.join(rates)}", net, taxes=[vat(rate) for rate in rates])


@pytest.mark.parametrize(
    ("currency", "lines", "figures", "items", "tax"),
    [
        pytest.param("TWD", [taxed_line("1990", "5")], "1990 100 2090", [199000], 10000, id="a whole dollar: 99.5 is 100"),
        pytest.param("HUF", [taxed_line("9990", "27")], "9990 2697 12687", [999000], 269700, id="a whole forint"),
        pytest.param("IDR", [taxed_line("10005", "11")], "10005 1101 11106", [1000500], 110100, id="a whole rupiah"),
        pytest.param("IDR", [taxed_line("900000000", "11")], "900000000 99000000 999000000", [90000000000], 9900000000, id="twelve digits"),
        pytest.param("ISK", [taxed_line("333", "24")], "333 80 413", [33300], 8000, id="a whole króna: 79.92 is 80"),
        pytest.param("UGX", [taxed_line("1501", "18")], "1501 270 1771", [150100], 27000, id="a whole shilling"),
        pytest.param("KWD", [taxed_line("10.110", "5")], "10.110 0.510 10.620", [10110], 510, id="ten fils: 0.5055 is 0.510"),
        pytest.param("KWD", [taxed_line("10.110", "5")], "10.110 0.506 10.620", [10110, 4], 506, id="only the total in ten fils"),
        pytest.param("CHF", [taxed_line("99.99", "8.1")], "99.99 8.10 108.10", [9999, 1], 810, id="0.05 francs"),
        pytest.param("SEK", [taxed_line("99.90", "25")], "99.90 24.98 125", [9990, 12], 2498, id="a whole krona"),
        pytest.param("NOK", [taxed_line("99.50", "25")], "99.50 24.88 124", [9950, -38], 2488, id="a whole krone, down"),
        pytest.param("DKK", [taxed_line("99.95", "25")], "99.95 24.99 125.00", [9995, 6], 2499, id="half a krone"),
        pytest.param("EUR", [taxed_line("10.09", "5.5"), taxed_line("10.10", "5.5")], "20.19 1.10 21.29", [1009, 1010], 110, id="cut off on every line"),
        pytest.param("EUR", [taxed_line("0.19", "20"), taxed_line("0.39", "10")], "0.58 0.06 0.64", [19, 39], 6, id="cut off for each rate"),
        pytest.param("EUR", [taxed_line("1237.0500000000002", "20")], "1237.0500000000002 247.41 1484.46", [123705], 24741, id="binary noise"),
        pytest.param("EUR", [taxed_line("10.005", "20"), taxed_line("10.006", "20")], "20.01 4.00 24.01", [1000, 1001], 400, id="finer than cents, summed first"),
        pytest.param("EUR", [taxed_line("33.335", "20")], "33.335 6.667 40.00", [3333], 667, id="all but the total finer than cents"),
        pytest.param("JPY", [taxed_line("10.5", "0"), taxed_line("10.50", "0")], "21 0 21", [11, 10], 0, id="half yen that make a yen"),
    ],
)  # fmt: skip
def test_a_quote_that_a_real_cpq_rounded_becomes_final_with_its_signed_figures(
    bench: Any, currency: str, lines: list[dict[str, Any]], figures: str, items: list[int], tax: int
) -> None:
    bench.enable(**OPEN)
    net, signed_tax, total = figures.split()

    run = bench.accept(signed(a_quote(*lines, currency=currency), net, signed_tax, total))

    invoice = the_invoice(bench)
    assert (run["status"], invoice["status"]) == ("succeeded", "open"), run
    assert [found["amount"] for found in invoice["lines"]["data"]] == items
    assert invoice["total"] - invoice["subtotal"] == tax


def percent(*values: str) -> list[dict[str, Any]]:
    """Quote-wide discounts with a percentage and without an amount."""
    return [{"type": "percentage", "value": value, "amount": None} for value in values]


@pytest.mark.parametrize(
    ("currency", "lines", "discounts", "figures"),
    [
        pytest.param("EUR", [taxed_line("100.00", "20")], percent("10"), "90.00 18.00 108.00", id="a percentage of the whole"),
        pytest.param("TWD", [taxed_line("1995", "5")], percent("10"), "1795 90 1885", id="rounded to a whole dollar"),
        pytest.param("EUR", [taxed_line("100.10", "20")], percent("7.5"), "92.60 18.52 111.12", id="cut off"),
        pytest.param("EUR", [a_line(f"l{n}", "33.33", taxes=[vat("20")]) for n in range(3)], percent("5"), "94.98 19.00 113.98", id="rounded on every line"),
        pytest.param("EUR", [taxed_line("100.00", "20")], percent("10", "5"), "85.50 17.10 102.60", id="one after the other"),
        pytest.param("EUR", [taxed_line("100.00", "20")], percent("10", "5"), "85.00 17.00 102.00", id="both of the same sum"),
        pytest.param("EUR", [a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(4)], [{"type": "amount", "amount": "4.04"}], "36.36 1.96 38.32", id="taxed and cut off on every line after its share"),
        pytest.param("HUF", [a_line(f"l{n}", "115", taxes=[vat("27")]) for n in range(4)], [{"type": "amount", "amount": "40"}], "420 112 532", id="taxed in whole forints on every line after its share"),
        pytest.param("EUR", [taxed_line("100.00", "20"), taxed_line("-10.00", "5.5")], [{"type": "amount", "amount": "9.00"}], "81.00 17.51 98.51", id="a trade-in gets its share back"),
    ],
)  # fmt: skip
def test_a_quote_wide_discount_is_rounded_to_the_signed_net_and_tax(
    bench: Any, currency: str, lines: list[dict[str, Any]], discounts: list[dict[str, Any]], figures: str
) -> None:
    bench.enable(**OPEN)

    run = bench.accept(signed(a_quote(*lines, currency=currency, discounts=discounts), *figures.split()))

    net, _, total = map(Decimal, figures.split())
    assert run["status"] == "succeeded", run
    assert (Decimal(run["outcome"]["net"]), Decimal(run["outcome"]["total"])) == (net, total)
    assert the_invoice(bench)["status"] == "open"


def test_a_line_discount_by_percentage_is_rounded_to_the_signed_net(bench: Any) -> None:
    given = {"pricing": {"model": "flat", "list_price": "100.10"}, "amounts": None}
    cut = a_line(taxes=[vat("20")], **given) | {"discount": {"type": "percentage", "value": "7.5", "amount": None}}
    bench.enable(**OPEN)

    run = bench.accept(
        signed({**a_quote(), "pricing_table": a_quote(cut, summary=None)["pricing_table"]}, "92.60", "18.52", "111.12")
    )

    assert (run["status"], [each["amount"] for each in the_invoice(bench)["lines"]["data"]]) == (
        "succeeded",
        [10010, -750],
    )


def test_a_discount_on_a_trade_in_keeps_its_sign(bench: Any) -> None:
    bench.enable(**OPEN)
    back = a_line("l2", taxes=[vat("20")]) | {"amounts": {"gross": "-10.00", "discount": "-1.00", "net": "-9.00"}}

    run = bench.accept(signed(a_quote(a_line("l1", "100.00"), back, total="0"), "91.00", "18.20", "109.20"))

    assert (run["status"], the_invoice(bench)["total"]) == ("succeeded", 10920), run


@pytest.mark.parametrize(
    ("language", "word"), [("en", "Cash rounding"), ("fr", "Arrondi de caisse"), ("de", "Bargeldrundung")]
)
def test_cash_rounding_is_one_untaxed_line_in_the_customers_language(bench: Any, language: str, word: str) -> None:
    bench.enable(**OPEN)
    quote = signed(a_quote(taxed_line("99.99", "8.1"), currency="CHF", language=language), "99.99", "8.10", "108.10")

    run = bench.accept(quote)

    last = the_invoice(bench)["lines"]["data"][-1]
    assert (last["description"], last["amount"], last["taxes"]) == (word, 1, [])
    assert "The signed total is rounded to a coin in use: the difference is an untaxed line." in notes(run)


@pytest.mark.parametrize(
    ("currency", "figures"),
    [
        pytest.param("CHF", "99.99 8.10 108.14", id="no coin of 0.01"),
        pytest.param("CHF", "99.99 8.10 108.15", id="more than half a coin"),
        pytest.param("EUR", "99.99 8.10 108.10", id="no cash rounding in use"),
        pytest.param("SEK", "99.99 8.10 109", id="the other krona"),
    ],
)
def test_a_total_that_cash_rounding_does_not_explain_stays_a_draft(bench: Any, currency: str, figures: str) -> None:
    bench.enable(**OPEN)

    run = bench.accept(signed(a_quote(taxed_line("99.99", "8.1"), currency=currency), *figures.split()))

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "totals_differ")
    assert the_invoice(bench)["status"] == "draft"
