"""A Stripe customer that we made follows its contact and quote, and each change is noted."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_quote
from stripe_invoice.conftest import a_customer, asked, billed, notes_of_success


@pytest.mark.parametrize(
    ("contact", "changed", "note"),
    [
        (
            {"email": "new@buyer.example"},
            {"email": "new@buyer.example"},
            "The Stripe customer's e-mail address is now the contact's, 'new@buyer.example'; it was 'ana@buyer.example'.",
        ),
        (
            {"last_name": "Dupont"},
            {"name": "Ana Dupont"},
            "The Stripe customer's name is now the contact's, 'Ana Dupont'; it was 'Ana Diaz'.",
        ),
        (
            {"phone": "+33 1 23"},
            {"phone": "+33 1 23"},
            "The Stripe customer's phone number is now the contact's, '+33 1 23'; it had none.",
        ),
        ({"email": "ANA@buyer.example"}, {}, None),
        ({"first_name": " Ana ", "phone": None}, {}, None),
        ({"email": None}, {}, None),
    ],
)
def test_a_customer_that_we_made_follows_its_contact(
    bench: Any, contact: dict[str, Any], changed: dict[str, Any], note: str | None
) -> None:
    bench.enable()
    billed(bench, a_quote(id="q-1"))
    (before,) = bench.stripe.objects("customers")
    bench.stripe.requests.reset()

    run = bench.accept(a_quote(id="q-2", contact=contact))

    assert bench.stripe.objects("customers") == [before | changed]
    assert [one for one in notes_of_success(run) if "Stripe customer" in one] == ([note] if note else [])
    customer = f"/v1/customers/{before['id']}"
    assert asked(bench) == [("GET", customer), *([("POST", customer)] if changed else [])]


def test_company_language_and_address_follow_the_quote_in_one_update(bench: Any) -> None:
    bench.enable()
    billed(bench, a_quote(id="q-1"))
    moved = a_quote(id="q-2", language="fr")
    moved["customer"] |= {"name": "Buyer SAS", "billing_address": {"city": "Genève", "country": "Suisse"}}

    run = bench.accept(moved)

    (found,) = bench.stripe.objects("customers")
    nothing = dict.fromkeys(("line1", "line2", "state", "postal_code"))
    assert found["address"] == {**nothing, "city": "Genève", "country": "CH"}
    assert (found["business_name"], found["preferred_locales"]) == ("Buyer SAS", ["fr"])
    assert [note for note in notes_of_success(run) if "Stripe customer" in note] == [
        "The Stripe customer's company name is now the contact's, 'Buyer SAS'; it was 'Buyer SARL'.",
        "The Stripe customer's address is now the quote's, 'Genève, CH'; it was '2 rue B, Lyon, 69001, FR'.",
        "The Stripe customer's language is now the quote's, 'fr'; it was 'en'.",
    ]
    assert len(bench.posts(f"/v1/customers/{found['id']}")) == 1
    assert not [note for note in notes_of_success(bench.accept(moved | {"id": "q-3"})) if "Stripe customer" in note]


def test_a_name_that_changes_there_and_back_is_updated_each_time(bench: Any) -> None:
    bench.enable()

    for number, name in enumerate(("Ana", "Bea", "Ana", "Bea")):
        billed(bench, a_quote(id=f"q-{number}", contact={"first_name": name}))
        bench.clock.advance(1)
        assert bench.stripe.objects("customers")[0]["name"] == f"{name} Diaz"


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "500_after", "500_before", "429"])
def test_a_lost_answer_to_the_update_loses_no_note(bench: Any, fault: str) -> None:
    bench.enable()
    billed(bench, a_quote(id="q-1"))
    bench.stripe.faults.add(fault, method="POST", path="/v1/customers/cus_")

    run = bench.accept(a_quote(id="q-2", contact={"first_name": "Bea"}))

    assert bench.stripe.objects("customers")[0]["name"] == "Bea Diaz"
    assert "The Stripe customer's name is now the contact's, 'Bea Diaz'; it was 'Ana Diaz'." in notes_of_success(run)


def test_an_address_that_agrees_with_the_quotes_is_not_noted(bench: Any, v1: Any) -> None:
    a_customer(v1, address={"line1": "2 RUE  B", "country": "FR"})
    bench.enable()

    assert not [note for note in notes_of_success(bench.accept(a_quote())) if "Stripe customer" in note]


def test_an_invoice_without_any_address_is_noted(bench: Any, v1: Any) -> None:
    customer = a_customer(v1)
    bench.enable()

    said = f"The Stripe customer {customer} has no address, so the invoice shows none."
    assert [note for note in notes_of_success(bench.accept(a_quote())) if "Stripe customer" in note] == [said]
