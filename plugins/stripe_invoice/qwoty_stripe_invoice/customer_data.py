"""A Stripe customer's data from a quote's contact, and how Stripe's data differ from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import Contact, NeedsAttention, Quote, mail_address

#: Stripe's fields, and their names in notes.
_FIELDS = {"name": "name", "email": "e-mail address", "phone": "phone number", "business_name": "company name"}
_ADDRESS = ("line1", "line2", "city", "state", "postal_code")


def wanted(quote: Quote, contact: Contact) -> dict[str, Any]:
    """Return the customer's parameters within Stripe's bounds, without the fields that the quote does not have."""
    company = quote.customer.name if quote.customer.type == "company" else ""
    params: dict[str, Any] = {
        "name": (contact.full_name or quote.customer.name)[:256],
        "email": contact.email,
        "phone": contact.phone if contact.phone and len(contact.phone) <= 20 else None,
        "address": address_of(quote),
        "business_name": company[:150],
        "preferred_locales": [quote.language],
    }
    return {name: value for name, value in params.items() if value}


def changes(there: Mapping[str, Any], quote: Quote, contact: Contact) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters that bring Stripe's customer up to date with the contact, and a note for each.

    Fields that the quote does not have stay as they are.
    """
    new = wanted(quote, contact)
    params: dict[str, Any] = {}
    notes = []
    for field, label in _FIELDS.items():
        if field in new and _compared(field, there.get(field)) != _compared(field, new[field]):
            params[field] = new[field]
            was = f"it was {there[field]!r}" if there.get(field) else "it had none"
            notes.append(f"The Stripe customer's {label} is now the contact's, {new[field]!r}; {was}.")
    if (address := new.get("address")) and _told(there.get("address")) != _told(address):
        # Send the empty parts as well, because Stripe keeps the old value of a part that is left out.
        params["address"] = {part: address.get(part, "") for part in (*_ADDRESS, "country")}
        notes += [
            f"The Stripe customer's address is now the quote's, {in_a_line(address)!r}; {_was(there.get('address'))}.",
            *unknown_country(quote),
        ]
    spoken = (there.get("preferred_locales") or [""])[0]
    if spoken != quote.language:
        params["preferred_locales"] = new["preferred_locales"]
        was = f"it was {spoken!r}" if spoken else "it had none"
        notes.append(f"The Stripe customer's language is now the quote's, {quote.language!r}; {was}.")
    return params, notes


def differences(there: Mapping[str, Any], quote: Quote) -> list[str]:
    """Return the notes on a customer that we did not create, and therefore do not change."""
    address, signed = _told(there.get("address")), _told(address_of(quote))
    if not signed or (address and all(address[part] == signed[part] for part in address.keys() & signed.keys())):
        return []
    if not address:
        return [f"The Stripe customer {there['id']} has no address, so the invoice shows none."]
    return [f"The Stripe customer {there['id']} has another address than the quote; the invoice shows Stripe's."]


def unknown_country(quote: Quote) -> list[str]:
    """Return a note if the address names an unknown country, which is not sent to Stripe."""
    address = quote.customer.billing_address
    if address is None or address.country_code or not address.country:
        return []
    return [f"The country {address.country!r} of the customer's address is not understood: Stripe's customer has none."]


def address_of(quote: Quote) -> dict[str, str]:
    """Return the customer's address in Stripe's fields; empty if the quote has none."""
    address = quote.customer.billing_address
    if address is None:
        return {}
    parts = {part: getattr(address, part) for part in _ADDRESS} | {"country": address.country_code}
    return {part: value for part, value in parts.items() if value}


def in_a_line(address: Mapping[str, str | None] | None) -> str:
    """Return an address as one line of text; empty without one."""
    found = address or {}
    return ", ".join(value for part in (*_ADDRESS, "country") if (value := found.get(part)))


def _was(address: Mapping[str, str | None] | None) -> str:
    return f"it was {in_a_line(address)!r}" if any((address or {}).values()) else "it had none"


def is_same_email(one: str | None, other: str | None) -> bool:
    """Whether both are one mailbox, without regard to case and to how the domain is written."""
    return _mailed(one) == _mailed(other)


def _mailed(email: str | None) -> str:
    try:
        return mail_address(email or "").casefold()
    except NeedsAttention:
        return (email or "").casefold()


def _told(address: Mapping[str, str | None] | None) -> dict[str, str]:
    """Return the non-empty parts of an address in the form in which they are compared."""
    return {part: " ".join(value.casefold().split()) for part, value in (address or {}).items() if value}


def _compared(field: str, value: str | None) -> str:
    return _mailed(value) if field == "email" else " ".join((value or "").split())
