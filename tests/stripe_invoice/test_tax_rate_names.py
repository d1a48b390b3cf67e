"""Names, places and types tell taxes of one percentage apart."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_line, a_quote, vat
from stripe_invoice.conftest import a_rate, quote_with, used

CGST = vat("9", "IN", id="t-c", name="CGST", api_name="cgst_in_90")
SGST = vat("9", "IN", id="t-s", name="SGST", api_name="sgst_in_90")


def names_used(bench: Any, quote: dict[str, Any]) -> list[str]:
    found = used(bench, quote)
    names = {rate["id"]: rate["display_name"] for rate in bench.stripe.objects("tax_rates")}
    return [names[rate] for rate in found]


def test_two_taxes_of_one_percentage_on_one_line_are_both_charged(bench: Any) -> None:
    bench.enable(invoice_status="open")

    assert names_used(bench, quote_with(CGST, SGST, total="118.00")) == ["CGST", "SGST"]

    record = bench.quote("q-7")
    assert (record["total"], record["payment_status"]) == ("118.00", "unpaid")
    assert len(set(record["saved_ids"]["taxes"].values())) == 2


def test_a_second_quote_finds_both_rates_by_name_in_any_order(bench: Any) -> None:
    bench.enable()
    first = used(bench, quote_with(CGST, SGST, id="q-1"))

    assert used(bench, quote_with(SGST, CGST, id="q-2")) == first[::-1]
    assert len(bench.stripe.objects("tax_rates")) == 2


def test_a_rate_that_is_saved_on_both_taxes_serves_the_tax_of_its_name(bench: Any, v1: Any) -> None:
    rate = a_rate(v1, "9", country="IN", display_name="SGST")
    both = {"external_ids": {"accounting": rate}}
    bench.enable()

    assert names_used(bench, quote_with(CGST | both, SGST | both)) == ["CGST", "SGST"]

    assert len(bench.stripe.objects("tax_rates")) == 2
    assert bench.quote("q-7")["saved_ids"]["taxes"].keys() == {"t-c"}, "the other tax keeps its saved id"


def test_a_rate_of_another_name_is_not_used_where_names_tell_taxes_apart(bench: Any, v1: Any) -> None:
    a_rate(v1, "9", country="IN", display_name="IGST")
    bench.enable()

    assert names_used(bench, quote_with(CGST, SGST)) == ["CGST", "SGST"]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "cut_before"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_lost_answer_makes_no_third_rate_for_two_taxes(bench: Any, fault: str, which: int) -> None:
    bench.stripe.faults.add(fault, method="POST", path="/v1/tax_rates", skip=which)
    bench.enable()

    assert names_used(bench, quote_with(CGST, SGST)) == ["CGST", "SGST"]
    assert len(bench.stripe.objects("tax_rates")) == 2


EXEMPT = vat("0", id="tax_ex", name="TVA exonérée art. 261", api_name="exempt_fr_0")
REVERSE = vat("0", id="tax_rc", name="Autoliquidation art. 283", api_name="reverse_fr_0")
TEXAS = vat("6.25", "US", id="tx", name="Texas Sales Tax", api_name=None)
MASSACHUSETTS = vat("6.25", "US", id="ma", name="Massachusetts Sales Tax", api_name=None)


def names_on_lines(bench: Any, quote: dict[str, Any]) -> list[str]:
    """The names of the rates on the lines of the quote's invoice."""
    run = bench.accept(quote)
    assert run["status"] == "succeeded", run
    names = {rate["id"]: rate["display_name"] for rate in bench.stripe.objects("tax_rates")}
    invoices = {invoice["id"]: invoice for invoice in bench.stripe.objects("invoices")}
    lines = invoices[run["outcome"]["invoice_id"]]["lines"]["data"]
    return [names[tax["tax_rate_details"]["tax_rate"]] for line in lines for tax in line["taxes"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [pytest.param(EXEMPT, REVERSE, id="reasons for 0 %"), pytest.param(TEXAS, MASSACHUSETTS, id="places")],
)
def test_taxes_of_one_percentage_keep_their_names_and_are_found_again(
    bench: Any, one: dict[str, Any], other: dict[str, Any]
) -> None:
    bench.enable()

    both = a_quote(a_line("l1", taxes=[one]), a_line("l2", taxes=[other]), id="q-1")
    assert names_on_lines(bench, both) == [one["name"], other["name"]]

    assert names_on_lines(bench, quote_with(other, id="q-2")) == [other["name"]]
    assert names_on_lines(bench, quote_with(one | {"id": "t-new"}, id="q-3")) == [one["name"]]
    assert len(bench.stripe.objects("tax_rates")) == 2


@pytest.mark.parametrize(
    ("there", "tax"),
    [
        pytest.param({"percentage": "0", "display_name": "VAT"}, REVERSE, id="0 % of another name"),
        pytest.param({"display_name": "GST", "tax_type": "gst"}, vat(name="VAT"), id="another type"),
        pytest.param({"display_name": "VAT", "tax_type": "gst"}, vat(name="VAT"), id="another type of this name"),
        pytest.param({"state": "69"}, vat(), id="a state's"),
        pytest.param({"jurisdiction": "Lyon"}, vat(), id="a jurisdiction's"),
        pytest.param({"state": "75"}, vat(region="69"), id="another state's"),
        pytest.param(
            {"display_name": "TVA", "metadata": {"qwoty_workspace": "ws-1", "qwoty_tax": "another"}},
            vat(),
            id="made for another tax",
        ),
        pytest.param(
            {"display_name": "TVA", "metadata": {"qwoty_workspace": "ws-2", "qwoty_tax": "tax_vat_fr_200"}},
            vat(),
            id="made for another workspace's tax",
        ),
    ],
)
@pytest.mark.parametrize("is_saved", [False, True], ids=["found", "saved"])
def test_a_rate_that_means_another_tax_is_not_used(
    bench: Any, v1: Any, is_saved: bool, there: dict[str, Any], tax: dict[str, Any]
) -> None:
    rate = a_rate(v1, **there)
    bench.enable()

    (new,) = used(bench, quote_with(tax | ({"external_ids": {"accounting": rate}} if is_saved else {})))

    made = bench.stripe.objects("tax_rates")[1]
    assert new == made["id"] != rate
    assert (made["display_name"], made["state"]) == (tax["name"].removesuffix(" 20%"), tax.get("region"))


@pytest.mark.parametrize(
    "there",
    [
        {"display_name": "vat"},
        {"display_name": " VAT"},
        {"display_name": "VAT 20%"},
        {"display_name": "Vat – 20 %"},
        {"tax_type": "vat"},
        {"metadata": {"qwoty_workspace": "ws-1", "qwoty_tax": "another"}},
        {"metadata": {"qwoty_workspace": "ws-2", "qwoty_tax": "another"}},
    ],
)
def test_a_rate_of_the_same_name_is_used_however_the_name_is_spelled(
    bench: Any, v1: Any, there: dict[str, Any]
) -> None:
    rate = a_rate(v1, **there)
    bench.enable()

    run = bench.accept(a_quote())

    assert [one["id"] for one in bench.stripe.objects("tax_rates")] == [rate]
    assert not [note for note in run["outcome"]["notes"] if rate in note]


@pytest.mark.parametrize(
    ("there", "tax"),
    [
        pytest.param({}, vat(), id="found"),
        pytest.param({"metadata": {"accountant": "yes"}}, vat(), id="with metadata of somebody's"),
        pytest.param({"state": "69"}, vat(region="FR-69"), id="of the same state"),
        pytest.param(
            {"metadata": {"qwoty_workspace": "ws-1", "qwoty_tax": "tax_vat_fr_200"}}, vat(), id="renamed in Qwoty"
        ),
    ],
)
def test_a_rate_of_another_name_is_used_for_the_same_country_and_percentage_and_noted(
    bench: Any, v1: Any, there: dict[str, Any], tax: dict[str, Any]
) -> None:
    rate = a_rate(v1, display_name="TVA normale", **there)
    bench.enable()

    run = bench.accept(quote_with(tax))

    assert [one["id"] for one in bench.stripe.objects("tax_rates")] == [rate]
    assert (
        f"The Tax Rate {rate} was used for 'VAT 20 %', as country and percentage are the same; the invoice calls it "
        "'TVA normale'." in run["outcome"]["notes"]
    )


def test_a_rate_without_a_state_is_not_used_for_a_states_tax(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    bench.enable()

    assert used(bench, quote_with(vat(region="69"))) != [rate]


def test_a_tax_of_an_unknown_country_uses_a_rate_of_another_name_only_if_it_is_saved(bench: Any, v1: Any) -> None:
    given = {"display_name": "TVA", "inclusive": False, "percentage": "20"}
    nowhere = str(v1.tax_rates.create(params=given).id)
    bench.enable()
    tax = vat(api_name=None) | {"country": None}

    assert used(bench, quote_with(tax)) != [nowhere]
    assert used(bench, quote_with(tax | {"external_ids": {"accounting": nowhere}}, id="q-8")) == [nowhere]


def test_a_rate_that_we_made_before_states_existed_is_still_used(bench: Any, v1: Any) -> None:
    rate = a_rate(v1, metadata={"qwoty_workspace": "ws-1", "qwoty_tax": "tax_vat_fr_200"})
    bench.enable()

    assert used(bench, quote_with(vat(region="69", jurisdiction="Lyon"))) == [rate]


def test_a_rate_that_two_taxes_of_0_percent_shared_serves_the_tax_of_its_name(bench: Any, v1: Any) -> None:
    ours = {"qwoty_workspace": "ws-1", "qwoty_tax": "tax_ex"}
    rate = a_rate(v1, "0", display_name="TVA exonérée art. 261", metadata=ours)
    both = {"external_ids": {"accounting": rate}}
    bench.enable()

    (reverse,) = used(bench, quote_with(REVERSE | both, id="q-1", total="100.00"))
    (exempt,) = used(bench, quote_with(EXEMPT | both, id="q-2", total="100.00"))

    assert (reverse != rate, exempt == rate) == (True, True)
    assert bench.quote("q-1")["saved_ids"]["taxes"] == {"tax_rc": reverse}


def test_a_new_rate_has_the_name_type_and_place_of_its_tax(bench: Any) -> None:
    bench.enable()

    used(
        bench,
        quote_with(vat("6.25", "US", name="Sales Tax – 6.25 %", api_name=None, region="US-TX", jurisdiction="Austin")),
    )

    (made,) = bench.stripe.objects("tax_rates")
    assert (made["display_name"], made["tax_type"]) == ("Sales Tax", "sales_tax")
    assert (made["country"], made["state"], made["jurisdiction"]) == ("US", "TX", "Austin")


def test_two_long_names_that_differ_only_at_their_end_are_two_rates(bench: Any) -> None:
    bench.enable()
    names = ["Exonération de TVA, article 262 ter I du CGI, biens " + end for end in ("livrés", "exportés")]
    one, other = (vat("0", id=f"t-{n}", name=name, api_name=None) for n, name in enumerate(names))

    first = used(bench, quote_with(one, id="q-1", total="100.00"))
    second = used(bench, quote_with(other, id="q-2", total="100.00"))

    assert first != second
    assert [rate["description"] for rate in bench.stripe.objects("tax_rates")] == names
    assert used(bench, quote_with(one, id="q-3", total="100.00")) == first
    assert used(bench, quote_with(other | {"id": "t-new"}, id="q-4", total="100.00")) == second


def test_names_in_any_script_tell_taxes_apart(bench: Any) -> None:
    bench.enable()
    names = ["Налог А", "消費税 – 9 %"]
    taxes = [vat("9", "IN", id=f"t-{n}", name=name, api_name=None) for n, name in enumerate(names)]

    assert names_used(bench, quote_with(*taxes)) == ["Налог А", "消費税"]
