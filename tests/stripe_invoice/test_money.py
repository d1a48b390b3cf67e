"""Money: exact between major and minor units, split without losing a cent, never a float."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qwoty_stripe_invoice
from qwoty_integrations_host import NeedsAttention
from qwoty_stripe_invoice.money import rounded_to_minor, shown, split, tax_on, to_major, to_minor

PURE = (
    "money",
    "plan",
    "taxes",
    "comparison",
    "explain",
    "preview",
    "record",
    "invoices",
    "payment_links",
    "payments",
    "refunds",
    "sessions",
    "payment_mail",
)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("9102.00", "EUR", 910200),
        ("9102", "eur", 910200),
        ("-0.01", "EUR", -1),
        ("1050", "JPY", 1050),
        ("1050.000", "JPY", 1050),
        ("12.340", "KWD", 12340),
        ("12.34", "BHD", 12340),
        ("1500", "ISK", 150000),
        ("7", "UGX", 700),
        ("10.50", "HUF", 1050),
        ("10.50", "TWD", 1050),
        ("1E+3", "USD", 100000),
    ],
)
def test_an_amount_becomes_minor_units_of_its_currency(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency, "x") == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("10.5", "JPY"), ("1.2345", "KWD"), ("1.234", "KWD"), ("10.005", "EUR"), ("10.50", "ISK"), ("0.5", "UGX")],
)
def test_an_amount_that_the_currency_does_not_have_is_refused_not_rounded(amount: str, currency: str) -> None:
    with pytest.raises(NeedsAttention) as refused:
        to_minor(Decimal(amount), currency, "Consulting")

    assert refused.value.code == "amount_precision"
    assert "Consulting" in refused.value.title


@pytest.mark.parametrize("currency", ["IQD", "LYD"])
def test_a_currency_that_stripe_does_not_list_is_refused_rather_than_guessed(currency: str) -> None:
    with pytest.raises(NeedsAttention) as refused:
        to_minor(Decimal(1), currency, "x")

    assert refused.value.code == "currency_unsupported"


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("0.005", "EUR", 1), ("-0.005", "EUR", -1), ("10.5", "JPY", 11), ("1.2345", "KWD", 1230), ("1.235", "KWD", 1240)],
)
def test_a_computed_amount_is_rounded_half_up_to_what_the_currency_has(amount: str, currency: str, minor: int) -> None:
    assert rounded_to_minor(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("minor", "percentage", "tax"),
    [(43, "15", 6), (484, "15", 73), (30, "5", 2), (-10, "5", -1), (50000, "5.5", 2750), (10000, "8.875", 888)],
)
def test_tax_is_rounded_as_stripe_rounds_it(minor: int, percentage: str, tax: int) -> None:
    assert tax_on(minor, Decimal(percentage)) == tax


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (910200, [25, 25, 25, 25], [227550] * 4),
        (10000, [1, 1, 1], [3334, 3333, 3333]),
        (10000, [100000, 50000], [6667, 3333]),
        (1, [50, 50], [1, 0]),
        (0, [30, 70], [0, 0]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (101, [Decimal("33.33"), Decimal("33.33"), Decimal("33.34")], [34, 33, 34]),
    ],
)
def test_the_largest_remainder_gets_the_cent_and_the_earlier_of_equal_ones(
    total: int, weights: list[int], parts: list[int]
) -> None:
    assert split(total, weights) == parts


@pytest.mark.parametrize(
    ("total", "currency", "parts"),
    [
        (10000, "KWD", [3340, 3330, 3330]),
        (100000, "ISK", [33400, 33300, 33300]),
        (-700, "UGX", [-300, -200, -200]),
        (10, "TND", [10, 0, 0]),
        (10001, "KWD", [3334, 3334, 3333]),  # KWD has no such amount, so it is split to the unit
        (1000, "JPY", [334, 333, 333]),
    ],
)
def test_parts_are_amounts_that_the_currency_has(total: int, currency: str, parts: list[int]) -> None:
    assert split(total, [1, 1, 1], currency) == parts


@given(
    total=st.integers(-(10**10), 10**10),
    weights=st.lists(st.integers(0, 10**8), min_size=1, max_size=40).filter(any),
)
def test_every_split_sums_exactly_and_no_part_is_off_by_a_whole_unit(total: int, weights: list[int]) -> None:
    parts = split(total, weights)

    assert sum(parts) == total
    whole = sum(weights)
    assert all(abs(part * whole - total * weight) < whole for part, weight in zip(parts, weights, strict=True))


@given(minor=st.integers(-(10**12), 10**12), currency=st.sampled_from(["EUR", "JPY", "USD", "HUF"]))
def test_minor_units_become_major_units_and_back_without_a_change(minor: int, currency: str) -> None:
    assert to_minor(to_major(minor, currency), currency, "x") == minor


@pytest.mark.parametrize(
    ("minor", "currency", "text"), [(910200, "eur", "9102.00 EUR"), (1050, "JPY", "1050 JPY"), (5, "KWD", "0.005 KWD")]
)
def test_amounts_are_shown_with_the_decimals_of_their_currency(minor: int, currency: str, text: str) -> None:
    assert shown(minor, currency) == text


@pytest.mark.parametrize("module", PURE)
def test_no_float_is_written_in_the_code_that_handles_money(module: str) -> None:
    tree = ast.parse((Path(qwoty_stripe_invoice.__file__).parent / f"{module}.py").read_text("utf-8"))

    floats = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
    ]

    assert floats == []
