"""Tax Rates of the simulator: rounding, exemptions and refusals."""

from __future__ import annotations

import pytest

from simulator.conftest import refused
from stripe_simulator.config import Config
from stripe_simulator.money import shown


def draft_at(shop, percentage, *amounts, **rate):
    rate_id = shop.a_rate(percentage, **rate)
    return shop.a_draft(*({"amount": amount, "tax_rates": [rate_id]} for amount in amounts))


def test_tax_is_rounded_per_line_and_summed_afterwards(shop):
    draft = draft_at(shop, "15", 43, 484)

    assert [line.taxes[0].amount for line in draft.lines.data] == [6, 73]
    assert (draft.subtotal, draft.total_taxes[0].amount, draft.total) == (527, 79, 606)
    assert draft.total_taxes[0].taxable_amount == 527


@pytest.mark.parametrize(
    ("rounding", "taxes"),
    [("half_away_from_zero", [2, -1]), ("half_up", [2, 0]), ("half_even", [2, 0])],
)
def test_halves_round_as_the_switch_says(shop, rounding, taxes):
    shop.sim.config.update(rounding=rounding)

    draft = draft_at(shop, "5", 30, -10)

    assert [line.taxes[0].amount for line in draft.lines.data] == taxes
    assert draft.total == 20 + sum(taxes)


def test_a_discount_spread_over_mixed_rates_adds_up(shop):
    high, low = shop.a_rate("20"), shop.a_rate("5.5")
    amounts = [(100_000, high), (50_000, low), (-6_667, high), (-3_333, low)]

    draft = shop.a_draft(*({"amount": amount, "tax_rates": [rate]} for amount, rate in amounts))

    assert [line.taxes[0].amount for line in draft.lines.data] == [20_000, 2_750, -1_333, -183]
    assert draft.total == 161_234


def test_two_rates_on_one_line_stack(shop):
    first, second = shop.a_rate("5"), shop.a_rate("9.975")

    draft = shop.a_draft({"amount": 1000, "tax_rates": [first, second]})

    assert [tax.amount for tax in draft.total_taxes] == [50, 100]
    assert draft.total == 1150


def test_an_inclusive_rate_leaves_the_total_alone(shop):
    draft = draft_at(shop, "20", 1200, inclusive=True)

    assert (draft.total, draft.subtotal, draft.subtotal_excluding_tax) == (1200, 1200, 1000)
    assert (draft.total_taxes[0].amount, draft.total_taxes[0].tax_behavior) == (200, "inclusive")


def test_a_lines_own_rates_replace_the_default_ones(shop):
    draft = shop.a_draft(default_tax_rates=[shop.a_rate("20")])

    draft = shop.v1.invoices.add_lines(
        draft.id,
        {
            "lines": [
                {"amount": 100},
                {"amount": 100, "tax_rates": [shop.a_rate("10")]},
                {"amount": 9, "tax_rates": ""},
            ]
        },
    )

    assert [tax.amount for line in draft.lines.data for tax in line.taxes] == [20, 10]


@pytest.mark.parametrize(("switch", "total"), [(True, 100), (False, 120)])
def test_an_exempt_customer_pays_tax_or_not_as_the_switch_says(shop, switch, total):
    shop.sim.config.update(tax_exempt_zeroes_manual_rates=switch)
    customer = shop.a_customer(tax_exempt="reverse").id

    draft = shop.a_draft({"amount": 100, "tax_rates": [shop.a_rate()]}, customer=customer)

    assert draft.total == total


def test_an_archived_rate_is_refused_for_new_use_and_goes_on_where_it_is(shop):
    rate = shop.a_rate("20")
    draft = shop.a_draft({"amount": 100, "tax_rates": [rate]})
    shop.v1.tax_rates.update(rate, {"active": False})

    refused(shop.v1.invoices.add_lines, draft.id, {"lines": [{"amount": 100, "tax_rates": [rate]}]})

    assert shop.v1.invoices.finalize_invoice(draft.id).total == 120


def test_more_than_five_rates_or_mixed_behavior_is_refused(shop):
    six = [shop.a_rate(str(n)) for n in range(1, 7)]
    mixed = [shop.a_rate("20"), shop.a_rate("10", inclusive=True)]

    for rates in (six, mixed):
        refused(shop.a_draft, {"amount": 100, "tax_rates": rates})


def test_rates_are_listed_by_state_and_behavior(shop):
    kept, archived = shop.a_rate("20"), shop.a_rate("19")
    shop.a_rate("7", inclusive=True)
    shop.v1.tax_rates.update(archived, {"active": False})

    found = shop.v1.tax_rates.list({"active": True, "inclusive": False, "limit": 100})

    assert [rate.id for rate in found.data] == [kept]


@pytest.mark.parametrize("percentage", ["5.12345", "101", "-1"])
def test_an_impossible_percentage_is_refused(shop, percentage):
    assert refused(shop.a_rate, percentage).param == "percentage"


def test_a_percentage_cannot_be_changed(shop):
    error = refused(shop.v1.tax_rates.update, shop.a_rate(), {"percentage": "19"})

    assert (error.code, error.param) == ("parameter_unknown", "percentage")


def test_an_unknown_switch_or_value_is_refused():
    for wrong in ({"colour": 1}, {"rounding": "up"}, {"add_lines_atomic": "yes"}, {"webhook_copies": True}):
        with pytest.raises(ValueError, match=r"."):
            Config().update(**wrong)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (227550, "eur", "2275.50 EUR"),
        (500, "jpy", "500 JPY"),
        (1230, "kwd", "1.230 KWD"),
        (-5, "usd", "-0.05 USD"),
    ],
)
def test_amounts_are_shown_in_the_digits_of_their_currency(amount, currency, text):
    assert shown(amount, currency) == text
