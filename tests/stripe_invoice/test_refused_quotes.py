"""Quotes that a person has to correct are refused before any request goes to Stripe."""

from __future__ import annotations

from typing import Any

import pytest

from builders import BY_RATES, LINK, a_line, a_quote, signed, vat


def many(count: int, **changes: Any) -> dict[str, Any]:
    return a_quote(*(a_line(f"l{n}", "1.00", taxes=[]) for n in range(count)), **changes)


@pytest.mark.parametrize(
    ("quote", "code", "words"),
    [
        pytest.param(many(251), "too_many_lines", ["251", "250"], id="too many items are refused with their count"),
        pytest.param(
            many(250, total="250.01"), "too_many_lines", ["251"], id="a rounding line counts among the items"
        ),
        pytest.param(
            signed(
                a_quote(*(a_line(f"l{n}", "10.10", taxes=[vat("5.5")]) for n in range(250))),
                "2525.00",
                "138.88",
                "2663.88",
            ),
            "too_many_lines",
            ["251 items, the rounding line included"],
            id="250 items that need a rounding line are refused before there is a draft without it",
        ),
        pytest.param(
            a_quote(a_line("l1", "100000000", taxes=[]), currency="JPY", total="100000000"),
            "amount_too_large",
            ["100000000 JPY"],
            id="eight digits are the most that Stripe takes, whatever the decimals",
        ),
        pytest.param(
            a_quote(a_line("l1", "900000.00"), total="900000.00"),
            "amount_too_large",
            [],
            id="a total that only its tax lifts above the maximum is too large",
        ),
        pytest.param(
            a_quote(a_line("l1", "500000.00"), a_line("l2", "400000.00", taxes=[])),
            "amount_too_large",
            ["1000000.00 EUR"],
            id="a total one cent above the maximum is too large",
        ),
        pytest.param(
            a_quote(a_line("l1", "100.50", taxes=[]), currency="UGX"),
            "amount_precision",
            ["100.50", "UGX"],
            id="half a shilling is refused, although Stripe counts in hundredths of it",
        ),
        pytest.param(
            a_quote(currency="IQD", total="120.00"), "currency_unsupported", ["IQD"], id="IQD is refused, not guessed"
        ),
        pytest.param(
            a_quote(currency="LYD", total="120.00"), "currency_unsupported", ["LYD"], id="LYD is refused, not guessed"
        ),
        pytest.param(
            a_quote(a_line(taxes=[vat("10", api_name="vat_fr_200")]), total="110.00"),
            "tax_unclear",
            ["vat_fr_200", "rate is 10,", "says 20"],
            id="a rate that contradicts its API name is refused, and both are named",
        ),
        pytest.param(
            a_quote(a_line(taxes=[vat(country="DE", api_name="vat_fr_200")]), total="120.00"),
            "tax_unclear",
            ["vat_fr_200", "country is DE,", "says FR"],
            id="a country that contradicts the API name is refused, and both are named",
        ),
        pytest.param(
            a_quote(a_line("l1", "10.5", taxes=[]), currency="JPY"),
            "amount_precision",
            ["10.5", "JPY"],
            id="half a yen is refused, not rounded",
        ),
        pytest.param(
            a_quote(a_line("l1", "1.234", taxes=[]), currency="KWD"),
            "amount_precision",
            ["1.234", "KWD"],
            id="a dinar amount whose last digit is not 0 is refused, not rounded",
        ),
    ],
)  # fmt: skip
def test_a_quote_that_stripe_would_refuse_stops_before_any_request(
    bench: Any, quote: dict[str, Any], code: str, words: list[str]
) -> None:
    bench.enable(**BY_RATES)

    run = bench.accept(quote)

    assert (run["status"], run["error"]["code"]) == ("needs_attention", code)
    assert [word for word in words if word not in run["error"]["title"]] == []
    assert len(bench.stripe.requests) == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (a_line(amounts={"gross": "1.00", "discount": "2.00", "net": "-1.00"}), "discount_above_line"),
        (a_line(taxes=[vat(rate="10")]), "tax_unclear"),
    ],
)
def test_a_line_that_a_person_has_to_correct_stops_before_any_request(
    bench: Any, line: dict[str, Any], code: str
) -> None:
    bench.enable(**LINK)

    run = bench.accept(
        a_quote({**line, "taxes": [vat() | {"rate": "10"}]} if code == "tax_unclear" else line, total="1.00")
    )

    assert (run["status"], run["error"]["code"]) == ("needs_attention", code)
    assert len(bench.stripe.requests) == 0
