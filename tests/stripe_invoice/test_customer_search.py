"""Which Stripe customer a contact is: the saved one, the one in our map, or one found by search or e-mail address."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, a_quote
from stripe_invoice.conftest import a_customer, asked, billed, with_saved


def ours(v1: Any, **params: Any) -> str:
    return a_customer(v1, metadata={"qwoty_contact": "c-1"}, **params)


def test_the_saved_customer_is_used_after_one_request(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="other@buyer.example")
    bench.enable()
    bench.stripe.requests.reset()

    assert billed(bench, with_saved(customer)) == customer

    assert asked(bench) == [("GET", f"/v1/customers/{customer}")]


def test_an_existing_customers_data_is_never_overwritten(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, name="As the accountant wrote it")
    bench.enable()

    billed(bench, with_saved(customer))

    (found,) = bench.stripe.objects("customers")
    assert (found["id"], found["name"], found["metadata"]) == (customer, "As the accountant wrote it", {})


def test_a_deleted_saved_customer_counts_as_no_match(bench: Any, v1: Any) -> None:
    gone = a_customer(v1)
    v1.customers.delete(gone)
    bench.enable()

    new = billed(bench, with_saved(gone))

    assert new != gone
    assert bench.quote("q-7")["saved_ids"]["contacts"] == {"c-1": new}


def test_a_saved_customer_of_another_account_counts_as_no_match(bench: Any) -> None:
    bench.enable()

    new = billed(bench, with_saved("cus_ofAnotherAccount"))

    assert [c["id"] for c in bench.stripe.objects("customers")] == [new]


@pytest.mark.parametrize("foreign", ["411000", "CUST-1", "in_123", "cus-1"])
def test_a_saved_id_that_is_no_customer_id_is_never_requested(bench: Any, foreign: str) -> None:
    bench.enable()

    assert billed(bench, with_saved(foreign)).startswith("cus_")

    assert not any(foreign in path for _, path in asked(bench))


def test_another_systems_saved_id_is_kept_and_noted_once(bench: Any) -> None:
    bench.enable()

    runs = [bench.accept(with_saved("411000") | {"id": f"q-{number}"}) for number in (1, 2)]

    assert bench.quote("q-2")["saved_ids"]["contacts"] == {}
    said = "The accounting id of contact 'c-1' is another system's; it is left as it is."
    assert [run["outcome"]["notes"].count(said) for run in runs] == [1, 0]
    assert runs[0]["outcome"]["customer_id"] == runs[1]["outcome"]["customer_id"]


def test_our_own_map_comes_before_any_search(bench: Any) -> None:
    bench.enable()
    first = billed(bench, a_quote(id="q-1"))
    with bench.host.store.write() as db:
        db.exec_driver_sql("UPDATE external_ids SET value = '411000'")
    bench.stripe.requests.reset()

    assert billed(bench, a_quote(id="q-2")) == first

    assert asked(bench) == [("GET", f"/v1/customers/{first}")]


def test_a_customer_is_found_by_the_contacts_id(bench: Any, v1: Any) -> None:
    customer = ours(v1, email="old@buyer.example")
    a_customer(v1)
    bench.enable()

    assert billed(bench, a_quote()) == customer


def test_a_search_hit_whose_contact_id_differs_in_case_is_not_used(bench: Any, v1: Any) -> None:
    ours(v1, email="somebody@else.example")
    bench.enable()

    new = billed(bench, a_quote(contact={"id": "C-1"}))

    assert bench.stripe.objects("customers")[1]["id"] == new


def test_a_contact_id_with_quotes_is_searched_for_safely(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="old@buyer.example", metadata={"qwoty_contact": "o'ne\\two"})
    bench.enable()

    assert billed(bench, a_quote(contact={"id": "o'ne\\two"})) == customer


def test_the_email_finds_a_customer_that_search_does_not_know_yet(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(search_lag_seconds=3600.0)
    customer = ours(v1)
    bench.enable()

    assert billed(bench, a_quote()) == customer


def test_a_key_that_may_not_search_lists_by_email(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(search_refused_to_restricted_keys=True)
    bench.stripe.add_key("rk_test_Restricted001", permissions=["customer_write", "invoice_write", "tax_rate_write"])
    customer = a_customer(v1)
    bench.enable(workspace_api_token="rk_test_Restricted001")

    assert billed(bench, a_quote()) == customer


@pytest.mark.parametrize("fault", [("404", None), ("unknown_parameter", None)], ids=["404", "400"])
def test_the_list_finds_the_customer_where_search_does_not_exist(bench: Any, v1: Any, fault: tuple[str, None]) -> None:
    customer = a_customer(v1)
    bench.stripe.faults.add(fault[0], method="GET", path="/v1/customers/search")
    bench.enable()

    assert billed(bench, a_quote()) == customer


@pytest.mark.parametrize("written", ["ana@buyer.example", "ANA@Buyer.Example"])
def test_the_email_is_looked_up_as_written_and_in_lower_case(bench: Any, v1: Any, written: str) -> None:
    customer = a_customer(v1, email="ana@buyer.example")
    bench.enable()

    assert billed(bench, a_quote(contact={"email": written})) == customer


def test_an_email_written_in_capitals_at_stripe_is_found_as_written(bench: Any, v1: Any) -> None:
    customer = a_customer(v1, email="Ana@Buyer.example")
    bench.enable()

    assert billed(bench, a_quote(contact={"email": "Ana@Buyer.example"})) == customer


@pytest.mark.parametrize(
    ("at_stripe", "written"),
    [
        pytest.param("Ana@Buyer.Example", "ana@buyer.example", id="capitals at Stripe only"),
        pytest.param("Ana@Buyer.example", "ANA@buyer.example", id="other capitals at Stripe"),
    ],
)
def test_an_email_with_other_capitals_at_stripe_is_found(bench: Any, v1: Any, at_stripe: str, written: str) -> None:
    customer = a_customer(v1, email=at_stripe)
    bench.enable()

    assert billed(bench, a_quote(contact={"email": written})) == customer


def test_the_contacts_own_customer_is_preferred_among_several_with_one_email(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(search_lag_seconds=3600.0)
    a_customer(v1)
    customer = ours(v1)
    a_customer(v1)
    bench.enable()

    run = bench.accept(a_quote())

    assert run["outcome"]["customer_id"] == customer
    assert not any("have this e-mail" in note for note in run["outcome"]["notes"])


def test_the_oldest_of_several_strangers_with_one_email_is_used_and_noted(bench: Any, v1: Any) -> None:
    oldest = a_customer(v1)
    bench.stripe.clock.advance(60)
    a_customer(v1)
    bench.enable()

    run = bench.accept(a_quote())

    assert run["outcome"]["customer_id"] == oldest
    assert any("2 Stripe customers" in note and oldest in note for note in run["outcome"]["notes"])


def test_the_first_of_two_customers_made_in_one_second_counts_as_the_oldest(bench: Any, v1: Any) -> None:
    oldest, second = a_customer(v1), a_customer(v1)
    bench.enable()

    assert billed(bench, a_quote()) == oldest != second


def test_a_deleted_customer_is_not_found_by_email(bench: Any, v1: Any) -> None:
    gone = a_customer(v1)
    v1.customers.delete(gone)
    bench.enable()

    assert billed(bench, a_quote()) != gone


@pytest.mark.parametrize("saved", [True, False])
def test_an_email_with_an_international_domain_finds_its_customer(bench: Any, v1: Any, saved: bool) -> None:
    customer = a_customer(v1, email="info@münchen.example")
    quote = with_saved(customer) if saved else a_quote()
    quote["customer"]["contacts"][0]["email"] = "info@münchen.example"
    bench.enable(**EMAIL)

    run = bench.accept(quote)

    assert (run["status"], run["outcome"]["customer_id"]) == ("succeeded", customer), run
    assert len(bench.stripe.objects("customers")) == 1
