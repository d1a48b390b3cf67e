"""Which Stripe Tax Rate a tax is: the saved one if it fits, else one that fits, else a new one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from builders import KEY, LINK, a_line, a_quote, vat


def a_rate(v1: Any, percentage: str = "20", **params: Any) -> str:
    given = {"display_name": "VAT", "inclusive": False, "percentage": percentage, "country": "FR", **params}
    return str(v1.tax_rates.create(params=given).id)


def saved(rate: str, **changes: Any) -> dict[str, Any]:
    return vat(external_ids={"accounting": rate}, **changes)


def quote_with(*taxes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return a_quote(a_line(taxes=list(taxes)), **changes)


def used(bench: Any, quote: dict[str, Any]) -> list[str]:
    """The rates on the first line of the quote's invoice."""
    run = bench.accept(quote)
    assert run["status"] == "succeeded", run
    invoices = {invoice["id"]: invoice for invoice in bench.stripe.objects("invoices")}
    line = invoices[run["outcome"]["invoice_id"]]["lines"]["data"][0]
    return [tax["tax_rate_details"]["tax_rate"] for tax in line["taxes"]]


def test_the_saved_rate_is_used_though_a_newer_one_fits_too(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    a_rate(v1)
    bench.enable()

    assert used(bench, quote_with(saved(rate))) == [rate]
    assert bench.posts("/v1/tax_rates") == ["/v1/tax_rates"] * 2  # both made above


@pytest.mark.parametrize(
    "params",
    [{"inclusive": True}, {"percentage": "19.6"}, {"country": "DE"}, {"active": False}],
    ids=["inclusive", "another percentage", "another country", "archived"],
)
def test_a_saved_rate_that_does_not_fit_is_never_used(bench: Any, v1: Any, params: dict[str, Any]) -> None:
    wrong = a_rate(v1, **params)
    bench.enable()

    (rate,) = used(bench, quote_with(saved(wrong)))

    assert rate != wrong
    assert bench.quote("q-7")["saved_ids"]["taxes"] == {"tax_vat_fr_200": rate}


def test_a_saved_rate_of_another_account_is_never_used(bench: Any) -> None:
    bench.enable()

    assert used(bench, quote_with(saved("txr_ofAnotherAccount"))) != ["txr_ofAnotherAccount"]


@pytest.mark.parametrize(("ours", "theirs"), [("20", "20"), ("5.5", "5.50"), ("8.875", "8.875"), ("0", "0.0")])
def test_a_rate_is_found_by_percentage_and_country(bench: Any, v1: Any, ours: str, theirs: str) -> None:
    a_rate(v1, "13")
    rate = a_rate(v1, theirs)
    bench.enable()

    assert used(bench, quote_with(vat(ours, api_name=None))) == [rate]


def test_a_rate_beyond_the_first_page_is_found(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    for number in range(101):
        a_rate(v1, f"{number / 8:.4f}")
    bench.enable()

    assert used(bench, quote_with(vat())) == [rate]


def test_a_rate_without_country_is_not_that_of_a_country(bench: Any, v1: Any) -> None:
    given = {"display_name": "VAT", "inclusive": False, "percentage": "20"}
    nowhere = str(v1.tax_rates.create(params=given).id)
    bench.enable()

    assert used(bench, quote_with(vat())) != [nowhere]


def test_a_new_rate_says_what_and_whose_it_is(bench: Any) -> None:
    bench.enable()

    (rate,) = used(bench, quote_with(vat("5.5")))

    (made,) = bench.stripe.objects("tax_rates")
    assert made["id"] == rate
    assert (made["display_name"], made["country"], made["inclusive"], made["tax_type"]) == ("VAT", "FR", False, "vat")
    assert str(made["percentage"]) == "5.5"
    assert made["metadata"] == {"qwoty_workspace": "ws-1", "qwoty_tax": "tax_vat_fr_55"}
    assert bench.quote("q-7")["saved_ids"]["taxes"] == {"tax_vat_fr_55": rate}


def test_a_tax_that_only_its_api_name_describes_is_understood(bench: Any) -> None:
    bench.enable()

    run = bench.accept(quote_with({"api_name": "vat_fr_55", "rate": None}, total="105.50"))

    assert run["outcome"]["total"] == "105.50"
    assert [(str(r["percentage"]), r["country"]) for r in bench.stripe.objects("tax_rates")] == [("5.5", "FR")]
    assert list(bench.quote("q-7")["saved_ids"]["taxes"]) == ["vat_fr_55"]


def test_a_rate_of_zero_is_a_rate_of_its_own(bench: Any) -> None:
    bench.enable()

    (rate,) = used(bench, quote_with(vat("0")))

    assert bench.stripe.objects("tax_rates")[0]["id"] == rate


def test_several_taxes_of_a_line_are_all_on_it(bench: Any) -> None:
    bench.enable()
    levy = vat("2", api_name="levy_fr_20", id="t9", name="Levy")

    assert len(used(bench, quote_with(vat(), levy))) == 2


def test_two_quotes_share_one_rate_without_searching_long(bench: Any) -> None:
    bench.enable()
    first = used(bench, a_quote(id="q-1"))
    bench.stripe.requests.reset()

    assert used(bench, a_quote(id="q-2")) == first

    asked = [(r.method, r.path) for r in bench.stripe.requests if "tax_rates" in r.path]
    assert asked == [("GET", "/v1/tax_rates")]


@pytest.mark.parametrize("tax", [vat(), vat(id=None, api_name=None)], ids=["with id", "without any id"])
def test_a_rate_archived_after_we_made_it_is_made_anew_although_stripe_replays(
    bench: Any, v1: Any, tax: dict[str, Any]
) -> None:
    bench.enable()
    found = []
    for number in range(3):
        found += used(bench, quote_with(tax, id=f"q-{number}"))
        v1.tax_rates.update(found[-1], params={"active": False})

    assert len(set(found)) == 3


def test_taxes_that_mean_the_same_rate_share_it_and_each_gets_the_id(bench: Any) -> None:
    bench.enable()
    quote = a_quote(a_line("l1", taxes=[vat(id="t-1")]), a_line("l2", taxes=[vat(id="t-2")]))

    (rate,) = used(bench, quote)

    assert len(bench.stripe.objects("tax_rates")) == 1
    assert bench.quote("q-7")["saved_ids"]["taxes"] == {"t-1": rate, "t-2": rate}


def test_a_rate_saved_on_the_second_of_two_equal_taxes_is_used(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    a_rate(v1)
    bench.enable()

    assert used(bench, a_quote(a_line("l1"), a_line("l2", taxes=[saved(rate, id="t-2")]))) == [rate]


def test_of_several_rates_that_fit_the_one_of_the_same_name_is_used(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    a_rate(v1, display_name="Another tax")
    bench.enable()

    assert used(bench, quote_with(vat())) == [rate]


# -- two taxes of one percentage on a line --------------------------------------------------------------

CGST = vat("9", "IN", id="t-c", name="CGST", api_name="cgst_in_90")
SGST = vat("9", "IN", id="t-s", name="SGST", api_name="sgst_in_90")


def names_used(bench: Any, quote: dict[str, Any]) -> list[str]:
    found = used(bench, quote)
    names = {rate["id"]: rate["display_name"] for rate in bench.stripe.objects("tax_rates")}
    return [names[rate] for rate in found]


def test_two_taxes_of_one_percentage_on_a_line_are_two_rates_and_both_are_charged(bench: Any) -> None:
    bench.enable(invoice_status="open")

    assert names_used(bench, quote_with(CGST, SGST, total="118.00")) == ["CGST", "SGST"]

    record = bench.quote("q-7")
    assert (record["total"], record["payment_status"]) == ("118.00", "unpaid")
    assert len(set(record["saved_ids"]["taxes"].values())) == 2


def test_a_second_quote_finds_both_by_name_whatever_their_order(bench: Any) -> None:
    bench.enable()
    first = used(bench, quote_with(CGST, SGST, id="q-1"))

    assert used(bench, quote_with(SGST, CGST, id="q-2")) == first[::-1]
    assert len(bench.stripe.objects("tax_rates")) == 2


def test_a_rate_that_is_saved_on_both_serves_the_one_whose_name_it_has(bench: Any, v1: Any) -> None:
    rate = a_rate(v1, "9", country="IN", display_name="SGST")
    both = {"external_ids": {"accounting": rate}}
    bench.enable()

    assert names_used(bench, quote_with(CGST | both, SGST | both)) == ["CGST", "SGST"]

    assert len(bench.stripe.objects("tax_rates")) == 2
    assert bench.quote("q-7")["saved_ids"]["taxes"].keys() == {"t-c"}, "the other one's is right already"


def test_a_rate_of_another_name_is_not_taken_where_the_name_tells_taxes_apart(bench: Any, v1: Any) -> None:
    a_rate(v1, "9", country="IN", display_name="IGST")
    bench.enable()

    assert names_used(bench, quote_with(CGST, SGST)) == ["CGST", "SGST"]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "cut_before"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_lost_answer_makes_no_third_rate_of_two_equal_ones(bench: Any, fault: str, which: int) -> None:
    bench.stripe.faults.add(fault, method="POST", path="/v1/tax_rates", skip=which)
    bench.enable()

    assert names_used(bench, quote_with(CGST, SGST)) == ["CGST", "SGST"]
    assert len(bench.stripe.objects("tax_rates")) == 2


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "cut_before", "429", "409_in_flight"])
def test_a_lost_answer_makes_no_second_rate(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, method="POST", path="/v1/tax_rates")
    bench.enable()

    used(bench, a_quote(a_line("l1"), a_line("l2", taxes=[vat("5.5")]), total="225.50"))

    assert len(bench.stripe.objects("tax_rates")) == 2


# -- what a tax means -----------------------------------------------------------------------------------

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
def test_a_rate_of_the_same_name_is_the_same_tax_however_it_is_spelled(
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
def test_a_rate_of_another_name_is_used_for_a_percentage_of_one_place_and_said_so(
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


def test_a_rate_without_state_is_not_that_of_a_state(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    bench.enable()

    assert used(bench, quote_with(vat(region="69"))) != [rate]


def test_a_rate_of_another_name_serves_no_country_that_nobody_knows_unless_it_is_saved(bench: Any, v1: Any) -> None:
    given = {"display_name": "TVA", "inclusive": False, "percentage": "20"}
    nowhere = str(v1.tax_rates.create(params=given).id)
    bench.enable()
    tax = vat(api_name=None) | {"country": None}

    assert used(bench, quote_with(tax)) != [nowhere]
    assert used(bench, quote_with(tax | {"external_ids": {"accounting": nowhere}}, id="q-8")) == [nowhere]


def test_a_rate_that_we_made_before_states_were_told_is_used_on(bench: Any, v1: Any) -> None:
    rate = a_rate(v1, metadata={"qwoty_workspace": "ws-1", "qwoty_tax": "tax_vat_fr_200"})
    bench.enable()

    assert used(bench, quote_with(vat(region="69", jurisdiction="Lyon"))) == [rate]


def test_one_rate_that_two_taxes_of_0_percent_shared_serves_the_one_whose_name_it_has(bench: Any, v1: Any) -> None:
    ours = {"qwoty_workspace": "ws-1", "qwoty_tax": "tax_ex"}
    rate = a_rate(v1, "0", display_name="TVA exonérée art. 261", metadata=ours)
    both = {"external_ids": {"accounting": rate}}
    bench.enable()

    (reverse,) = used(bench, quote_with(REVERSE | both, id="q-1", total="100.00"))
    (exempt,) = used(bench, quote_with(EXEMPT | both, id="q-2", total="100.00"))

    assert (reverse != rate, exempt == rate) == (True, True)
    assert bench.quote("q-1")["saved_ids"]["taxes"] == {"tax_rc": reverse}


def test_a_new_rate_says_what_it_means(bench: Any) -> None:
    bench.enable()

    used(
        bench,
        quote_with(vat("6.25", "US", name="Sales Tax – 6.25 %", api_name=None, region="US-TX", jurisdiction="Austin")),
    )

    (made,) = bench.stripe.objects("tax_rates")
    assert (made["display_name"], made["tax_type"]) == ("Sales Tax", "sales_tax")
    assert (made["country"], made["state"], made["jurisdiction"]) == ("US", "TX", "Austin")


def test_a_name_that_stripe_cuts_is_told_apart_by_its_end(bench: Any) -> None:
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


# -- another system's id --------------------------------------------------------------------------------


def test_another_systems_id_on_a_tax_is_left_as_it_is_and_said_once(bench: Any) -> None:
    bench.enable()
    quotes = [
        quote_with(saved("445710"), vat("2", id="levy", name="Levy"), id=f"q-{n}", total="122.00") for n in (1, 2)
    ]

    runs = [bench.accept(quote) for quote in quotes]

    assert [run["status"] for run in runs] == ["succeeded"] * 2, runs
    assert list(bench.quote("q-2")["saved_ids"]["taxes"]) == ["levy"]
    said = "The accounting id of tax 'tax_vat_fr_200' is another system's; it is left as it is."
    assert [run["outcome"]["notes"].count(said) for run in runs] == [1, 0]
    assert len(bench.stripe.objects("tax_rates")) == 2


# -- meanwhile --------------------------------------------------------------------------------------------


def test_a_rate_that_another_quote_made_meanwhile_is_not_made_twice(bench: Any) -> None:
    bench.enable()
    bench.stripe.faults.add("500_before", method="POST", path="^/v1/tax_rates$", times=50)
    both = a_quote(a_line("l1"), a_line("l2", taxes=[vat("5.5")]), total="225.50")
    run = bench.accept(both)
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    (rate,) = used(bench, quote_with(vat("5.5"), id="q-8", total="105.50"))

    run = bench.retry(run["id"])

    assert run["status"] == "succeeded", run
    made = {str(rate["percentage"]): rate["id"] for rate in bench.stripe.objects("tax_rates")}
    assert len(bench.stripe.objects("tax_rates")) == 2
    assert made["5.5"] == rate


def test_a_rate_that_was_archived_while_the_run_waited_is_replaced_once_it_was_refused(bench: Any, v1: Any) -> None:
    bench.enable()
    bench.stripe.faults.add("500_before", path="/add_lines$", times=50)
    run = bench.accept(a_quote())
    assert run["status"] == "waiting"
    bench.stripe.faults.reset()
    (archived,) = bench.stripe.objects("tax_rates")
    v1.tax_rates.update(archived["id"], params={"active": False})

    refused = bench.retry(run["id"])
    again = bench.retry(run["id"])

    assert (refused["status"], refused["error"]["code"]) == ("needs_attention", "stripe_refused")
    assert "is archived" in refused["error"]["title"]
    assert (again["status"], again["outcome"]["total"]) == ("succeeded", "120.00")
    assert len(bench.stripe.objects("tax_rates")) == 2


def test_a_rate_of_our_own_is_used_again_though_another_accounts_was_saved_since(bench: Any, v1: Any) -> None:
    other_key = bench.stripe.add_key("sk_test_OtherAccount01", account="acct_other")
    keys = {"bu_1": KEY, "bu_2": other_key}
    given = {"token_scope": "business_unit", "business_unit_api_tokens": keys}
    bench.host.settings.save("ws-1", "stripe_invoice", given)
    bench.host.settings.enable("ws-1", "stripe_invoice")
    (rate,) = used(bench, a_quote(id="q-1"))
    bench.accept(a_quote(id="q-2", business_unit={"id": "bu_2"}))
    a_rate(v1, display_name="Other")

    assert used(bench, a_quote(id="q-3")) == [rate]


def test_rates_are_read_while_the_customer_is(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(id="first"))
    bench.stripe.requests.reset()
    both = threading.Barrier(2, timeout=20)
    answer = bench.stripe.api.answer

    def answering(given: Any) -> Any:
        if given.method == "GET" and given.path.startswith(("/v1/customers", "/v1/tax_rates")):
            both.wait()  # neither is answered before the other has come
        return answer(given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.stripe.api, "answer", answering)
        run = bench.accept(a_quote(id="second"))

    assert run["status"] == "succeeded", run
    (step,) = [step for step in run["steps"] if step["name"] == "tax_rates"]
    (asked,) = bench.stripe.requests.find("GET", "/v1/tax_rates")
    assert step["request_ids"] == [asked.request_id], "the timeline shows whose request it was"


def test_what_goes_wrong_while_rates_are_read_ahead_is_the_rates_own_trouble(bench: Any) -> None:
    bench.enable(**LINK)
    bench.stripe.faults.add("500_before", path="/v1/tax_rates")

    run = bench.accept(a_quote())

    assert run["status"] == "succeeded", run
    assert {step["name"]: step["attempts"] for step in run["steps"] if step["name"] in {"customer", "tax_rates"}} == {
        "customer": 1,
        "tax_rates": 2,
    }
