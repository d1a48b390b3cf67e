"""Which contact of the quote is billed."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_quote, loaded
from qwoty_integrations_host import NeedsAttention
from qwoty_stripe_invoice.customers import billing_contact


def person(id: str, *role: str, email: str | None = "x@buyer.example") -> dict[str, Any]:
    return {"id": id, "first_name": id, "email": email, "role": list(role)}


@pytest.mark.parametrize(
    ("people", "chosen"),
    [
        ([person("a", "buyer"), person("b", "billing")], "b"),
        ([person("a", "buyer"), person("b", "signer")], "b"),
        ([person("a", "decision_maker"), person("b", "buyer")], "b"),
        ([person("a", "legal"), person("b", "legal")], "a"),
        ([person("a", "billing", email=None), person("b", "legal")], "b"),
        ([person("a", "billing"), person("b", "billing")], "a"),
        ([person("a", email=None), person("b", email=None)], "a"),
    ],
    ids=["billing", "signer", "buyer", "first", "who can be reached", "first of two", "nobody can be reached"],
)
def test_the_billing_contact_is_chosen_by_role_among_those_with_an_email(
    people: list[dict[str, Any]], chosen: str
) -> None:
    quote = a_quote()
    quote["customer"]["contacts"] = people

    assert billing_contact(loaded(quote)).id == chosen


def test_a_quote_without_contacts_needs_attention() -> None:
    quote = a_quote()
    quote["customer"]["contacts"] = []

    with pytest.raises(NeedsAttention) as refused:
        billing_contact(loaded(quote))

    assert refused.value.code == "contact_missing"
