"""From a quote's tax to the Stripe Tax Rate it needs: the grammar of API names, and what contradicts it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builders import vat
from qwoty_integrations_host import NeedsAttention
from qwoty_integrations_host.contract.line_schemas import TaxSchema
from qwoty_integrations_host.contract.quote import Tax
from qwoty_stripe_invoice.taxes import PlannedRate, parse_api_name, plan_rate, told_apart


def tax(**changes: Any) -> Tax:
    found: Tax = TaxSchema().load({**vat(), **changes})
    return found


def planned(found: Tax, fallback: str | None = None) -> PlannedRate:
    return plan_rate(found, fallback)[0]


@pytest.mark.parametrize(
    ("api_name", "country", "percentage"),
    [
        ("vat_fr_200", "FR", "20"),
        ("vat_fr_55", "FR", "5.5"),
        ("vat_fr_21", "FR", "2.1"),
        ("vat_re_85", "RE", "8.5"),
        ("vat_fr_0", "FR", "0"),
        ("vat_fr_1000", "FR", "100"),
        ("sales_tax_us_70", "US", "7"),
        ("gst2_au_100", "AU", "10"),
        ("vat_uk_200", "GB", "20"),
        ("vat_el_240", "GR", "24"),
    ],
)
def test_an_api_name_tells_country_and_percentage(api_name: str, country: str, percentage: str) -> None:
    parsed = parse_api_name(api_name)

    assert parsed is not None
    assert (parsed.country, parsed.percentage) == (country, Decimal(percentage))


@pytest.mark.parametrize(
    "api_name",
    [
        *(None, "", "vat", "vat_fr", "vat_fr_", "vat_fra_200", "VAT_FR_200", "_fr_200", "vat-fr-200", "vat_f1_200"),
        *("vat_fr_20.0", "vat_fr_1001", "vat_fr_20000", "vat_fr_-5", "vat_fr_٢٠٠", "vat_fr_200\n", " vat_fr_200"),
        *("hst_on_130", "pst_bc_70", "tax_xx_200", "vat_eu_200"),  # no countries
    ],
)
def test_an_api_name_outside_the_grammar_tells_nothing(api_name: str | None) -> None:
    assert parse_api_name(api_name) is None


@pytest.mark.parametrize(
    ("changes", "country", "percentage"),
    [
        ({}, "FR", "20"),
        ({"rate": None, "country": None, "api_name": "vat_fr_55"}, "FR", "5.5"),
        ({"rate": None, "api_name": "vat_fr_55"}, "FR", "5.5"),
        ({"country": None}, "FR", "20"),
        ({"api_name": "standard"}, "FR", "20"),
        ({"rate": "20.000"}, "FR", "20"),
        ({"rate": "8.875", "country": "us", "api_name": "edited by hand"}, "US", "8.875"),
        ({"rate": "0", "api_name": "vat_fr_0"}, "FR", "0"),
        ({"country": "France"}, "FR", "20"),
        ({"country": "FRA"}, "FR", "20"),
        ({"country": "UK", "api_name": "vat_gb_200"}, "GB", "20"),
        ({"country": "Royaume-Uni", "api_name": "vat_uk_200"}, "GB", "20"),
        ({"country": "Deutschland", "api_name": None}, "DE", "20"),
        ({"rate": "13", "country": "CA", "api_name": "hst_on_130"}, "CA", "13"),
    ],
)
def test_explicit_fields_come_first_and_the_api_name_fills_what_is_missing(
    changes: dict[str, Any], country: str, percentage: str
) -> None:
    key = planned(tax(**changes)).key

    assert (key.country, key.percentage) == (country, Decimal(percentage))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"rate": "10"}, "rate"),
        ({"country": "DE"}, "country"),
        ({"country": "Deutschland"}, "country"),
        ({"country": "Atlantis", "api_name": None}, "Atlantis"),
        ({"country": "EU", "api_name": "standard"}, "not understood"),
        ({"rate": None, "api_name": "standard"}, "neither"),
        ({"rate": "100.1", "api_name": None}, "does not take"),
        ({"rate": "8.87512", "api_name": None}, "does not take"),
    ],
)
def test_a_tax_that_contradicts_itself_or_says_too_little_needs_attention(changes: dict[str, Any], word: str) -> None:
    found = tax(**({"api_name": "vat_fr_200"} | changes))

    with pytest.raises(NeedsAttention) as refused:
        plan_rate(found, "FR")

    assert refused.value.code == "tax_unclear"
    assert word in refused.value.title
    assert (found.api_name or found.name or "") in refused.value.title


def test_a_country_that_only_the_seller_has_is_used_with_a_note() -> None:
    rate, note = plan_rate(tax(api_name=None, country=None), "BE")

    assert rate.key.country == "BE"
    assert note is not None
    assert "BE" in note


def test_a_country_that_is_not_understood_is_noted_and_the_api_names_is_used() -> None:
    rate, note = plan_rate(tax(country="EU"), "BE")

    assert rate.key.country == "FR"
    assert note == "Tax 'vat_fr_200' names the country 'EU', which is not understood; its API name says FR."


def test_a_tax_of_an_unknown_country_has_no_country() -> None:
    assert planned(tax(api_name=None, country=None)).key.country is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        *[
            ("VAT 20%", "VAT"),
            ("VAT 5,5 %", "VAT"),
            ("TVA", "TVA"),
            (None, "VAT"),
            ("20%", "VAT"),
            ("x" * 80, "x" * 50),
        ],
        *[
            ("CGST – 9 %", "CGST"),
            ("CGST — 9%", "CGST"),
            ("CGST - 9\u202f%", "CGST"),
            ("CGST-9%", "CGST"),
            ("TVA: 20 %", "TVA"),
        ],
        *[("VAT (20%)", "VAT"), ("VAT [5.5 %]", "VAT"), ("GST @ 10%", "GST"), ("  Sales \u00a0 Tax ", "Sales Tax")],
        *[("TVA exonérée art. 261", "TVA exonérée art. 261"), ("Art. 261 – 0 %", "Art. 261"), ("– 20 %", "VAT")],
        pytest.param("-" * 200_000, "-" * 50, id="very long"),
    ],
)
def test_the_display_name_leaves_the_percentage_to_stripe(name: str | None, shown: str) -> None:
    assert planned(tax(name=name)).display_name == shown


@pytest.mark.parametrize(
    ("api_name", "name", "kind"),
    [
        *[
            ("vat_fr_200", "TVA", "vat"),
            ("gst_fr_200", "GST", "gst"),
            ("levy_fr_200", "Levy", None),
            (None, "VAT", "vat"),
        ],
        *[("sales_tax_fr_200", "Tax", "sales_tax"), (None, "Sales Tax", "sales_tax"), (None, "Vatican levy", None)],
    ],
)
def test_the_tax_type_is_given_where_it_is_certain(api_name: str | None, name: str, kind: str | None) -> None:
    assert planned(tax(api_name=api_name, name=name)).tax_type == kind


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        *[("VAT", "vat"), ("GST", "gst"), ("Sales tax", "sales_tax"), ("sales_tax", "sales_tax")],
        *[("Custom", None), ("anything", None), ("", "vat"), (None, "vat")],
    ],
)
def test_the_type_that_a_tax_names_is_used(type: str | None, kind: str | None) -> None:
    assert planned(tax(type=type)).tax_type == kind


@pytest.mark.parametrize(
    ("given", "state", "jurisdiction"),
    [
        ({"state": "TX"}, "TX", None),
        ({"region": "tx"}, "TX", None),
        ({"region": "US-TX"}, "TX", None),
        ({"region": "Texas"}, None, "Texas"),
        ({"region": "Texas", "jurisdiction": "Austin"}, None, "Austin"),
        ({"region": "TX", "jurisdiction": "Austin"}, "TX", "Austin"),
        ({"jurisdiction": "x" * 60}, None, "x" * 50),
        ({"state": ""}, None, None),
    ],
)
def test_a_state_is_a_code_and_anything_else_a_jurisdiction(
    given: dict[str, Any], state: str | None, jurisdiction: str | None
) -> None:
    rate = planned(tax(**given))

    assert (rate.state, rate.jurisdiction) == (state, jurisdiction)


# -- two taxes of one percentage ----------------------------------------------------------------------

CGST = vat("9", "IN", id="t-c", name="CGST 9%", api_name="cgst_in_90")
SGST = vat("9", "IN", id="t-s", name="SGST 9%", api_name="sgst_in_90")


def keys(*lines: list[dict[str, Any]]) -> list[list[str]]:
    found = told_apart([[planned(tax(**document)) for document in line] for line in lines])
    return [[str(rate.key) for rate in line] for line in found]


def test_two_equal_taxes_on_one_line_are_two_rates_with_names() -> None:
    assert keys([CGST, SGST]) == [["IN:9:CGST", "IN:9:SGST"]]


def test_taxes_that_names_tell_apart_keep_their_names_on_every_line() -> None:
    assert keys([SGST], [CGST, SGST], [SGST, CGST]) == [
        ["IN:9:SGST"],
        ["IN:9:CGST", "IN:9:SGST"],
        ["IN:9:SGST", "IN:9:CGST"],
    ]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([[CGST, CGST]], id="one tax said twice"),
        pytest.param([[CGST], [{**CGST, "id": "t-other"}]], id="two taxes that mean the same"),
        pytest.param([[CGST], [{**CGST, "name": "cgst \u2013 9 %"}]], id="another spelling"),
        pytest.param([[CGST], [{**CGST, "type": "GST"}]], id="one tells its type"),
        pytest.param([[CGST, vat("9", "LK")], [vat("18", "IN", id="t-c")]], id="other countries and percentages"),
    ],
)
def test_country_and_percentage_are_enough_for_taxes_that_mean_the_same(lines: list[list[dict[str, Any]]]) -> None:
    assert all(key.count(":") == 1 for line in keys(*lines) for key in line)


TEXAS = vat("6.25", "US", id="tx", name="Texas Sales Tax", api_name=None)
EXEMPT = vat("0", id="ex", name="TVA exonérée art. 261", api_name="exempt_fr_0")
LONG = "Exonération de TVA, article 262 ter I du CGI"


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        pytest.param(CGST, SGST, ["IN:9:CGST", "IN:9:SGST"], id="names"),
        pytest.param(
            TEXAS,
            {**TEXAS, "id": "ma", "name": "Massachusetts Sales Tax"},
            ["US:6.25:Texas Sales Tax", "US:6.25:Massachusetts Sales Tax"],
            id="places by name",
        ),
        pytest.param(
            {**EXEMPT, "name": "Exempt – 0 %"},
            {**EXEMPT, "id": "rc", "name": "Autoliquidation", "api_name": "reverse_fr_0"},
            ["FR:0:Exempt", "FR:0:Autoliquidation"],
            id="reasons",
        ),
        pytest.param(
            {**TEXAS, "name": "Sales Tax", "region": "TX"},
            {**TEXAS, "name": "Sales Tax", "region": "MA"},
            ["US:6.25:Sales Tax:TX", "US:6.25:Sales Tax:MA"],
            id="states",
        ),
        pytest.param(
            {**TEXAS, "name": "Sales Tax", "region": "TX"},
            {**TEXAS, "name": "Sales Tax"},
            ["US:6.25:Sales Tax:TX", "US:6.25:Sales Tax"],
            id="one state",
        ),
        pytest.param(
            {**TEXAS, "name": "Sales Tax", "jurisdiction": "Austin"},
            {**TEXAS, "name": "Sales Tax", "jurisdiction": "Dallas"},
            ["US:6.25:Sales Tax:Austin", "US:6.25:Sales Tax:Dallas"],
            id="jurisdictions",
        ),
        pytest.param(
            vat(id="t-1", name="Tax", type="VAT"),
            vat(id="t-2", name="Tax", type="GST"),
            ["FR:20:Tax", "FR:20:Tax (2)"],
            id="types",
        ),
        pytest.param(
            {**EXEMPT, "name": f"{LONG} – livraison"},
            {**EXEMPT, "name": f"{LONG} – exportation", "id": "x"},
            [f"FR:0:{LONG} – liv", f"FR:0:{LONG} – exp"],
            id="long names",
        ),
    ],
)
@pytest.mark.parametrize("lines", [1, 2], ids=["on one line", "on two lines"])
def test_taxes_of_one_percentage_that_mean_something_else_are_two_rates(
    lines: int, one: dict[str, Any], other: dict[str, Any], apart: list[str]
) -> None:
    found = keys([one, other]) if lines == 1 else keys([one], [other])

    assert [key for line in found for key in line] == apart


def test_two_long_names_with_the_same_beginning_are_two_taxes() -> None:
    both = [{**EXEMPT, "name": "x" * 50 + end, "id": end} for end in ("a", "b")]

    assert keys(both[:1], both[1:]) == [["FR:0:" + "x" * 50], ["FR:0:" + "x" * 40 + " (2)"]]


def test_two_taxes_of_one_name_get_two_names() -> None:
    other = {**CGST, "id": "t-other"}

    assert keys([CGST, other], [other]) == [["IN:9:CGST", "IN:9:CGST (2)"], ["IN:9:CGST (2)"]]


def test_a_second_name_is_never_longer_than_stripe_takes() -> None:
    long = {**CGST, "name": "x" * 60}

    ((first, second),) = told_apart([[planned(tax(**long)), planned(tax(**{**long, "id": "t-other"}))]])

    assert len(first.display_name) == 50
    assert len(second.display_name) <= 50
    assert first.display_name != second.display_name
