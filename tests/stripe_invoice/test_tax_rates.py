"""Which Stripe Tax Rate a tax gets: the saved one if it fits, else another one that fits, else a new one."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from builders import KEY, LINK, a_line, a_quote, vat
from stripe_invoice.conftest import a_rate, quote_with, saved, used


def test_the_saved_rate_is_preferred_to_a_newer_one_that_fits(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    a_rate(v1)
    bench.enable()

    assert used(bench, quote_with(saved(rate))) == [rate]
    assert bench.posts("/v1/tax_rates") == ["/v1/tax_rates"] * 2  # the two of this test


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


def test_a_rate_without_a_country_is_not_used_for_a_countrys_tax(bench: Any, v1: Any) -> None:
    given = {"display_name": "VAT", "inclusive": False, "percentage": "20"}
    nowhere = str(v1.tax_rates.create(params=given).id)
    bench.enable()

    assert used(bench, quote_with(vat())) != [nowhere]


def test_a_new_rate_has_the_data_of_its_tax_and_its_workspace(bench: Any) -> None:
    bench.enable()

    (rate,) = used(bench, quote_with(vat("5.5")))

    (made,) = bench.stripe.objects("tax_rates")
    assert made["id"] == rate
    assert (made["display_name"], made["country"], made["inclusive"], made["tax_type"]) == ("VAT", "FR", False, "vat")
    assert str(made["percentage"]) == "5.5"
    assert made["metadata"] == {"qwoty_workspace": "ws-1", "qwoty_tax": "tax_vat_fr_55"}
    assert bench.quote("q-7")["saved_ids"]["taxes"] == {"tax_vat_fr_55": rate}


def test_a_tax_with_only_an_api_name_is_understood(bench: Any) -> None:
    bench.enable()

    run = bench.accept(quote_with({"api_name": "vat_fr_55", "rate": None}, total="105.50"))

    assert run["outcome"]["total"] == "105.50"
    assert [(str(r["percentage"]), r["country"]) for r in bench.stripe.objects("tax_rates")] == [("5.5", "FR")]
    assert list(bench.quote("q-7")["saved_ids"]["taxes"]) == ["vat_fr_55"]


def test_a_tax_of_zero_gets_a_rate_of_zero(bench: Any) -> None:
    bench.enable()

    (rate,) = used(bench, quote_with(vat("0")))

    assert bench.stripe.objects("tax_rates")[0]["id"] == rate


def test_a_line_has_a_rate_for_each_of_its_taxes(bench: Any) -> None:
    bench.enable()
    levy = vat("2", api_name="levy_fr_20", id="t9", name="Levy")

    assert len(used(bench, quote_with(vat(), levy))) == 2


def test_a_second_quote_finds_its_rate_with_one_request(bench: Any) -> None:
    bench.enable()
    first = used(bench, a_quote(id="q-1"))
    bench.stripe.requests.reset()

    assert used(bench, a_quote(id="q-2")) == first

    asked = [(r.method, r.path) for r in bench.stripe.requests if "tax_rates" in r.path]
    assert asked == [("GET", "/v1/tax_rates")]


@pytest.mark.parametrize("tax", [vat(), vat(id=None, api_name=None)], ids=["with id", "without any id"])
def test_a_rate_that_somebody_archived_is_made_again(bench: Any, v1: Any, tax: dict[str, Any]) -> None:
    bench.enable()
    found = []
    for number in range(3):
        found += used(bench, quote_with(tax, id=f"q-{number}"))
        v1.tax_rates.update(found[-1], params={"active": False})

    assert len(set(found)) == 3


def test_equal_taxes_share_one_rate_and_each_saves_its_id(bench: Any) -> None:
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


def test_the_rate_of_the_same_name_is_preferred_among_several_that_fit(bench: Any, v1: Any) -> None:
    rate = a_rate(v1)
    a_rate(v1, display_name="Another tax")
    bench.enable()

    assert used(bench, quote_with(vat())) == [rate]


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "cut_before", "429", "409_in_flight"])
def test_a_lost_answer_makes_no_second_rate(bench: Any, fault: str) -> None:
    bench.stripe.faults.add(fault, method="POST", path="/v1/tax_rates")
    bench.enable()

    used(bench, a_quote(a_line("l1"), a_line("l2", taxes=[vat("5.5")]), total="225.50"))

    assert len(bench.stripe.objects("tax_rates")) == 2


def test_another_systems_saved_id_on_a_tax_is_kept_and_noted_once(bench: Any) -> None:
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


def test_a_rate_that_another_quote_makes_meanwhile_is_not_made_twice(bench: Any) -> None:
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


def test_a_rate_that_was_archived_while_the_run_waited_is_replaced_after_the_refusal(bench: Any, v1: Any) -> None:
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


def test_a_rate_is_used_again_although_another_accounts_rate_was_saved_since(bench: Any, v1: Any) -> None:
    other_key = bench.stripe.add_key("sk_test_OtherAccount01", account="acct_other")
    keys = {"bu_1": KEY, "bu_2": other_key}
    given = {"token_scope": "business_unit", "business_unit_api_tokens": keys}
    bench.host.settings.save("ws-1", "stripe_invoice", given)
    bench.host.settings.enable("ws-1", "stripe_invoice")
    (rate,) = used(bench, a_quote(id="q-1"))
    bench.accept(a_quote(id="q-2", business_unit={"id": "bu_2"}))
    a_rate(v1, display_name="Other")

    assert used(bench, a_quote(id="q-3")) == [rate]


def test_tax_rates_and_the_customer_are_read_at_the_same_time(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(id="first"))
    bench.stripe.requests.reset()
    both = threading.Barrier(2, timeout=20)
    answer = bench.stripe.api.answer

    def answering(given: Any) -> Any:
        if given.method == "GET" and given.path.startswith(("/v1/customers", "/v1/tax_rates")):
            both.wait()  # each answer waits until both requests have come
        return answer(given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.stripe.api, "answer", answering)
        run = bench.accept(a_quote(id="second"))

    assert run["status"] == "succeeded", run
    (step,) = [step for step in run["steps"] if step["name"] == "tax_rates"]
    (asked,) = bench.stripe.requests.find("GET", "/v1/tax_rates")
    assert step["request_ids"] == [asked.request_id], "the timeline shows whose request it was"


def test_a_fault_while_tax_rates_are_read_ahead_is_retried_in_their_own_step(bench: Any) -> None:
    bench.enable(**LINK)
    bench.stripe.faults.add("500_before", path="/v1/tax_rates")

    run = bench.accept(a_quote())

    assert run["status"] == "succeeded", run
    assert {step["name"]: step["attempts"] for step in run["steps"] if step["name"] in {"customer", "tax_rates"}} == {
        "customer": 1,
        "tax_rates": 2,
    }
