"""The amounts of a quote: numbers, discounts, totals, optional lines and installments."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from builders import LINE, a_line, a_quote, loaded, refused_fields, the_example, vat, with_value
from qwoty_integrations_host.contract.exact_json import parse_json
from qwoty_integrations_host.errors import InvalidInput
from qwoty_integrations_host.store import quotes


@pytest.mark.parametrize("text", ["12", "12.0", '"12"', '"12.00"', '" 12 "', "1.2e1", '"1.2E+1"'])
def test_decimals_are_strings_or_numbers_and_never_floats(text: str) -> None:
    raw = json.dumps(with_value(the_example(), f"{LINE}.quantity", "@")).replace('"@"', text)

    quantity = loaded(parse_json(raw)).sections[0].line_items[0].quantity

    assert isinstance(quantity, Decimal)
    assert quantity == 12


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("1237.0500000000002", "1237.05"), ("1237.0499999999999", "1237.05"), ("0.30000000000000004", "0.3"),
        ("0.7999999999999999", "0.8"), ("1000.0000000000001", "1000"), ("-1237.0500000000002", "-1237.05"),
        ('"1237.0500000000002"', "1237.05"), ("1.2370500000000002e3", "1237.05"), ("5e-324", None),
        ("1237.05000", "1237.05000"), ("0.123456789012345", "0.123456789012345"), ("999999999999.999", "999999999999.999"),
        ("1234567890123456", "1234567890123456"), ("12.0000000000000000000", "12.0000000000000000000"),
    ],
)  # fmt: skip
def test_a_number_keeps_the_fifteen_digits_that_a_double_represents_exactly(text: str, means: str | None) -> None:
    raw = json.dumps(with_value(the_example(), f"{LINE}.pricing.list_price", "@")).replace('"@"', text)

    try:
        price = loaded(parse_json(raw)).sections[0].line_items[0].pricing.list_price
    except InvalidInput:
        price = None

    assert (price is None) == (means is None)
    assert means is None or f"{price:f}" == means


@pytest.mark.parametrize(("net", "is_taken"), [("0.2000001", True), ("0.2000009", True), ("0.200002", False)])
def test_gross_minus_discount_must_equal_net_to_a_millionth(net: str, is_taken: bool) -> None:
    line = a_line(amounts={"gross": "0.3", "discount": "0.1", "net": net}, taxes=[])

    problems = refused_fields(a_quote(line, total="0.2"))

    assert problems == ([] if is_taken else [f"{LINE}.amounts.net"])


@pytest.mark.parametrize("parts", [["25", "25", "25", "24.89"], ["100.11"], ["0"], ["33.3"] * 3 + ["0.3"], ["33"] * 3])
def test_installments_that_do_not_sum_to_100_are_refused(parts: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        loaded(a_quote(installments=parts))

    assert [problem.dotted for problem in refused.value.problems] == ["payment_terms.installments"]


def test_a_line_without_amounts_and_price_is_refused() -> None:
    line = a_line(amounts=None, pricing={"model": "flat"})

    with pytest.raises(InvalidInput) as refused:
        loaded(a_quote(line))

    assert [p.dotted for p in refused.value.problems] == [f"{LINE}.amounts"]


@pytest.mark.parametrize(
    ("written", "tax"),
    [
        ({"country": "France"}, {"country": "FR"}),
        ({"country": "uk"}, {"country": "GB"}),
        ({"country": "Atlantis"}, {"country": "Atlantis"}),
        ({"country": ""}, {"country": None}),
        ({"region": "TX"}, {"state": "TX"}),
        ({"state": "TX", "region": "Texas"}, {"state": "TX"}),
        ({"state": None, "region": None}, {"state": None}),
        ({"jurisdiction": "Austin", "type": "Sales tax"}, {"jurisdiction": "Austin", "type": "Sales tax"}),
    ],
)
def test_a_tax_has_a_country_a_state_a_jurisdiction_and_a_type(written: dict[str, Any], tax: dict[str, Any]) -> None:
    (found,) = loaded(a_quote(a_line(taxes=[vat(**written)]))).sections[0].line_items[0].taxes

    assert {name: getattr(found, name) for name in tax} == tax


@pytest.mark.parametrize("kind", ["percent", "fixed", "Percentage", "money", "", 5, None, ["amount"]])
@pytest.mark.parametrize("place", [f"{LINE}.discount", "discounts.0"])
def test_a_discount_of_no_known_type_is_refused(place: str, kind: Any) -> None:
    assert refused_fields(with_value(the_example(), f"{place}.type", kind)) == [f"{place}.type"]


@pytest.mark.parametrize("place", [f"{LINE}.discount", "discounts.0"])
def test_a_discount_without_a_type_is_refused(place: str) -> None:
    assert refused_fields(with_value(the_example(), place, {"value": "10", "amount": "780.00"})) == [f"{place}.type"]


@pytest.mark.parametrize(
    ("given_discount", "amount"),
    [
        ({"type": "amount", "value": "200", "amount": "200"}, 200),
        ({"type": "amount", "value": "200"}, 200),
        ({"type": "amount", "amount": "200"}, 200),
        ({"type": "percentage", "value": "10", "amount": "758.5"}, Decimal("758.5")),
        ({"type": "percentage", "value": "10"}, None),
    ],
)
def test_a_quote_wide_discount_has_an_amount_if_one_is_given(given_discount: dict[str, Any], amount: Any) -> None:
    (discount,) = loaded(the_example(discounts=[given_discount])).discounts

    assert discount.amount == amount


@pytest.mark.parametrize(
    ("given_discount", "field"),
    [
        ({"type": "amount"}, "amount"),
        ({"type": "percentage", "value": None, "amount": None}, "amount"),
        ({"type": "percentage", "value": "-10"}, "value"),
        ({"type": "amount", "value": "-10"}, "value"),
        ({"type": "amount", "value": "10", "amount": "-10"}, "amount"),
    ],
)
def test_a_quote_wide_discount_without_a_positive_value_is_refused(given_discount: dict[str, Any], field: str) -> None:
    assert refused_fields(the_example(discounts=[given_discount])) == [f"discounts.0.{field}"]


def test_a_line_discount_of_unknown_size_is_refused() -> None:
    line = a_line(discount="10.00", amounts=None) | {"discount": {"type": "percentage"}}

    assert refused_fields(a_quote(line)) == [f"{LINE}.discount.value"]
    assert refused_fields(a_quote(a_line(discount="10.00") | {"discount": {"type": "percentage"}})) == []


@pytest.mark.parametrize(
    ("said", "optional", "is_chosen"),
    [
        ({}, False, True),
        ({"optional": None, "selected": None}, False, True),
        ({"optional": False, "selected": False}, False, True),
        ({"optional": True}, True, False),
        ({"optional": True, "selected": None}, True, False),
        ({"optional": True, "selected": False}, True, False),
        ({"optional": True, "selected": True}, True, True),
        ({"is_optional": True}, True, False),
        ({"is_optional": True, "is_selected": True}, True, True),
        ({"is_optional": True, "selected": True, "optional": None}, True, True),
    ],
)
def test_an_optional_line_is_chosen_only_when_it_was_selected(
    said: dict[str, Any], optional: bool, is_chosen: bool
) -> None:
    line = loaded(a_quote(a_line(**said))).sections[0].line_items[0]

    assert (line.optional, line.is_chosen) == (optional, is_chosen)


@pytest.mark.parametrize("name", ["optional", "is_optional", "selected", "is_selected"])
def test_the_optional_flags_of_a_line_must_be_booleans(name: str) -> None:
    assert refused_fields(a_quote(a_line(**{name: "no"}))) == [f"{LINE}.{name}"]


def test_a_trade_in_is_a_positive_quantity_at_a_negative_price() -> None:
    amounts = {"gross": "-80.00", "discount": "0", "net": "-80.00"}
    trade_in = a_line("l2", quantity="2", pricing={"model": "per_unit", "list_price": "-40.00"}, amounts=amounts)
    (_, line) = loaded(a_quote(a_line(), trade_in)).sections[0].line_items

    assert line.amounts and line.amounts.gross == -80
    with pytest.raises(InvalidInput) as refused:
        loaded(a_quote(a_line(quantity="-1")))
    assert "a positive quantity at a negative price" in refused.value.problems[0].message


@pytest.mark.parametrize(
    ("one_off", "totals"),
    [
        ({"net_amount": "100", "tax_amount": "20", "total_amount": "120"}, (100, 20, 120)),
        ({"net_amount": "100", "total_amount": "120"}, (100, 20, 120)),
        ({"net_amount": None, "tax_amount": "20", "total_amount": "120"}, (100, 20, 120)),
        ({"total_amount": "120"}, None),
        ({"net_amount": "100", "tax_amount": "20"}, None),
        ({"net_amount": "100", "tax_amount": "20", "total_amount": None}, None),
        ({}, None),
    ],
)
def test_two_of_the_three_totals_determine_the_third(desk: Any, one_off: dict[str, Any], totals: Any) -> None:
    quote = a_quote(summary={"one_off": one_off})

    found = loaded(quote).totals

    assert (found and (found.net_amount, found.tax_amount, found.total_amount)) == totals
    desk.host.runs.acceptance.accept("ws-1", quote)
    with desk.host.store.read() as db:
        (heading,) = quotes.newest(db, "ws-1", limit=5)
    assert heading.signed_total == (totals and totals[2])


@pytest.mark.parametrize(
    ("parts", "last"),
    [
        (["33.33", "33.33", "33.33"], "33.34"),
        (["33.34", "33.34", "33.34"], "33.32"),
        (["33.3", "33.3", "33.3"], "33.4"),
        (["33.333333333333336"] * 3, "33.3333333333334"),
        (["100.01"], "100"),
        (["50", "50"], "50"),
    ],
)
def test_the_last_installment_takes_the_rounding_difference(parts: list[str], last: str) -> None:
    *others, rest = loaded(a_quote(installments=parts)).installments

    assert [part.percentage for part in others] == [Decimal(load_amount(part)) for part in parts[:-1]]
    assert rest.percentage == Decimal(last)


def load_amount(text: str) -> str:
    return "33.3333333333333" if len(text) > 15 else text


def test_the_last_installment_is_the_last_in_their_order() -> None:
    terms = {
        "installments": [{"percentage": p, "order_number": n} for p, n in (("33.33", 3), ("33.33", 1), ("33.33", 2))]
    }

    assert [part.order_number for part in loaded(a_quote(payment_terms=terms)).installments] == [1, 2, 3]
    assert loaded(a_quote(payment_terms=terms)).installments[-1].percentage == Decimal("33.34")
