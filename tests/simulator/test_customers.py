"""Customers of the simulator: lists, search, updates and refusals."""

from __future__ import annotations

import pytest

from builders import LIVE
from simulator.conftest import refused


def test_an_email_is_matched_exactly_and_case_sensitively(shop):
    shop.a_customer(email="Ada@example.com")
    older, newer = shop.a_customer(), shop.a_customer()

    found = shop.v1.customers.list({"email": "ada@example.com"})

    assert [customer.id for customer in found.data] == [newer.id, older.id]


def test_a_list_is_paged_in_both_directions(shop):
    ids = [shop.a_customer().id for _ in range(5)][::-1]

    page = shop.v1.customers.list({"limit": 2})

    assert [c.id for c in page.data] == ids[:2]
    assert page.has_more
    assert [c.id for c in page.auto_paging_iter()] == ids
    back = shop.v1.customers.list({"limit": 2, "ending_before": ids[3]})
    assert [c.id for c in back.data] == ids[1:3]
    assert refused(shop.v1.customers.list, {"limit": 101}).param == "limit"


def test_a_deleted_customer_answers_200_and_says_so(shop):
    customer = shop.a_customer().id

    shop.v1.customers.delete(customer)

    assert shop.v1.customers.retrieve(customer).to_dict() == {
        "id": customer,
        "object": "customer",
        "deleted": True,
    }
    assert shop.v1.customers.list().data == []
    assert refused(shop.v1.customers.delete, customer).http_status == 404
    assert refused(shop.a_draft, customer=customer).code == "resource_missing"


def test_an_unknown_customer_is_404_in_a_path_and_400_in_a_body(shop):
    in_path = refused(shop.v1.customers.retrieve, "cus_gone")
    in_body = refused(shop.a_draft, customer="cus_gone")

    assert (in_path.http_status, in_path.code, in_path.param) == (404, "resource_missing", "id")
    assert (in_body.http_status, in_body.code, in_body.param) == (400, "resource_missing", "customer")


def test_an_update_changes_only_what_it_names_and_an_empty_string_clears(shop):
    customer = shop.a_customer(phone="1", address={"city": "Paris", "country": "FR"})

    changed = shop.v1.customers.update(customer.id, {"phone": "", "address": {"line1": "Rue 1"}})

    assert (changed.name, changed.phone) == ("Ada", None)
    assert (changed.address.city, changed.address.line1) == ("Paris", "Rue 1")


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"email": "nobody"}, "email"),
        ({"address": {"country": "France"}}, "address[country]"),
        ({"phone": "1" * 21}, "phone"),
        ({"invoice_prefix": "lower"}, "invoice_prefix"),
        ({"tax_exempt": "maybe"}, "tax_exempt"),
    ],
)
def test_a_customer_with_bad_data_is_refused(shop, params, param):
    assert refused(shop.a_customer, **params).param == param


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("metadata['k']:'one'", ["A"]),
        ("metadata['k']:'ONE'", ["A"]),
        ("email:'a@example.com'", ["B", "A"]),
        ("email:'a@example.com' AND metadata['k']:'two'", ["B"]),
        ("metadata['k']:'one' OR metadata['k']:'two'", ["B", "A"]),
        (r"metadata['q']:'it\'s'", ["B"]),
        ("-metadata['k']:'one'", ["B"]),
        ("name~'a'", ["A"]),
        ("metadata['none']:null", ["B", "A"]),
    ],
)
def test_search_understands_its_language(shop, query, names):
    shop.a_customer(name="A", email="a@example.com", metadata={"k": "one"})
    shop.a_customer(name="B", email="a@example.com", metadata={"k": "two", "q": "it's"})

    found = shop.v1.customers.search({"query": query})

    assert [customer.name for customer in found.data] == names


@pytest.mark.parametrize("query", ["colour:'red'", "email:a", "email:'a' AND", "email:'a' AND name:'b' OR phone:'c'"])
def test_a_query_that_cannot_be_read_is_refused(shop, query):
    assert refused(shop.v1.customers.search, {"query": query}).param == "query"


def test_search_lags_behind_until_the_clock_has_passed(shop):
    shop.sim.config.update(search_lag_seconds=60)
    customer = shop.a_customer(metadata={"k": "v"})
    query = {"query": "metadata['k']:'v'"}
    assert shop.v1.customers.search(query).data == []

    shop.sim.clock.advance(61)
    assert [c.id for c in shop.v1.customers.search(query).data] == [customer.id]

    shop.v1.customers.update(customer.id, {"metadata": {"k": ""}})
    assert len(shop.v1.customers.search(query).data) == 1


def test_search_pages_by_its_own_token(shop):
    for _ in range(3):
        shop.a_customer()

    found = shop.v1.customers.search({"query": "name:'Ada'", "limit": 2})

    assert found.next_page
    assert len(list(found.auto_paging_iter())) == 3


def test_test_and_live_mode_and_accounts_are_apart(shop, shop_for):
    customer = shop.a_customer().id
    live = shop_for(f"sk_{LIVE}_0123456789")
    other = shop_for(shop.sim.add_key("sk_test_other0123", account="acct_other"))

    assert "test mode" in refused(live.v1.customers.retrieve, customer).user_message
    assert refused(other.v1.customers.retrieve, customer).http_status == 404
    assert live.a_customer().livemode is True
