"""The priced lines of a quote's document: taxes, discounts, line items, phases and sections."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, post_load, pre_load, validate, validates_schema

from . import quote as q
from .countries import country_code
from .document_fields import Amount, Choice, Flag, Identifier, NullableList, TextOrNumber, has_just_arrived
from .document_objects import (
    DocumentObject,
    DocumentPart,
    ExternalIdsSchema,
    optional_amount,
    optional_part,
    optional_rank,
    optional_text,
)

#: How far ``gross - discount`` may be from ``net``: less than any currency's unit, more than the error of a double.
_NOISE = Decimal("0.000001")


class TaxSchema(DocumentPart):
    makes = q.Tax
    id = Identifier()
    api_name = Identifier()
    name, country = optional_text(), optional_text()
    state, region, jurisdiction, type = optional_text(), optional_text(), optional_text(), optional_text()
    rate = Amount(least=0, load_default=None, allow_none=True)
    is_percentage = Flag(load_default=True, allow_none=True)
    amount = optional_amount()
    external_ids = optional_part(ExternalIdsSchema)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Tax:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        country, region = data.pop("country", None), data.pop("region", None)
        data["state"] = data.get("state") or region
        return q.Tax(**data, country=country_code(country) or country or None, external_ids=ids)


class DiscountSchema(DocumentPart):
    makes = q.Discount
    id = Identifier()
    label = optional_text()
    type = Choice("percentage", "amount")
    value, amount = optional_amount(), optional_amount()


class GlobalDiscountSchema(DiscountSchema):
    amount = Amount(least=0, load_default=None, allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Discount:
        amount, value = data["amount"], data["value"]
        if amount is None and value is None:
            raise ValidationError("Needs an amount, or a value that tells it.", "amount")
        if amount is None and value < 0:
            raise ValidationError("Must not be less than 0.", "value")
        if amount is None and data["type"] == "amount":
            data["amount"] = value
        return q.Discount(**data)


class AmountsSchema(DocumentPart):
    makes = q.Amounts
    gross, net, discount = Amount(required=True), Amount(required=True), optional_amount()

    @validates_schema
    def _adds_up(self, data: dict[str, Any], **_: Any) -> None:
        discount = data["discount"]
        if discount is not None and abs(data["gross"] - discount - data["net"]) > _NOISE:
            raise ValidationError("gross less discount must equal net.", "net")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Amounts:
        """Build the three figures. A missing discount is the difference between gross and net."""
        gross, net, discount = data["gross"], data["net"], data["discount"]
        return q.Amounts(gross, gross - net if discount is None else discount, net)


class ProductSchema(DocumentPart):
    makes = q.Product
    name = TextOrNumber(required=True, validate=validate.Length(min=1))
    product_id, unit_of_measure = Identifier(), optional_text()


class PricingSchema(DocumentPart):
    makes = q.Pricing
    model = TextOrNumber(required=True)
    list_price = optional_amount()
    currency = optional_text()


class LineItemSchema(DocumentPart):
    makes = q.LineItem
    id = Identifier(required=True)
    rank = optional_rank()
    product = fields.Nested(ProductSchema, required=True)
    quantity = Amount(
        least=0,
        below="Must not be less than 0: write a trade-in as a positive quantity at a negative price.",
        required=True,
    )
    pricing = fields.Nested(PricingSchema, required=True)
    amounts = optional_part(AmountsSchema)
    discount = optional_part(DiscountSchema)
    taxes = NullableList(TaxSchema, load_default=list)
    optional, is_optional = Flag(load_default=None), Flag(load_default=None)
    selected, is_selected = Flag(load_default=None), Flag(load_default=None)

    @validates_schema
    def _has_a_price(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("amounts") is not None:
            return
        if data["pricing"].list_price is None:
            raise ValidationError("Needs amounts, or a list_price to compute them from.", "amounts")
        discount = data["discount"]
        if has_just_arrived() and discount and discount.amount is None and discount.value is None:
            raise ValidationError({"discount": {"value": ["Needs a value, or the line needs amounts."]}})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.LineItem:
        optional, is_optional = data.pop("optional"), data.pop("is_optional")
        selected, is_selected = data.pop("selected"), data.pop("is_selected")
        data["taxes"] = tuple(data["taxes"])
        return q.LineItem(
            **data,
            optional=bool(is_optional if optional is None else optional),
            selected=is_selected if selected is None else selected,
        )


class PhaseSchema(DocumentPart):
    makes = q.Phase
    id, name, rank = Identifier(), optional_text(), optional_rank()
    line_items = NullableList(LineItemSchema, required=True)


class SectionSchema(DocumentPart):
    makes = q.Section
    id, name, rank = Identifier(), optional_text(), optional_rank()
    type = TextOrNumber(required=True)
    phases = NullableList(PhaseSchema, required=True)

    @pre_load
    def _wrap_bare_lines(self, data: Any, **_: Any) -> Any:
        if isinstance(data, Mapping) and data.get("phases") is None and "line_items" in data:
            return {**data, "phases": [{"line_items": data["line_items"]}]}
        return data

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Section:
        return q.Section(**{**data, "type": data["type"].lower(), "phases": tuple(data["phases"])})


class PricingTableSettingsSchema(DocumentObject):
    is_prices_hidden = Flag(load_default=False, allow_none=True)


class PricingTableSchema(DocumentObject):
    sections = fields.List(fields.Nested(SectionSchema), required=True)
    settings = fields.Nested(PricingTableSettingsSchema, load_default=None, allow_none=True)
