"""The plan of an invoice, which is computed from the quote alone."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_line, a_quote, loaded, the_example, vat
from qwoty_integrations_host import NeedsAttention
from qwoty_stripe_invoice.plan import make_plan
from qwoty_stripe_invoice.plan_types import InvoicePlan, NothingToInvoice


def plan_of(document: dict[str, Any]) -> InvoicePlan:
    plan = make_plan(loaded(document))
    assert isinstance(plan, InvoicePlan)
    return plan


def items(plan: InvoicePlan) -> list[tuple[str, int]]:
    return [(line.key, line.amount) for line in plan.lines]


def refusal(document: dict[str, Any]) -> NeedsAttention:
    with pytest.raises(NeedsAttention) as refused:
        make_plan(loaded(document))
    return refused.value


def plan_section(name: str = "Support") -> dict[str, Any]:
    return {"id": "s9", "type": "plan", "name": name, "phases": [{"line_items": [a_line("p1", "50.00")]}]}


def sections(*found: dict[str, Any]) -> dict[str, Any]:
    return a_quote(pricing_table={"sections": list(found)})


# -- hand-computed invoices -------------------------------------------------------------------------


def test_the_documented_example_has_its_documented_total() -> None:
    plan = plan_of(the_example())

    assert items(plan) == [
        ("item_001", 780000),
        ("item_001:discount", -78000),
        ("item_002", 76500),
        ("discount:1", -20000),
    ]
    assert (plan.subtotal, plan.tax, plan.total, plan.signed_total) == (758500, 151700, 910200, 910200)


def test_two_rates_and_a_line_discount_are_taxed_line_by_line() -> None:
    # 99.99 + 20 % = 19.998 -> 20.00; 10.01 + 5.5 % = 0.55055 -> 0.55; -1.00 * 5.5 % = -0.055 -> -0.06
    document = a_quote(a_line("l1", "99.99"), a_line("l2", "9.01", discount="1.00", taxes=[vat("5.5")]), total="129.49")

    plan = plan_of(document)

    assert items(plan) == [("l1", 9999), ("l2", 1001), ("l2:discount", -100)]
    assert (plan.subtotal, plan.tax, plan.total) == (10900, 2049, 12949)


def test_a_global_discount_over_two_rates_is_one_item_per_rate() -> None:
    document = a_quote(
        a_line("l1", "1000.00"),
        a_line("l2", "500.00", taxes=[vat("5.5")]),
        discount="100.00",
        total="1612.34",
    )

    plan = plan_of(document)

    assert items(plan)[2:] == [("discount:1", -6667), ("discount:2", -3333)]
    assert (plan.subtotal, plan.tax, plan.total) == (140000, 20000 - 1333 + 2750 - 183, 161234)
    assert any("2 different sets of taxes" in note for note in plan.notes)


def test_amounts_in_a_currency_without_decimals_are_whole() -> None:
    line = a_line("l1", "9667", discount="333", taxes=[vat("10", "JP")])

    plan = plan_of(a_quote(line, currency="JPY", total="10634"))

    # 10000 + 1000 tax, -333 - 33 tax
    assert (items(plan), plan.total, plan.signed_total) == ([("l1", 10000), ("l1:discount", -333)], 10634, 10634)


def test_amounts_in_a_currency_with_three_decimals_keep_them() -> None:
    plan = plan_of(a_quote(a_line("l1", "12.340", taxes=[vat("10", "KW")]), currency="KWD", total="13.570"))

    assert items(plan) == [("l1", 12340)]
    assert (plan.tax, plan.signed_total) == (1234, 13570)


def test_two_taxes_on_a_line_both_apply_to_the_whole_line() -> None:
    levy = vat("2", api_name="levy_fr_20", id="t9", name="Levy")

    plan = plan_of(a_quote(a_line("l1", "100.00", taxes=[vat(), levy])))

    assert [rate.percentage for rate in plan.lines[0].rates] == [Decimal(20), Decimal(2)]
    assert plan.total == 10000 + 2000 + 200


# -- lines ------------------------------------------------------------------------------------------


def test_lines_follow_the_ranks_of_sections_phases_and_lines() -> None:
    document = sections(
        {"type": "product", "rank": 2, "phases": [{"line_items": [a_line("d")]}]},
        {
            "type": "standard",
            "rank": 1,
            "phases": [
                {"rank": 2, "line_items": [a_line("c")]},
                {"rank": 1, "line_items": [a_line("b", rank=2), a_line("a", rank=1)]},
            ],
        },
    )

    assert [key for key, _ in items(plan_of(document))] == ["a", "b", "c", "d"]


def test_free_lines_stay_on_the_invoice() -> None:
    plan = plan_of(a_quote(a_line("l1", "100.00"), a_line("l2", "0.00", quantity="0")))

    assert items(plan) == [("l1", 10000), ("l2", 0)]


@pytest.mark.parametrize(
    ("changes", "gross", "discount"),
    [
        ({"quantity": "2.5", "pricing": {"model": "per_unit", "list_price": "10.01"}}, 2503, 0),
        ({"quantity": "3", "pricing": {"model": "flat", "list_price": "10.01"}}, 1001, 0),
        (
            {
                "quantity": "1",
                "pricing": {"model": "flat", "list_price": "10.05"},
                "discount": {"type": "percentage", "value": "10"},
            },
            1005,
            -101,
        ),
        (
            {
                "quantity": "1",
                "pricing": {"model": "flat", "list_price": "10"},
                "discount": {"type": "amount", "value": "2"},
            },
            1000,
            -200,
        ),
        (
            {
                "quantity": "1",
                "pricing": {"model": "flat", "list_price": "10"},
                "discount": {"type": "percentage", "value": "50", "amount": "3.00"},
            },
            1000,
            -300,
        ),
    ],
    ids=["per unit", "flat", "percentage rounded half up", "fixed amount", "the platform's own amount wins"],
)
def test_amounts_that_the_platform_left_out_are_computed(changes: dict[str, Any], gross: int, discount: int) -> None:
    line = {**a_line("l1"), "amounts": None, **changes}

    found = dict(items(plan_of(a_quote(line, total="1.00"))))

    assert (found["l1"], found.get("l1:discount", 0)) == (gross, discount)


def test_the_platforms_amounts_are_preferred_to_quantity_times_price() -> None:
    line = a_line("l1", "70.00", quantity="10", pricing={"model": "volume", "list_price": "9.00"})

    assert items(plan_of(a_quote(line))) == [("l1", 7000)]


def test_a_model_whose_price_is_not_quantity_times_price_needs_the_platforms_amounts() -> None:
    line = a_line("l1", quantity="10", pricing={"model": "graduated", "list_price": "9.00"}, amounts=None)

    assert refusal(a_quote(line, total="90.00")).code == "amounts_missing"


@pytest.mark.parametrize(
    ("amounts", "code"),
    [
        ({"gross": "100.00", "discount": "100.01", "net": "-0.01"}, "discount_above_line"),
        ({"gross": "100.00", "discount": "-5.00", "net": "105.00"}, "discount_above_line"),
        ({"gross": "-100.00", "discount": "1.00", "net": "-101.00"}, "discount_above_line"),
    ],
)
def test_a_line_with_impossible_amounts_stops_the_plan(amounts: dict[str, str], code: str) -> None:
    found = refusal(a_quote(a_line("l1", amounts=amounts), total="1.00"))

    assert found.code == code
    assert "Consulting" in found.title


def test_a_discount_of_the_whole_line_is_allowed() -> None:
    plan = plan_of(a_quote(a_line("l1", "0.00", discount="100.00"), a_line("l2", "5.00")))

    assert items(plan) == [("l1", 10000), ("l1:discount", -10000), ("l2", 500)]


def test_descriptions_say_quantity_unit_and_price_and_are_cut_to_what_stripe_takes() -> None:
    per_unit = a_line("l1", "100.00", quantity="2.50", pricing={"model": "per_unit", "list_price": "40.00"})
    long = a_line("l2", "1.00", name="word " * 2000)

    plan = plan_of(a_quote(per_unit, long))

    assert plan.lines[0].description == "Consulting (2.5 unit × 40.00 EUR)"
    assert len(plan.lines[1].description) <= 5000


def test_a_discount_line_names_its_product_and_label_in_the_quotes_language() -> None:
    given = {"type": "percentage", "value": "10", "amount": "10.00", "label": "Loyal"}
    line = a_line("l1", "90.00", discount="10.00") | {"discount": given}

    plan = plan_of(a_quote(line, language="fr"))

    assert plan.lines[1].description == "Remise\u00a0: Consulting – Loyal (10%)"


# -- sections ---------------------------------------------------------------------------------------


def test_plan_sections_are_left_out_and_named() -> None:
    product = {"type": "product", "phases": [{"line_items": [a_line("l1")]}]}

    plan = plan_of(sections(product, plan_section("Support")))

    assert items(plan) == [("l1", 10000)]
    assert any("'Support'" in note for note in plan.notes)


@pytest.mark.parametrize(
    "found",
    [[], [plan_section()], [{"type": "product", "phases": [{"line_items": []}]}]],
    ids=["no sections", "only a plan", "no lines"],
)
def test_a_quote_without_product_lines_has_nothing_to_invoice(found: list[dict[str, Any]]) -> None:
    plan = make_plan(loaded(sections(*found)))

    assert isinstance(plan, NothingToInvoice)
    assert "no product lines" in plan.reason


def test_a_section_of_an_unknown_type_stops_the_plan_and_is_named() -> None:
    found = refusal(sections({"type": "bundle", "name": "Mystery", "phases": [{"line_items": [a_line("x1")]}]}))

    assert found.code == "section_type_unknown"
    assert "'Mystery'" in found.title


# -- taxes on lines ---------------------------------------------------------------------------------


def test_a_tax_of_a_fixed_amount_is_an_untaxed_line_of_its_own() -> None:
    eco = {"id": "t2", "name": "Eco contribution", "is_percentage": False, "amount": "1.50"}

    plan = plan_of(a_quote(a_line("l1", "90.00", discount="10.00", taxes=[vat(), eco]), total="109.50"))

    assert [(line.amount, len(line.rates)) for line in plan.lines] == [(10000, 1), (-1000, 1), (150, 0)]
    assert plan.lines[2].description == "Eco contribution"
    assert plan.total == 10950


def test_a_fixed_tax_is_no_product_and_takes_no_share_of_the_global_discount() -> None:
    eco = {"id": "t2", "name": "Eco contribution", "is_percentage": False, "amount": "10.00"}
    document = a_quote(a_line("l1", "100.00", taxes=[vat(), eco]), discount="11.00", total="116.80")

    plan = plan_of(document)

    assert items(plan)[-1] == ("discount:1", -1100)
    assert plan.total == 10000 + 2000 + 1000 - 1100 - 220
    assert not any("different sets" in note for note in plan.notes)


def test_a_fixed_tax_without_amount_needs_attention() -> None:
    eco = {"id": "t2", "name": "Eco contribution", "is_percentage": False}

    found = refusal(a_quote(a_line(taxes=[eco]), total="1.00"))

    assert found.code == "tax_unclear"
    assert "Eco contribution" in found.title


def test_more_taxes_than_stripe_takes_on_a_line_need_attention() -> None:
    taxes = [vat(str(rate), id=f"t{rate}", name=f"T{rate}") for rate in range(1, 7)]

    assert refusal(a_quote(a_line(taxes=taxes), total="1.00")).code == "too_many_taxes"


def test_a_global_discount_treats_lines_without_tax_as_one_group() -> None:
    document = a_quote(a_line("l1", "60.00"), a_line("l2", "40.00", taxes=[]), discount="10.00", total="99.60")

    plan = plan_of(document)

    assert items(plan)[2:] == [("discount:1", -600), ("discount:2", -400)]
    assert plan.lines[3].rates == ()


def test_the_order_of_a_lines_taxes_does_not_split_the_global_discount() -> None:
    levy = vat("2", api_name="levy_fr_20", id="t9", name="Levy")
    document = a_quote(
        a_line("l1", "60.00", taxes=[vat(), levy]), a_line("l2", "40.00", taxes=[levy, vat()]), discount="10.00"
    )

    plan = plan_of(document)

    assert items(plan)[2:] == [("discount:1", -1000)]
    assert not any("different sets" in note for note in plan.notes)


def test_several_global_discounts_are_still_one_item() -> None:
    discounts = [
        {"type": "amount", "label": "Welcome", "amount": "5.00"},
        {"type": "amount", "label": "Spring", "amount": "2.50"},
    ]

    plan = plan_of(a_quote(a_line("l1", "100.00"), discounts=discounts, total="111.00"))

    assert items(plan)[1:] == [("discount:1", -750)]
    assert plan.lines[-1].description == "Discount: Welcome, Spring"


def test_the_global_discount_is_shared_over_nets_after_the_line_discounts() -> None:
    document = a_quote(
        a_line("l1", "50.00", discount="150.00"),
        a_line("l2", "50.00", taxes=[vat("5.5")]),
        discount="10.00",
        total="102.00",
    )

    assert items(plan_of(document))[3:] == [("discount:1", -500), ("discount:2", -500)]


def test_a_global_discount_above_the_lines_needs_attention() -> None:
    assert refusal(a_quote(a_line(), discount="100.01", total="0.00")).code == "discount_above_total"


# -- totals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "code"), [("-0.01", "total_negative"), ("1000000.00", "amount_too_large"), ("1.005", "amount_precision")]
)
def test_an_impossible_total_needs_attention(total: str, code: str) -> None:
    assert refusal(a_quote(a_line(), total=total)).code == code


def test_missing_totals_are_computed_once_per_rate_and_marked_as_computed() -> None:
    lines = [a_line(f"l{n}", "0.30", taxes=[vat("5.5")]) for n in range(1, 4)]

    plan = plan_of(a_quote(*lines, summary=None))

    # 0.90 * 5.5 % = 0.0495 -> 0.05, where Stripe taxes each line: 3 * 0.02
    assert (plan.signed_total, plan.total) == (95, 96)
    assert not plan.signed.given


def test_more_items_than_stripe_takes_need_attention_with_their_count() -> None:
    error = refusal(a_quote(*(a_line(f"l{n}", "1.00") for n in range(251))))

    assert (error.code, error.title) == ("too_many_lines", "The invoice would have 251 items; Stripe takes 250.")


def test_discounts_are_merged_into_their_lines_when_there_are_too_many_items() -> None:
    lines = [a_line(f"l{n}", "2.00", discount="0.50", name=f"Seat {n}") for n in range(126)]

    plan = plan_of(a_quote(*lines))

    assert items(plan)[:2] == [("l0", 200), ("l1", 200)]
    assert plan.lines[0].description == "Seat 0; Discount: Seat 0 -0.50 EUR"
    assert len(plan.lines) == 126
    assert plan.total == plan.signed_total
    assert any("room for 250 items" in note for note in plan.notes)


def test_discounts_stay_items_of_their_own_while_there_is_room() -> None:
    plan = plan_of(a_quote(*(a_line(f"l{n}", "2.00", discount="0.50") for n in range(125))))

    assert len(plan.lines) == 250
    assert not plan.notes


def test_hidden_prices_are_shown_on_the_invoice_and_noted() -> None:
    document = a_quote()
    document["pricing_table"]["settings"] = {"is_prices_hidden": True}

    assert any("hides its prices" in note for note in plan_of(document).notes)


# -- properties of every plan --------------------------------------------------------------------------

RATES = ["0", "2.1", "5.5", "10", "20"]
cents = st.integers(0, 200_000)


@st.composite
def quotes(draw: st.DrawFn) -> dict[str, Any]:
    lines = []
    for number in range(draw(st.integers(1, 6))):
        gross = draw(cents)
        discount = draw(st.integers(0, gross))
        taxes = [vat(rate) for rate in draw(st.lists(st.sampled_from(RATES), max_size=2, unique=True))]
        net = Decimal(gross - discount).scaleb(-2)
        lines.append(a_line(f"l{number}", str(net), discount=str(Decimal(discount).scaleb(-2)), taxes=taxes))
    net = sum(Decimal(line["amounts"]["net"]) for line in lines)
    share = draw(st.integers(0, int(net * 100)))
    return a_quote(*lines, discount=str(Decimal(share).scaleb(-2)) if share else None, total="1.00")


def stripe_would_say(plan: InvoicePlan) -> int:
    """The total that Stripe computes: taxes are rounded for each line and rate, half away from zero."""
    total = 0
    for line in plan.lines:
        total += line.amount
        for rate in line.rates:
            thousandths = abs(line.amount) * int(rate.percentage * 10)
            tax = (thousandths + 500) // 1000
            total += tax if line.amount >= 0 else -tax
    return total


@given(quotes())
def test_any_plan_adds_up_to_its_quote(document: dict[str, Any]) -> None:
    plan = plan_of(document)

    keys = [line.key for line in plan.lines]
    assert len(set(keys)) == len(keys)
    lines = document["pricing_table"]["sections"][0]["phases"][0]["line_items"]
    discount = sum(Decimal(d["amount"]) for d in document["discounts"])
    net = sum(Decimal(line["amounts"]["net"]) for line in lines) - discount
    assert plan.subtotal == int(net * 100)
    assert sum(line.amount for line in plan.lines if line.key.startswith("discount:")) == -int(discount * 100)
    assert plan.total == stripe_would_say(plan)


@given(quotes())
def test_no_group_of_taxes_is_discounted_below_nothing(document: dict[str, Any]) -> None:
    nets: dict[Any, int] = {}
    for line in plan_of(document).lines:
        nets[frozenset(line.rates)] = nets.get(frozenset(line.rates), 0) + line.amount

    assert all(net >= 0 for net in nets.values())


@given(quotes())
def test_a_plan_contains_no_float(document: dict[str, Any]) -> None:
    def floats(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [f for pair in value.items() for part in pair for f in floats(part)]
        if isinstance(value, list | tuple):
            return [f for part in value for f in floats(part)]
        return [value] if isinstance(value, float) else []

    plan = plan_of(document)

    assert floats({**asdict(plan), "rates": [asdict(rate) for rate in plan.rates.values()]}) == []
    assert all(type(line.amount) is int for line in plan.lines)


@pytest.mark.parametrize(
    "ids",
    [
        ["l1", "l1:discount"],
        ["l1:discount", "l1"],
        ["rounding", "cash"],
        ["discount:1", "discount:1:line"],
        ["l1:tax:1", "l1"],
    ],
)
def test_line_ids_that_look_like_our_own_keys_get_other_keys(ids: list[str]) -> None:
    eco = {"id": "eco", "name": "Eco", "is_percentage": False, "amount": "1.00"}
    lines = [a_line(line_id, "90.00", discount="10.00", taxes=[vat(), eco]) for line_id in ids]

    plan = plan_of(a_quote(*lines, discount="5.00"))

    keys = [line.key for line in plan.lines]
    assert len(set(keys)) == len(keys) == 7
    assert not {"rounding", "cash"} & set(keys)
    assert keys[-1] == "discount:1"
