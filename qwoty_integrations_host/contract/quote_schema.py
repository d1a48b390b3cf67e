"""The whole document of ``schemas/host/quote.v1.json``, and the rules that concern more than one of its objects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from babel.core import get_global
from babel.numbers import get_territory_currencies
from marshmallow import ValidationError, fields, validates_schema

from . import quote as q
from .document_fields import Identifier, Instant, NullableList, Text, has_just_arrived
from .document_objects import DocumentObject, optional_part, optional_text
from .line_schemas import GlobalDiscountSchema, PricingTableSchema
from .party_schemas import BusinessUnitSchema, CustomerSchema, OwnerSchema
from .terms_schemas import PaymentTermsSchema, SummarySchema


@cache
def active_currencies() -> frozenset[str]:
    """Return the ISO 4217 codes that are legal tender somewhere today (from CLDR)."""
    codes = {code for land in get_global("territory_currencies") for code in get_territory_currencies(land)}
    return frozenset(codes - {"XXX"})


class QuoteSchema(DocumentObject):
    """The document of ``schemas/host/quote.v1.json``."""

    id = Identifier(required=True)
    number = Identifier(required=True)
    status = Text(required=True)
    workspace_id = Identifier()
    accepted_at = Instant(load_default=None, allow_none=True)
    currency = Text(required=True)
    language = optional_text()
    title, pdf_link, dealroom_link = optional_text(), optional_text(), optional_text()
    owner = optional_part(OwnerSchema)
    business_unit = optional_part(BusinessUnitSchema)
    customer = fields.Nested(CustomerSchema, required=True)
    pricing_table = fields.Nested(PricingTableSchema, required=True)
    discounts = NullableList(GlobalDiscountSchema, load_default=list)
    payment_terms = optional_part(PaymentTermsSchema)
    summary = fields.Nested(SummarySchema, load_default=None, allow_none=True)

    @validates_schema
    def _has_an_address(self, data: dict[str, Any], **_: Any) -> None:
        # In a URL, a browser takes such an id for a parent folder, even when it is escaped.
        if has_just_arrived() and data["id"] in {".", ".."}:
            raise ValidationError("Must not be made of dots alone: no address could show it.", "id")

    @validates_schema
    def _one_currency(self, data: dict[str, Any], **_: Any) -> None:
        code = data["currency"].upper()
        if code not in active_currencies():
            raise ValidationError("Not a currency code in use (ISO 4217, such as EUR).", "currency")
        for path, line in _lines_with_paths(data["pricing_table"]["sections"]):
            if line.pricing.currency and line.pricing.currency.upper() != code:
                problem = {"pricing": {"currency": ["A quote has one currency; this line has another."]}}
                raise ValidationError({"pricing_table": _deep(path, problem)})

    @validates_schema
    def _line_ids_are_unique(self, data: dict[str, Any], **_: Any) -> None:
        seen: set[str] = set()
        for path, line in _lines_with_paths(data["pricing_table"]["sections"]):
            if line.id in seen:
                raise ValidationError({"pricing_table": _deep(path, {"id": ["Another line has the same id."]})})
            seen.add(line.id)


def _lines_with_paths(sections: list[q.Section]) -> Iterator[tuple[list[Any], q.LineItem]]:
    for i, section in enumerate(sections):
        for j, phase in enumerate(section.phases):
            for k, line in enumerate(phase.line_items):
                yield ["sections", i, "phases", j, "line_items", k], line


def _deep(path: list[Any], leaf: Any) -> Any:
    for part in reversed(path):
        leaf = {part: leaf}
    return leaf
