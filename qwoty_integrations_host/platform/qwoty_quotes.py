"""Converts Qwoty's quote to the canonical document: the one file to correct when Qwoty's form is different.

Every form in Qwoty's documentation is accepted. Fields that it does not show (taxes, discounts and net amounts of a
line, discounts of the quote, the time of acceptance) are expected under the canonical names. Nothing is refused here:
values of a wrong form are passed on, so that the schema names the field. docs/platform.md has the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..contract.document_fields import normalized_status

#: Each external id has three spellings in Qwoty's documentation.
_SLOTS = ("crm", "erp", "accounting")
_ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country", "country_code")


def canonical(
    found: Mapping[str, Any],
    contacts: Mapping[str, Mapping[str, Any]],
    *,
    accepted_statuses: Collection[str],
    accepted_at: datetime,
) -> dict[str, Any]:
    """Return the canonical document of a quote.

    ``contacts`` has its contacts from the REST API, by id. ``accepted_at`` is the default when the quote has none.
    """
    customer = _read_object(found.get("customer"), lambda customer: _customer(customer, contacts))
    return {
        # No workspace_id, which is Qwoty's own, and no links, which expire and give anybody access to the quote.
        **_pick(found, "id", "number", "currency", "language", "title", "discounts", "issue_date", "expiration_date"),
        "status": _status(found.get("status"), accepted_statuses),
        "accepted_at": found.get("accepted_at") or accepted_at.isoformat(),
        "owner": _owner(found),
        "business_unit": _read_object(found.get("business_unit"), _business_unit),
        **({"customer": customer} if customer is not None else {}),
        **_pricing_table(found),
        "payment_terms": _payment_terms(found),
        "summary": _read_object(found.get("summary"), _summary),
    }


def contacts_without_ids(found: Mapping[str, Any]) -> list[str]:
    """Return the ids of the contacts whose external ids the quote leaves out, in its order."""
    customer = found.get("customer")
    people = customer.get("contacts") if isinstance(customer, Mapping) else None
    return [
        contact_id
        for person in (people if isinstance(people, list) else ())
        if isinstance(person, Mapping) and (contact_id := id_of(person)) and not _has_ids(person)
    ]


def id_of(found: Mapping[str, Any]) -> str:
    """Return an object's id, which may be a number; empty if invalid."""
    found_id = found.get("id")
    return str(found_id) if isinstance(found_id, str | int) and not isinstance(found_id, bool) else ""


# -- the parts ------------------------------------------------------------------------------------


def _status(found: Any, accepted: Collection[str]) -> Any:
    if not isinstance(found, str):
        return found
    word = normalized_status(found)
    return "accepted" if word in map(normalized_status, accepted) else word


def _owner(found: Mapping[str, Any]) -> Any:
    # Older documentation calls the person owner_id.
    owner = found.get("owner") or found.get("owner_id")
    return _pick(owner, "id", "first_name", "last_name", "email") if isinstance(owner, Mapping) else None


def _customer(found: Mapping[str, Any], contacts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    people = _read_list(found.get("contacts"), lambda person: _contact(person, contacts.get(id_of(person), {})))
    return {
        **_pick(found, "id", "name", "type"),
        "external_ids": _external_ids(found),
        "billing_address": _read_object(found.get("billing_address"), _address),
        **({"contacts": people} if people is not None else {}),
    }


def _contact(found: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the quote's contact, completed by the contact of the REST API."""
    names = ("id", "first_name", "last_name", "email", "phone")
    person = {**_pick(rest, *names), **{name: value for name, value in _pick(found, *names).items() if value}}
    roles = [role for holder in (found, rest) for role in _roles(holder.get("role"))]
    return {**person, "role": roles, "external_ids": _external_ids(found if _has_ids(found) else rest)}


def _roles(found: Any) -> list[Any]:
    # One word in the quote, a list in the REST API; the list may lack the quote's word.
    return found if isinstance(found, list) else [found] if found else []


def _business_unit(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**_pick(found, "id", "name"), "address": _read_object(found.get("address"), _address)}


def _pricing_table(found: Mapping[str, Any]) -> dict[str, Any]:
    table = found.get("pricing_table")
    if not isinstance(table, Mapping):
        return _pick(found, "pricing_table")
    return {"pricing_table": {**_pick(table, "settings"), **_read_list_at(table, "sections", _section)}}


def _section(found: Mapping[str, Any]) -> dict[str, Any]:
    # A section without phases has lines of its own; the schema accepts both.
    lines = {} if isinstance(found.get("phases"), list) else _read_list_at(found, "line_items", _line)
    phases = {} if lines else _read_list_at(found, "phases", _phase)
    return {**_pick(found, "id", "type", "rank", "name"), **phases, **lines}


def _phase(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**_pick(found, "id", "name", "rank"), **_read_list_at(found, "line_items", _line)}


def _line(found: Mapping[str, Any]) -> dict[str, Any]:
    pricing = found.get("pricing")
    taxes = _read_list(found.get("taxes"), _tax)
    if taxes is None and isinstance(pricing, Mapping):
        taxes = _default_tax(pricing)
    return {
        **_pick(found, "id", "rank", "quantity", "amounts", "discount"),
        **_pick(found, "optional", "is_optional", "selected", "is_selected"),
        **({"product": _read_object(found["product"], _product)} if "product" in found else {}),
        **({"pricing": _read_object(pricing, _pricing)} if "pricing" in found else {}),
        "taxes": taxes if taxes is not None else [],
    }


def _product(found: Mapping[str, Any]) -> dict[str, Any]:
    return _pick(found, "product_id", "name", "unit_of_measure")


def _pricing(found: Mapping[str, Any]) -> dict[str, Any]:
    # The price object of the REST API uses pricing_model and amount.
    price = {"model": found.get("pricing_model"), "list_price": found.get("amount")}
    price |= _pick(found, "model", "list_price", "currency")
    return {name: value for name, value in price.items() if value is not None}


def _tax(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "api_name", "name", "type", "rate", "is_percentage", "amount", "country", "region", "state")
    return {**_pick(found, *names, "jurisdiction"), "external_ids": _external_ids(found)}


def _default_tax(price: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the single tax of a price in the REST API's form."""
    names = ("id", "name", "rate", "amount", "is_percentage")
    tax = {name: price.get(f"default_tax_{name}") for name in names}
    if tax["id"] is None:
        return None
    return [{name: value for name, value in tax.items() if value is not None}]


def _payment_terms(found: Mapping[str, Any]) -> Any:
    # The documentation does not show their place in the quote.
    for holder in (found, found.get("pricing_table"), found.get("summary")):
        if isinstance(holder, Mapping) and holder.get("payment_terms") is not None:
            return _read_object(holder["payment_terms"], _terms)
    return None


def _terms(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "name", "percentage", "term", "custom_text", "order_number")
    return {
        **_pick(found, "name", "api_name"),
        **_read_list_at(found, "installments", lambda part: _pick(part, *names)),
    }


def _summary(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("net_amount", "tax_amount", "total_amount")
    metrics = found.get("metrics")
    return {
        "one_off": _read_object(found.get("one_off"), lambda totals: _pick(totals, *names)),
        # Only shown, never charged: an invalid figure is left out instead of refusing the quote.
        "metrics": {"mrr": _number(metrics.get("mrr"))} if isinstance(metrics, Mapping) else None,
    }


def _number(found: Any) -> Any:
    return found if isinstance(found, int | Decimal) and not isinstance(found, bool) else None


def _external_ids(found: Mapping[str, Any]) -> dict[str, Any]:
    spelled: tuple[Any, ...] = (found.get("external_ids"), found.get("identifiers"))
    nested: Mapping[str, Any] = next((ids for ids in spelled if isinstance(ids, Mapping)), {})
    return {slot: nested.get(slot) or found.get(f"id_{slot}") for slot in _SLOTS}


def _has_ids(found: Mapping[str, Any]) -> bool:
    return any(name in found for name in ("external_ids", "identifiers", *(f"id_{slot}" for slot in _SLOTS)))


def _address(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an address from ``line1``, or from ``address_line1`` as in the REST API."""
    lines = {f"line{number}": found.get(f"address_line{number}") for number in ("1", "2")}
    return {**lines, **_pick(found, *_ADDRESS)}


# -- reading a document whose form is not certain --------------------------------------------------


def _pick(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}


def _read_object(found: Any, read: Callable[[Mapping[str, Any]], Any]) -> Any:
    return read(found) if isinstance(found, Mapping) else found


def _read_list(found: Any, read: Callable[[Mapping[str, Any]], Any]) -> Any:
    return [_read_object(one, read) for one in found] if isinstance(found, list) else found


def _read_list_at(found: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    return {name: _read_list(found[name], read)} if name in found else {}
