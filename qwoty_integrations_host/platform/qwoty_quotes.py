"""Qwoty's quote as our canonical document: the one file to correct when Qwoty's form turns out to be another.

What its pages show is taken in each form they show. What they do not show (taxes, discounts and net amounts of a
line, discounts of the quote, when it was accepted) is expected under the canonical names. Nothing is refused here:
what has the wrong form is passed on, for the schema to say so by field. docs/platform.md has the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..contract.document_fields import word_of

#: Each external id has three spellings on Qwoty's pages.
_SLOTS = ("crm", "erp", "accounting")
_ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country", "country_code")


def canonical(
    found: Mapping[str, Any],
    contacts: Mapping[str, Mapping[str, Any]],
    *,
    accepted_statuses: Collection[str],
    accepted_at: datetime,
) -> dict[str, Any]:
    """Give the canonical document of a quote.

    ``contacts``: what the REST API says of its contacts, by id. ``accepted_at`` counts where the quote does not say.
    """
    customer = _of(found.get("customer"), lambda customer: _customer(customer, contacts))
    return {
        # Not workspace_id, which is Qwoty's own, and no links: they are signed, expire, and open the quote to anybody.
        **_taken(found, "id", "number", "currency", "language", "title", "discounts", "issue_date", "expiration_date"),
        "status": _status(found.get("status"), accepted_statuses),
        "accepted_at": found.get("accepted_at") or accepted_at.isoformat(),
        "owner": _owner(found),
        "business_unit": _of(found.get("business_unit"), _business_unit),
        **({"customer": customer} if customer is not None else {}),
        **_pricing_table(found),
        "payment_terms": _payment_terms(found),
        "summary": _of(found.get("summary"), _summary),
    }


def contacts_without_ids(found: Mapping[str, Any]) -> list[str]:
    """The ids of the contacts of which the quote does not say what other systems call them, in its order."""
    customer = found.get("customer")
    people = customer.get("contacts") if isinstance(customer, Mapping) else None
    return [
        contact_id
        for person in (people if isinstance(people, list) else ())
        if isinstance(person, Mapping) and (contact_id := id_of(person)) and not _tells_ids(person)
    ]


def id_of(found: Mapping[str, Any]) -> str:
    """An object's id, which may be a number; empty for what is none."""
    found_id = found.get("id")
    return str(found_id) if isinstance(found_id, str | int) and not isinstance(found_id, bool) else ""


# -- the parts ------------------------------------------------------------------------------------


def _status(found: Any, accepted: Collection[str]) -> Any:
    if not isinstance(found, str):
        return found
    word = word_of(found)
    return "accepted" if word in map(word_of, accepted) else word


def _owner(found: Mapping[str, Any]) -> Any:
    # Older pages call the person owner_id.
    owner = found.get("owner") or found.get("owner_id")
    return _taken(owner, "id", "first_name", "last_name", "email") if isinstance(owner, Mapping) else None


def _customer(found: Mapping[str, Any], contacts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    people = _each(found.get("contacts"), lambda person: _contact(person, contacts.get(id_of(person), {})))
    return {
        **_taken(found, "id", "name", "type"),
        "external_ids": _external_ids(found),
        "billing_address": _of(found.get("billing_address"), _address),
        **({"contacts": people} if people is not None else {}),
    }


def _contact(found: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """A contact as the quote shows it, completed by what the REST API says."""
    names = ("id", "first_name", "last_name", "email", "phone")
    person = {**_taken(rest, *names), **{name: value for name, value in _taken(found, *names).items() if value}}
    roles = [role for holder in (found, rest) for role in _roles(holder.get("role"))]
    return {**person, "role": roles, "external_ids": _external_ids(found if _tells_ids(found) else rest)}


def _roles(found: Any) -> list[Any]:
    # One word in the quote, a list in the REST API; the quote's need not be one of the list's.
    return found if isinstance(found, list) else [found] if found else []


def _business_unit(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**_taken(found, "id", "name"), "address": _of(found.get("address"), _address)}


def _pricing_table(found: Mapping[str, Any]) -> dict[str, Any]:
    table = found.get("pricing_table")
    if not isinstance(table, Mapping):
        return _taken(found, "pricing_table")
    return {"pricing_table": {**_taken(table, "settings"), **_list(table, "sections", _section)}}


def _section(found: Mapping[str, Any]) -> dict[str, Any]:
    # A section without phases has its lines itself; the schema takes both.
    lines = {} if isinstance(found.get("phases"), list) else _list(found, "line_items", _line)
    phases = {} if lines else _list(found, "phases", _phase)
    return {**_taken(found, "id", "type", "rank", "name"), **phases, **lines}


def _phase(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**_taken(found, "id", "name", "rank"), **_list(found, "line_items", _line)}


def _line(found: Mapping[str, Any]) -> dict[str, Any]:
    pricing = found.get("pricing")
    taxes = _each(found.get("taxes"), _tax)
    if taxes is None and isinstance(pricing, Mapping):
        taxes = _default_tax(pricing)
    return {
        **_taken(found, "id", "rank", "quantity", "amounts", "discount"),
        **_taken(found, "optional", "is_optional", "selected", "is_selected"),
        **({"product": _of(found["product"], _product)} if "product" in found else {}),
        **({"pricing": _of(pricing, _pricing)} if "pricing" in found else {}),
        "taxes": taxes if taxes is not None else [],
    }


def _product(found: Mapping[str, Any]) -> dict[str, Any]:
    return _taken(found, "product_id", "name", "unit_of_measure")


def _pricing(found: Mapping[str, Any]) -> dict[str, Any]:
    # The price object of the REST API says pricing_model and amount.
    price = {"model": found.get("pricing_model"), "list_price": found.get("amount")}
    price |= _taken(found, "model", "list_price", "currency")
    return {name: value for name, value in price.items() if value is not None}


def _tax(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "api_name", "name", "type", "rate", "is_percentage", "amount", "country", "region", "state")
    return {**_taken(found, *names, "jurisdiction"), "external_ids": _external_ids(found)}


def _default_tax(price: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The one tax of a price in the form of the REST API."""
    names = ("id", "name", "rate", "amount", "is_percentage")
    tax = {name: price.get(f"default_tax_{name}") for name in names}
    if tax["id"] is None:
        return None
    return [{name: value for name, value in tax.items() if value is not None}]


def _payment_terms(found: Mapping[str, Any]) -> Any:
    # Where they are in the quote is shown nowhere.
    for holder in (found, found.get("pricing_table"), found.get("summary")):
        if isinstance(holder, Mapping) and holder.get("payment_terms") is not None:
            return _of(holder["payment_terms"], _terms)
    return None


def _terms(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "name", "percentage", "term", "custom_text", "order_number")
    return {**_taken(found, "name", "api_name"), **_list(found, "installments", lambda part: _taken(part, *names))}


def _summary(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("net_amount", "tax_amount", "total_amount")
    metrics = found.get("metrics")
    return {
        "one_off": _of(found.get("one_off"), lambda totals: _taken(totals, *names)),
        # Shown and never charged: a figure in another form is left out rather than the quote refused.
        "metrics": {"mrr": _number(metrics.get("mrr"))} if isinstance(metrics, Mapping) else None,
    }


def _number(found: Any) -> Any:
    return found if isinstance(found, int | Decimal) and not isinstance(found, bool) else None


def _external_ids(found: Mapping[str, Any]) -> dict[str, Any]:
    spelled: tuple[Any, ...] = (found.get("external_ids"), found.get("identifiers"))
    nested: Mapping[str, Any] = next((ids for ids in spelled if isinstance(ids, Mapping)), {})
    return {slot: nested.get(slot) or found.get(f"id_{slot}") for slot in _SLOTS}


def _tells_ids(found: Mapping[str, Any]) -> bool:
    return any(name in found for name in ("external_ids", "identifiers", *(f"id_{slot}" for slot in _SLOTS)))


def _address(found: Mapping[str, Any]) -> dict[str, Any]:
    """An address with ``line1``, or ``address_line1`` as in the REST API."""
    lines = {f"line{number}": found.get(f"address_line{number}") for number in ("1", "2")}
    return {**lines, **_taken(found, *_ADDRESS)}


# -- taking parts of a document whose form is not certain -----------------------------------------


def _taken(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}


def _of(found: Any, read: Callable[[Mapping[str, Any]], Any]) -> Any:
    return read(found) if isinstance(found, Mapping) else found


def _each(found: Any, read: Callable[[Mapping[str, Any]], Any]) -> Any:
    return [_of(one, read) for one in found] if isinstance(found, list) else found


def _list(found: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    return {name: _each(found[name], read)} if name in found else {}
