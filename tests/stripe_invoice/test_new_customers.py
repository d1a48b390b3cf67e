"""A contact without a Stripe customer gets a new one, and the next quote finds it again."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, a_quote
from stripe_invoice.conftest import asked, billed


def test_a_new_customer_carries_name_email_address_company_and_metadata(bench: Any) -> None:
    bench.enable()
    quote = a_quote(language="fr")
    quote["customer"]["billing_address"] |= {"line2": None, "country": "France", "state": "Rhône"}

    new = billed(bench, quote)

    (found,) = bench.stripe.objects("customers")
    assert found["id"] == new
    assert (found["name"], found["email"], found["business_name"]) == ("Ana Diaz", "ana@buyer.example", "Buyer SARL")
    assert found["address"] == {
        "line1": "2 rue B",
        "line2": None,
        "city": "Lyon",
        "state": "Rhône",
        "postal_code": "69001",
        "country": "FR",
    }
    assert found["preferred_locales"] == ["fr"]
    assert found["metadata"] == {"qwoty_workspace": "ws-1", "qwoty_contact": "c-1", "qwoty_customer": "cust-1"}


@pytest.mark.parametrize(
    ("country", "sent", "notes"),
    [
        ({"country": "France", "country_code": None}, "FR", []),
        ({"country": "France", "country_code": "DE"}, "DE", []),
        ({"country": "UK"}, "GB", []),
        (
            {"country": "Atlantis"},
            None,
            ["The country 'Atlantis' of the customer's address is not understood: Stripe's customer has none."],
        ),
        (
            {"country_code": "EU"},
            None,
            ["The country 'EU' of the customer's address is not understood: Stripe's customer has none."],
        ),
        ({}, None, []),
    ],
)
def test_the_country_is_sent_as_a_code_or_not_at_all(
    bench: Any, country: dict[str, Any], sent: str | None, notes: list[str]
) -> None:
    bench.enable()
    quote = a_quote()
    quote["customer"]["billing_address"] = {"city": "Lyon", **country}

    run = bench.accept(quote)

    assert run["status"] == "succeeded", run
    assert bench.stripe.objects("customers")[0]["address"]["country"] == sent
    assert [note for note in run["outcome"]["notes"] if "country" in note] == notes


def test_a_person_has_no_company_name(bench: Any) -> None:
    bench.enable()
    quote = a_quote()
    quote["customer"] |= {"type": "individual", "name": "Ana Diaz"}

    billed(bench, quote)

    assert bench.stripe.objects("customers")[0]["business_name"] is None
    assert [f["name"] for f in bench.stripe.objects("invoices")[0]["custom_fields"]] == ["Quote"]


def test_the_company_is_also_on_the_invoice(bench: Any) -> None:
    bench.enable()

    billed(bench, a_quote())

    (invoice,) = bench.stripe.objects("invoices")
    assert invoice["custom_fields"] == [
        {"name": "Quote", "value": "N-q-7"},
        {"name": "Company", "value": "Buyer SARL"},
    ]


@pytest.mark.parametrize(
    ("contact", "name"),
    [
        ({"first_name": None, "last_name": None}, "Buyer SARL"),
        ({"first_name": "Ana", "last_name": None}, "Ana"),
        ({"first_name": "x" * 300, "last_name": None}, "x" * 256),
    ],
    ids=["no name", "one name", "too long"],
)
def test_the_name_is_the_contacts_or_the_companys_and_is_cut_to_fit(
    bench: Any, contact: dict[str, Any], name: str
) -> None:
    bench.enable()

    billed(bench, a_quote(contact=contact))

    assert bench.stripe.objects("customers")[0]["name"] == name


def test_a_contact_without_email_gets_a_customer_without_email(bench: Any) -> None:
    bench.enable()

    billed(bench, a_quote(contact={"email": None}))

    assert bench.stripe.objects("customers")[0]["email"] is None


@pytest.mark.parametrize("fault", ["cut_after", "500_after", "500_before", "cut_before"])
def test_a_lost_answer_makes_no_second_customer_without_an_email(bench: Any, fault: str) -> None:
    bench.stripe.config.update(search_lag_seconds=3600.0)
    bench.stripe.faults.add(fault, method="POST", path="/v1/customers")
    bench.enable()

    billed(bench, a_quote(contact={"email": None}))

    assert len(bench.stripe.objects("customers")) == 1


def test_the_customer_id_is_saved_on_the_contact_for_the_next_quote(bench: Any) -> None:
    bench.enable()
    first = billed(bench, a_quote(id="q-1"))
    assert bench.quote("q-1")["saved_ids"]["contacts"] == {"c-1": first}
    bench.stripe.requests.reset()

    assert billed(bench, a_quote(id="q-2")) == first

    assert asked(bench) == [("GET", f"/v1/customers/{first}")]


def test_two_queued_quotes_of_one_new_contact_make_one_customer(bench: Any) -> None:
    bench.enable()
    bench.host.runs.acceptance.accept("ws-1", a_quote(id="q-1"))
    bench.host.runs.acceptance.accept("ws-1", a_quote(id="q-2"))

    bench.work()

    assert len(bench.stripe.objects("customers")) == 1
    assert len(bench.stripe.objects("invoices")) == 2


def test_a_customer_that_somebody_deleted_is_made_again(bench: Any, v1: Any) -> None:
    bench.enable()
    first = billed(bench, a_quote(id="q-1"))
    v1.customers.delete(first)

    second = billed(bench, a_quote(id="q-2"))

    v1.customers.delete(second)
    third = billed(bench, a_quote(id="q-3"))
    assert len({first, second, third}) == 3
    assert bench.quote("q-3")["saved_ids"]["contacts"] == {"c-1": third}


def test_each_workspace_keeps_its_own_map(bench: Any) -> None:
    bench.enable()
    bench.stripe.add_key("sk_test_OtherAccount01", account="acct_other")
    bench.enable("ws-2", workspace_api_token="sk_test_OtherAccount01")

    billed(bench, a_quote())
    run = bench.accept(a_quote(), workspace="ws-2")

    assert run["status"] == "succeeded", run
    assert len(bench.stripe.objects("customers", account="acct_other")) == 1


def test_a_contact_of_another_workspace_with_the_same_id_is_another_customer(bench: Any) -> None:
    for workspace in ("ws-1", "ws-2"):
        bench.enable(workspace, **EMAIL)
    bench.accept(a_quote(contact={"id": "1", "email": "ana@buyer.example"}))

    run = bench.accept(a_quote(contact={"id": "1", "email": "bob@other.example"}), "ws-2")

    assert run["status"] == "succeeded", run
    assert [sent["to"] for sent in bench.stripe.objects("sent")] == ["ana@buyer.example", "bob@other.example"]
