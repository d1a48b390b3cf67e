"""Tax amounts that the caller computed: what the simulated Stripe accepts, stores and refuses."""

from __future__ import annotations

import pytest
import requests

from simulator.conftest import refused

VAT = {"display_name": "VAT", "inclusive": False, "percentage": "20"}
TAX = {"amount": 200, "taxable_amount": 1000, "tax_rate_data": VAT}
LINE = {"amount": 1000, "tax_amounts": [TAX]}


def tax(amount, taxable, **data):
    return {"amount": amount, "taxable_amount": taxable, "tax_rate_data": VAT | data}


def refused_as_bad(call, *args, **kwargs):
    error = refused(call, *args, **kwargs)
    assert error.http_status == 400
    return error


def add(shop, draft, *lines):
    return shop.v1.invoices.add_lines(draft.id, {"lines": list(lines)})


def sums(invoice):
    return invoice.subtotal_excluding_tax, sum(one.amount for one in invoice.total_taxes), invoice.total


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([(1000, [tax(200, 1000)])], (1000, 200, 1200)),
        ([(1000, [tax(201, 1000)])], (1000, 201, 1201)),
        ([(1200, [tax(200, 1000, inclusive=True)])], (1000, 200, 1200)),
        ([(1000, [tax(200, 1000)]), (-100, [tax(-20, -100)])], (900, 180, 1080)),
        ([(1000, [tax(50, 1000, percentage="5"), tax(105, 1050, percentage="9.975")])], (1000, 155, 1155)),
        ([(1000, [tax(0, 0, percentage="0")]), (5, [])], (1005, 0, 1005)),
        ([(1000, [tax(-1, 333)])], (1000, -1, 999)),
        # A tax of a fixed amount has the percentage 0.
        ([(1000, [tax(75, 1000, percentage="0")])], (1000, 75, 1075)),
    ],
)
def test_totals_follow_the_given_amounts(shop, lines, expected):
    draft = shop.a_draft(*({"amount": amount, "tax_amounts": taxes} for amount, taxes in lines))

    assert sums(draft) == expected
    assert sums(shop.v1.invoices.finalize_invoice(draft.id)) == expected


def test_a_line_shows_what_was_given_and_the_rate_that_was_made_of_it(shop):
    data = VAT | {
        "country": "FR",
        "state": "75",
        "jurisdiction": "France",
        "jurisdiction_level": "country",
        "description": "Qwoty",
        "tax_type": "vat",
        "percentage": "5.5",
    }
    given = {"amount": 7, "taxable_amount": 99, "taxability_reason": "reduced_rated", "tax_rate_data": data}

    [shown] = shop.a_draft({"amount": 1000, "tax_amounts": [given]}).lines.data[0].taxes

    rate = shop.v1.tax_rates.retrieve(shown.tax_rate_details.tax_rate).to_dict()
    assert shown.to_dict() == {
        "amount": 7,
        "taxable_amount": 99,
        "tax_behavior": "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "reduced_rated",
        "type": "tax_rate_details",
    }
    assert {name: rate[name] for name in data} == data | {"percentage": 5.5}
    assert rate["active"] is False


def test_equal_data_reuses_one_rate_and_other_data_makes_another(shop):
    lines = [
        {"amount": 100, "tax_amounts": [tax(20, 100, **other)]}
        for other in ({}, {"percentage": "20.00"}, {"inclusive": True}, {"country": "FR"}, {"display_name": "TVA"})
    ]
    draft = shop.a_draft(*lines)

    rates = [line.taxes[0].tax_rate_details.tax_rate for line in draft.lines.data]

    assert rates[0] == rates[1]
    assert len(set(rates)) == len(shop.sim.objects("tax_rates")) == 4
    assert shop.a_draft(LINE).lines.data[0].taxes[0].tax_rate_details.tax_rate == rates[0]
    assert (draft.total_taxes[0].tax_rate_details.tax_rate, draft.total_taxes[0].amount) == (rates[0], 40)


def test_a_rate_that_stripe_made_is_hidden_and_cannot_be_put_on_anything(shop):
    draft = shop.a_draft(LINE)
    rate = draft.lines.data[0].taxes[0].tax_rate_details.tax_rate
    item = draft.lines.data[0].parent.invoice_item_details.invoice_item

    assert shop.v1.tax_rates.list({"active": True}).data == []
    assert shop.v1.invoice_items.retrieve(item).tax_rates == []
    for active in (False, True):
        shop.v1.tax_rates.update(rate, {"active": active})
        error = refused_as_bad(shop.a_draft, {"amount": 100, "tax_rates": [rate]})
        assert error.param == "lines[0][tax_rates][0]"
        assert refused_as_bad(shop.a_draft, default_tax_rates=[rate]).param == "default_tax_rates[0]"


@pytest.mark.parametrize(
    ("line", "param"),
    [
        ({"tax_amounts": [TAX] * 21}, "[tax_amounts]"),
        ({"tax_amounts": [TAX, tax(1, 1, display_name="x" * 201)]}, "[tax_amounts][1][tax_rate_data][display_name]"),
        ({"tax_amounts": [tax(1, 1, percentage="5.12345")]}, "[tax_amounts][0][tax_rate_data][percentage]"),
        ({"tax_amounts": [tax(1, 1, percentage="100.1")]}, "[tax_amounts][0][tax_rate_data][percentage]"),
        ({"tax_amounts": [tax(1, 1, percentage="-1")]}, "[tax_amounts][0][tax_rate_data][percentage]"),
        ({"tax_amounts": [tax(1, 1, percentage="1e1")]}, "[tax_amounts][0][tax_rate_data][percentage]"),
        ({"tax_amounts": [tax(1, 1, country="France")]}, "[tax_amounts][0][tax_rate_data][country]"),
        ({"tax_amounts": [tax(1, 1, tax_type="toll")]}, "[tax_amounts][0][tax_rate_data][tax_type]"),
        (
            {"tax_amounts": [tax(1, 1, jurisdiction_level="moon")]},
            "[tax_amounts][0][tax_rate_data][jurisdiction_level]",
        ),
        ({"tax_amounts": [tax(1, 1, metadata={"a": "b"})]}, "[tax_amounts][0][tax_rate_data][metadata]"),
        ({"tax_amounts": [TAX | {"taxability_reason": "luck"}]}, "[tax_amounts][0][taxability_reason]"),
        ({"tax_amounts": [TAX | {"amount": "1.5"}]}, "[tax_amounts][0][amount]"),
        ({"tax_amounts": [TAX | {"tax_rate": "txr_1"}]}, "[tax_amounts][0][tax_rate]"),
        ({"tax_amounts": [{"amount": 1, "tax_rate_data": VAT}]}, "[tax_amounts][0][taxable_amount]"),
        ({"tax_amounts": [{"amount": 1, "taxable_amount": 1}]}, "[tax_amounts][0][tax_rate_data]"),
    ],
)
def test_a_wrong_tax_amount_is_refused_and_nothing_is_kept(shop, line, param):
    draft = shop.a_draft()

    error = refused_as_bad(add, shop, draft, LINE, {"amount": 100} | line)

    assert error.param == f"lines[1]{param}"
    assert shop.v1.invoices.retrieve(draft.id).lines.data == []
    assert shop.sim.objects("tax_rates") == []


def test_twenty_tax_amounts_are_taken_on_one_line(shop):
    assert shop.a_draft({"amount": 1000, "tax_amounts": [TAX] * 20}).total == 5000


@pytest.mark.parametrize(
    ("present", "added", "param"),
    [
        ([], [{"tax_amounts": [TAX], "tax_rates": ["RATE"]}], "lines[0][tax_amounts]"),
        ([{"tax_rates": ["RATE"]}], [{}, {"tax_amounts": [TAX]}], "lines[1][tax_amounts]"),
        ([], [{"tax_rates": ["RATE"]}, {"tax_amounts": [TAX]}], "lines[1][tax_amounts]"),
        ([{"tax_amounts": [TAX]}], [{}, {"tax_rates": ["RATE"]}], "lines[1][tax_rates]"),
        ([], [{"tax_amounts": [TAX]}, {"tax_rates": ["RATE"]}], "lines[1][tax_rates]"),
        ([{"tax_amounts": [TAX]}], [{"invoice_item": "RATED"}], "lines[0][invoice_item]"),
        ([], [{"invoice_item": "RATED", "tax_amounts": [TAX]}], "lines[0][tax_amounts]"),
    ],
)
def test_an_invoice_has_tax_amounts_or_tax_rates_but_not_both(shop, present, added, param):
    rate, customer = shop.a_rate(), shop.a_customer().id
    item = shop.v1.invoice_items.create({"customer": customer, "amount": 100, "currency": "eur", "tax_rates": [rate]})

    def filled(line):
        if "invoice_item" in line:
            return line | {"invoice_item": item.id}
        return {"amount": 100} | line | ({"tax_rates": [rate]} if "tax_rates" in line else {})

    draft = shop.a_draft(*map(filled, present), customer=customer)

    assert refused_as_bad(add, shop, draft, *map(filled, added)).param == param
    assert len(shop.v1.invoices.retrieve(draft.id).lines.data) == len(present)


@pytest.mark.parametrize("neither", [{}, {"tax_rates": ""}, {"tax_amounts": ""}])
def test_a_line_without_tax_goes_with_tax_amounts_and_with_tax_rates(shop, neither):
    plain = {"amount": 5} | neither

    assert shop.a_draft(plain, LINE, plain).total == 1210
    assert shop.a_draft(plain, {"amount": 1000, "tax_rates": [shop.a_rate()]}, plain).total == 1210


def test_default_rates_and_tax_amounts_exclude_each_other(shop):
    rate = shop.a_rate()
    with_default, with_amounts = shop.a_draft(default_tax_rates=[rate]), shop.a_draft(LINE)

    assert refused_as_bad(add, shop, with_default, LINE).param == "lines[0][tax_amounts]"
    error = refused_as_bad(shop.v1.invoices.update, with_amounts.id, {"default_tax_rates": [rate]})
    assert error.param == "default_tax_rates"
    assert shop.v1.invoices.update(with_amounts.id, {"default_tax_rates": "", "description": "x"}).total == 1200


def test_an_invoice_item_takes_no_tax_amounts_and_no_rates_beside_them(shop):
    draft = shop.a_draft(LINE)
    item = {"customer": draft.customer, "invoice": draft.id, "amount": 100}

    error = refused_as_bad(shop.v1.invoice_items.create, item | {"tax_amounts": [TAX]})
    assert (error.code, error.param) == ("parameter_unknown", "tax_amounts")
    assert refused_as_bad(shop.v1.invoice_items.create, item | {"tax_rates": [shop.a_rate()]}).param == "tax_rates"
    shop.v1.invoice_items.create(item)
    assert shop.v1.invoices.retrieve(draft.id).total == 1300


def test_a_pending_item_takes_tax_amounts_when_it_becomes_a_line(shop):
    customer = shop.a_customer().id
    item = shop.v1.invoice_items.create({"customer": customer, "amount": 1000, "currency": "eur"})
    draft = shop.a_draft(customer=customer)
    line = {"invoice_item": item.id, "tax_amounts": [TAX]}

    refused_as_bad(add, shop, draft, line, {"amount": 100, "tax_amounts": [tax(1, 1, percentage="101")]})

    assert shop.v1.invoice_items.retrieve(item.id).invoice is None
    assert add(shop, draft, line).total == 1200


@pytest.mark.parametrize(("switch", "total"), [(True, 1000), (False, 1200)])
def test_an_exempt_customer_pays_given_tax_as_the_switch_for_manual_rates_says(shop, switch, total):
    shop.sim.config.update(tax_exempt_zeroes_manual_rates=switch)
    customer = shop.a_customer(tax_exempt="exempt").id

    assert shop.a_draft(LINE, customer=customer).total == total


@pytest.mark.parametrize(
    ("switch", "given", "param"),
    [
        ("tax_amounts_may_be_negative", tax(-200, -1000), "amount"),
        ("tax_amounts_may_be_negative", tax(0, -1), "taxable_amount"),
        ("tax_amounts_may_differ_from_percentage", tax(201, 1000), "amount"),
        ("tax_amounts_may_differ_from_percentage", tax(199, 1000), "amount"),
        ("tax_amounts_may_differ_from_percentage", tax(0, 1000), "amount"),
        ("tax_amounts_may_differ_from_percentage", tax(200, -1000), "amount"),
    ],
)
def test_each_unknown_rule_about_amounts_is_a_switch(shop, switch, given, param):
    line = {"amount": 1000, "tax_amounts": [given]}
    taken = shop.a_draft(line).total

    shop.sim.config.update(**{switch: False})

    assert taken == 1000 + given["amount"]
    assert refused_as_bad(shop.a_draft, line).param == f"lines[0][tax_amounts][0][{param}]"


@pytest.mark.parametrize(
    "given",
    [
        tax(200, 1000),
        tax(-200, -1000),
        # The exact amounts are 19.5 and, for an inclusive tax, 166.4. Both may be rounded up or down.
        tax(19, 195, percentage="10"),
        tax(20, 195, percentage="10"),
        tax(167, 832, inclusive=True),
        tax(75, 1000, percentage="0"),
    ],
)
def test_a_rounded_or_a_fixed_amount_does_not_differ_from_its_percentage(shop, given):
    shop.sim.config.update(tax_amounts_may_differ_from_percentage=False)

    [line] = shop.a_draft({"amount": 1000, "tax_amounts": [given]}).lines.data

    assert line.taxes[0].amount == given["amount"]


@pytest.fixture
def switched(shop):
    """A function that sets switches over HTTP, as another process does."""

    def turn(**switches):
        requests.post(f"{shop.sim.url}/_simulator/config", json=switches, timeout=5).raise_for_status()

    return turn


def test_an_account_without_tax_amounts_refuses_each_request_until_it_has_them(shop, switched):
    draft = shop.a_draft({"amount": 5})
    given = {"lines": [{"amount": 5}, LINE]}
    options = {"idempotency_key": "the same"}

    switched(tax_amounts_refused=True)
    for _ in range(2):
        error = refused_as_bad(shop.v1.invoices.add_lines, draft.id, given, options)
        assert (error.code, error.param) == ("parameter_unknown", "lines[1][tax_amounts]")
    assert add(shop, draft, {"amount": 5}).total == 10

    switched(tax_amounts_refused=False)
    # The refusal comes before the execution, so it is not stored for the key.
    assert shop.v1.invoices.add_lines(draft.id, given, options).total == 1215


@pytest.mark.parametrize(
    ("switch", "taxes", "total"),
    [("tax_amounts_ignored", [233, 0, -1, 67], 1631), ("tax_amounts_dropped", [], 1399)],
)
def test_given_amounts_are_replaced_by_computed_ones_or_dropped(shop, switched, switch, taxes, total):
    switched(**{switch: True})
    lines = [
        {"amount": 1166, "tax_amounts": [tax(1, 1)]},
        {"amount": 1, "tax_amounts": [tax(1, 1)]},
        {"amount": -3, "tax_amounts": [tax(1, 1)]},
        {"amount": 235, "tax_amounts": [tax(1, 1, inclusive=True, percentage="40")]},
    ]
    draft = shop.a_draft(*lines)

    assert [one.amount for line in draft.lines.data for one in line.taxes] == taxes
    assert draft.total == total
    # The amounts of an existing invoice stay as they are.
    switched(**{switch: False})
    assert [one.amount for line in shop.v1.invoices.retrieve(draft.id).lines.data for one in line.taxes] == taxes


def test_computed_taxes_follow_the_rounding(shop):
    shop.sim.config.update(tax_amounts_ignored=True, rounding="half_even")

    [line] = shop.a_draft({"amount": 30, "tax_amounts": [tax(9, 9, percentage="15")]}).lines.data

    assert (line.taxes[0].amount, line.taxes[0].taxable_amount) == (4, 30)


@pytest.mark.parametrize(("atomic", "kept"), [(True, 0), (False, 1)])
def test_lines_before_a_refused_one_are_kept_as_the_switch_says(shop, atomic, kept):
    shop.sim.config.update(add_lines_atomic=atomic)
    draft = shop.a_draft()

    refused_as_bad(add, shop, draft, LINE, {"amount": 100, "tax_rates": [shop.a_rate()]})

    draft = shop.v1.invoices.retrieve(draft.id)
    assert (len(draft.lines.data), draft.total) == (kept, 1200 * kept)
