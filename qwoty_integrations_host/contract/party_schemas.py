"""The parties of a quote's document: customer, contacts, addresses, business unit and owner."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from . import quote as q
from .countries import country_code
from .document_fields import Identifier, Roles, TextOrNumber
from .document_objects import DocumentPart, ExternalIdsSchema, optional_part, optional_text


class AddressSchema(DocumentPart):
    makes = q.Address
    line1, line2, city, state, postal_code, country = (
        optional_text(),
        optional_text(),
        optional_text(),
        optional_text(),
        optional_text(),
        optional_text(),
    )
    country_code = optional_text()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Address:
        code, country = data.pop("country_code", None), data.pop("country", None)
        understood = country_code(code) or country_code(country)
        # An unknown country stays as it is written, so that a run can quote it.
        return q.Address(**data, country=country or (None if understood else code) or None, country_code=understood)


class ContactSchema(DocumentPart):
    makes = q.Contact
    id = Identifier(required=True)
    first_name, last_name, email, phone = optional_text(), optional_text(), optional_text(), optional_text()
    role = Roles(load_default=(), allow_none=True)
    external_ids = optional_part(ExternalIdsSchema)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Contact:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        return q.Contact(**{**data, "email": data.get("email") or None}, external_ids=ids)


class CustomerSchema(DocumentPart):
    makes = q.Customer
    id = Identifier(required=True)
    name = TextOrNumber(required=True)
    type = TextOrNumber(load_default="company", allow_none=True)
    external_ids = optional_part(ExternalIdsSchema)
    billing_address = optional_part(AddressSchema)
    contacts = fields.List(fields.Nested(ContactSchema), required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Customer:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        return q.Customer(**{**data, "contacts": tuple(data["contacts"])}, external_ids=ids)


class BusinessUnitSchema(DocumentPart):
    makes = q.BusinessUnit
    id = Identifier(required=True)
    name = optional_text()
    address = optional_part(AddressSchema)


class OwnerSchema(DocumentPart):
    makes = q.Owner
    id = Identifier()
    first_name, last_name, email = optional_text(), optional_text(), optional_text()
