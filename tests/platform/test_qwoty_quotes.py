"""Qwoty's quote, converted to the canonical one: every documented form, and other input."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwoty_integrations_host.contract.exact_json import parse_json
from qwoty_integrations_host.contract.quote import Quote
from qwoty_integrations_host.contract.quote_document import load_quote
from qwoty_integrations_host.errors import InvalidInput
from qwoty_integrations_host.platform.qwoty_client import _inside
from qwoty_integrations_host.platform.qwoty_quotes import canonical, contacts_without_ids
from qwoty_stand_in import CONTACT, completed

WHEN = datetime(2026, 3, 10, 9, tzinfo=UTC)


def read(found: Any, contacts: dict[str, Any] | None = None) -> dict[str, Any]:
    exact = parse_json(json.dumps(found))  # the client parses without floats, too
    return canonical(exact, contacts or {}, accepted_statuses=("accepted", "won"), accepted_at=WHEN)


def loaded(found: Any, contacts: dict[str, Any] | None = None) -> Quote:
    return load_quote(read(found, contacts), workspace_id="ws-1", received_at=WHEN)


def line_of(quote: dict[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = quote["pricing_table"]["sections"][0]["phases"][0]["line_items"][0]
    return line


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    quote = completed()
    change(quote)
    return quote


def test_the_documented_quote_keeps_its_values() -> None:
    quote = loaded(completed())

    (line,) = quote.sections[0].line_items
    assert (quote.number, quote.currency, quote.language, quote.status) == ("Q-2026-042", "EUR", "fr", "accepted")
    assert (line.quantity, line.pricing.list_price, line.taxes[0].rate) == (100, 150, 20)
    assert quote.totals and quote.totals.total_amount == 18000
    assert quote.installments[0].term == "net30"
    assert quote.accepted_at == WHEN


@pytest.mark.parametrize(
    "envelope",
    [
        lambda quote: {"success": True, "data": {"quote": quote}},
        lambda quote: {"success": True, "data": quote},
        lambda quote: {"quote": quote},
        lambda quote: quote,
    ],
    ids=["data.quote", "data", "quote", "bare"],
)
def test_the_quote_is_found_in_every_envelope(envelope: Callable[[Any], Any]) -> None:
    assert _inside(envelope(completed()), "quote") == completed()


@pytest.mark.parametrize(
    ("change", "seen", "expected"),
    [
        (lambda q: q.update(status="WON"), lambda q: q.status, "accepted"),
        (lambda q: q.update(accepted_at="2026-03-09T10:00:00Z"), lambda q: q.accepted_at.day, 9),
        (lambda q: q.update(owner_id=q.pop("owner")), lambda q: q.owner.first_name, "Lea"),
        (lambda q: q.update(owner_id="user_1", owner=None), lambda q: q.owner, None),
        (lambda q: q.update(workspace_id="theirs"), lambda q: q.workspace_id, "ws-1"),
        (lambda q: q["customer"].update(id_crm="C-9", external_ids=None), lambda q: q.customer.external_ids.crm, "C-9"),
        (
            lambda q: q["customer"].update(identifiers={"erp": "E-1"}, external_ids=None),
            lambda q: q.customer.external_ids.erp,
            "E-1",
        ),
        (lambda q: q["customer"].pop("billing_address"), lambda q: q.customer.billing_address, None),
        (lambda q: q["customer"]["contacts"][0].pop("role"), lambda q: q.customer.contacts[0].role, ()),
        (
            lambda q: q["pricing_table"]["sections"][0].update(
                line_items=q["pricing_table"]["sections"][0].pop("phases")[0]["line_items"]
            ),
            lambda q: len(q.sections[0].line_items),
            1,
        ),
        (
            lambda q: line_of(q).update(pricing={"pricing_model": "flat", "amount": 15000}),
            lambda q: q.sections[0].line_items[0].pricing.list_price,
            Decimal(15000),
        ),
        (lambda q: q.update(payment_terms=None), lambda q: q.installments, ()),
        (
            lambda q: q["summary"].update(payment_terms=q.pop("payment_terms")),
            lambda q: q.installments[0].percentage,
            100,
        ),
        (lambda q: q.pop("summary"), lambda q: q.totals, None),
        (lambda q: q.pop("business_unit"), lambda q: q.business_unit, None),
    ],
)
def test_older_and_other_forms_are_understood(
    change: Callable[[dict[str, Any]], Any], seen: Callable[[Quote], Any], expected: Any
) -> None:
    assert seen(loaded(changed(change))) == expected


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ({"country": "France", "country_code": "FR"}, "FR"),
        ({"country": "Allemagne"}, "DE"),
        ({"country": "germany"}, "DE"),
        ({"country": "be"}, "BE"),
        ({"country": "UK"}, "GB"),
        ({"country": "France", "country_code": "DE"}, "DE"),
        ({"country": "Atlantis"}, None),
        ({"country": None}, None),
    ],
)
def test_a_country_is_read_from_its_code_or_its_name(address: dict[str, Any], code: str | None) -> None:
    quote = loaded(changed(lambda q: q["customer"].update(billing_address={"address_line1": "2 rue B", **address})))

    found = quote.customer.billing_address
    assert found and (found.line1, found.country_code) == ("2 rue B", code)


def test_a_tax_has_its_type_and_region() -> None:
    def change(quote: dict[str, Any]) -> None:
        line_of(quote)["taxes"][0] |= {"type": "Sales tax", "country": "USA", "region": "TX", "jurisdiction": "Austin"}

    (tax,) = loaded(changed(change)).sections[0].line_items[0].taxes

    assert (tax.type, tax.country, tax.state, tax.jurisdiction) == ("Sales tax", "US", "TX", "Austin")


def test_the_default_tax_of_a_price_applies_to_a_line_without_taxes() -> None:
    def change(quote: dict[str, Any]) -> None:
        del line_of(quote)["taxes"]
        defaults = {"default_tax_id": "tax_9", "default_tax_name": "TVA", "default_tax_rate": 5.5}
        line_of(quote)["pricing"] |= {**defaults, "default_tax_is_percentage": True}

    (tax,) = loaded(changed(change)).sections[0].line_items[0].taxes

    assert (tax.id, tax.rate, tax.is_percentage, tax.country) == ("tax_9", Decimal("5.5"), True, None)


def test_a_contact_is_completed_from_the_rest_api() -> None:
    found = completed()
    assert contacts_without_ids(found) == ["contact_3"]

    (contact,) = loaded(found, {"contact_3": {**CONTACT, "phone": "+33 1", "id_accounting": "cus_1"}}).customer.contacts

    assert contact.role == ("decision_maker", "billing")
    assert (contact.phone, contact.external_ids.accounting, contact.external_ids.crm) == ("+33 1", "cus_1", "C-3")


def test_a_contact_with_ids_is_not_requested() -> None:
    told = {"external_ids": {"crm": None, "erp": None, "accounting": None}}

    assert contacts_without_ids(changed(lambda q: q["customer"]["contacts"][0].update(told))) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda q: q.pop("customer"), "customer"),
        (lambda q: q["customer"].update(contacts="nobody"), "customer.contacts"),
        (lambda q: q.update(pricing_table=[]), "pricing_table"),
        (lambda q: line_of(q).update(product="Consulting"), "pricing_table.sections.0.phases.0.line_items.0.product"),
        (lambda q: line_of(q).pop("quantity"), "pricing_table.sections.0.phases.0.line_items.0.quantity"),
        (lambda q: q["payment_terms"]["installments"][0].update(percentage=50), "payment_terms.installments"),
    ],
)
def test_a_field_of_the_wrong_form_is_refused_by_name(change: Callable[[dict[str, Any]], Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        loaded(changed(change))

    assert field in [problem.dotted for problem in refused.value.problems]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [place for key, inner in inside for place in ((*path, key), *_places(inner, (*path, key)))]


@settings(max_examples=200)
@given(st.data())
def test_any_value_in_any_place_of_qwotys_quote_is_loaded_or_refused(data: st.DataObject) -> None:
    quote = completed()
    *way, last = data.draw(st.sampled_from(_places(quote)))
    holder: Any = quote
    for part in way:
        holder = holder[part]
    holder[last] = data.draw(ANYTHING)

    contacts_without_ids(quote)
    with suppress(InvalidInput):
        assert loaded(quote, {"contact_3": CONTACT}).workspace_id == "ws-1"


@pytest.mark.parametrize("names", [("optional", "selected"), ("is_optional", "is_selected")])
def test_the_selection_of_a_line_is_read_under_both_names(names: tuple[str, str]) -> None:
    def line(optional: bool, selected: bool | None) -> Any:
        said = dict(zip(names, (optional, selected), strict=True))
        return loaded(changed(lambda quote: line_of(quote).update(said))).sections[0].line_items[0]

    assert [line(True, False).is_chosen, line(True, None).is_chosen, line(True, True).is_chosen] == [False, False, True]
    assert line(False, None).is_chosen


def test_contacts_with_numeric_ids_are_completed_too() -> None:
    quote = changed(lambda quote: quote["customer"]["contacts"][0].update(id=7))
    quote["customer"]["contacts"][0].pop("external_ids", None)

    assert contacts_without_ids(quote) == ["7"]
    (contact,) = loaded(quote, {"7": {**CONTACT, "id": 7}}).customer.contacts
    assert (contact.id, contact.external_ids.crm) == ("7", "C-3")
