"""Loads a canonical quote document into ``Quote`` objects, and says by field what is wrong with it.

The marshmallow classes mirror the document of the Qwoty page, section 3. They refuse at the door what can
never be invoiced (negative quantity, unknown currency, installments that do not sum to 100 %); what a
person may still want to look at on a run (a discount above its line) is left to the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from babel.core import get_global
from babel.numbers import get_territory_currencies
from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, pre_load, validate, validates_schema

from ..errors import FieldProblem, InvalidInput
from . import quote as q
from .countries import country_code
from .document_fields import (
    Amount,
    Choice,
    Flag,
    Identifier,
    Instant,
    Roles,
    Several,
    Text,
    Whole,
    Wording,
    at_the_door,
    stored_document,
)

#: How far ``gross - discount`` may be from ``net``: less than any currency has, more than binary arithmetic leaves.
_NOISE = Decimal("0.000001")
#: How far the percentages of installments may be from 100 (three times 33.33).
_ROUNDED_PARTS = Decimal("0.1")


@cache
def active_currencies() -> frozenset[str]:
    """ISO 4217 codes that are legal tender somewhere today (from CLDR)."""
    codes = {code for land in get_global("territory_currencies") for code in get_territory_currencies(land)}
    return frozenset(codes - {"XXX"})


def _text() -> Wording:
    return Wording(load_default=None, allow_none=True)


def _amount() -> Amount:
    return Amount(load_default=None, allow_none=True)


def _rank() -> Whole:
    return Whole(load_default=None, allow_none=True)


class _Object(Schema):
    """Base of the document's objects: unknown fields are ignored, and null in an optional field is as good as none."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _leave_out_nulls(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None or not self._is_optional(name)}

    def _is_optional(self, name: str) -> bool:
        field = self.fields.get(name)
        return field is not None and not field.required


class _Part(_Object):
    """An object of which the dataclass ``makes`` is made."""

    makes: Any = None

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        return self.makes(**{name: tuple(v) if isinstance(v, list) else v for name, v in data.items()})


class ExternalIdsSchema(_Part):
    makes = q.ExternalIds
    crm, erp, accounting = Identifier(), Identifier(), Identifier()


class AddressSchema(_Part):
    makes = q.Address
    line1, line2, city, state, postal_code, country = _text(), _text(), _text(), _text(), _text(), _text()
    country_code = _text()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Address:
        code, country = data.pop("country_code", None), data.pop("country", None)
        understood = country_code(code) or country_code(country)
        # What is not understood is kept as written, for a run to say so.
        return q.Address(**data, country=country or (None if understood else code) or None, country_code=understood)


def _nested(schema: type[_Part], *, default: Any = None) -> fields.Nested:
    return fields.Nested(schema, load_default=default, allow_none=True)


class ContactSchema(_Part):
    makes = q.Contact
    id = Identifier(required=True)
    first_name, last_name, email, phone = _text(), _text(), _text(), _text()
    role = Roles(load_default=(), allow_none=True)
    external_ids = _nested(ExternalIdsSchema)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Contact:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        return q.Contact(**{**data, "email": data.get("email") or None}, external_ids=ids)


class CustomerSchema(_Part):
    makes = q.Customer
    id = Identifier(required=True)
    name = Wording(required=True)
    type = Wording(load_default="company", allow_none=True)
    external_ids = _nested(ExternalIdsSchema)
    billing_address = _nested(AddressSchema)
    contacts = fields.List(fields.Nested(ContactSchema), required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Customer:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        return q.Customer(**{**data, "contacts": tuple(data["contacts"])}, external_ids=ids)


class BusinessUnitSchema(_Part):
    makes = q.BusinessUnit
    id = Identifier(required=True)
    name = _text()
    address = _nested(AddressSchema)


class OwnerSchema(_Part):
    makes = q.Owner
    id = Identifier()
    first_name, last_name, email = _text(), _text(), _text()


class TaxSchema(_Part):
    makes = q.Tax
    id = Identifier()
    api_name = Identifier()
    name, country = _text(), _text()
    state, region, jurisdiction, type = _text(), _text(), _text(), _text()
    rate = Amount(least=0, load_default=None, allow_none=True)
    is_percentage = Flag(load_default=True, allow_none=True)
    amount = _amount()
    external_ids = _nested(ExternalIdsSchema)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Tax:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        country, region = data.pop("country", None), data.pop("region", None)
        data["state"] = data.get("state") or region
        return q.Tax(**data, country=country_code(country) or country or None, external_ids=ids)


class DiscountSchema(_Part):
    makes = q.Discount
    id = Identifier()
    label = _text()
    type = Choice("percentage", "amount")
    value, amount = _amount(), _amount()


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


class AmountsSchema(_Part):
    makes = q.Amounts
    gross, net, discount = Amount(required=True), Amount(required=True), _amount()

    @validates_schema
    def _adds_up(self, data: dict[str, Any], **_: Any) -> None:
        discount = data["discount"]
        if discount is not None and abs(data["gross"] - discount - data["net"]) > _NOISE:
            raise ValidationError("gross less discount must equal net.", "net")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Amounts:
        """Give the three figures; gross and net tell a discount that is not said."""
        gross, net, discount = data["gross"], data["net"], data["discount"]
        return q.Amounts(gross, gross - net if discount is None else discount, net)


class ProductSchema(_Part):
    makes = q.Product
    name = Wording(required=True, validate=validate.Length(min=1))
    product_id, unit_of_measure = Identifier(), _text()


class PricingSchema(_Part):
    makes = q.Pricing
    model = Wording(required=True)
    list_price = _amount()
    currency = _text()


class LineItemSchema(_Part):
    makes = q.LineItem
    id = Identifier(required=True)
    rank = _rank()
    product = fields.Nested(ProductSchema, required=True)
    quantity = Amount(
        least=0,
        below="Must not be less than 0: write a trade-in as a positive quantity at a negative price.",
        required=True,
    )
    pricing = fields.Nested(PricingSchema, required=True)
    amounts = _nested(AmountsSchema)
    discount = _nested(DiscountSchema)
    taxes = Several(TaxSchema, load_default=list)
    optional, is_optional = Flag(load_default=None), Flag(load_default=None)
    selected, is_selected = Flag(load_default=None), Flag(load_default=None)

    @validates_schema
    def _has_a_price(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("amounts") is not None:
            return
        if data["pricing"].list_price is None:
            raise ValidationError("Needs amounts, or a list_price to compute them from.", "amounts")
        discount = data["discount"]
        if at_the_door() and discount and discount.amount is None and discount.value is None:
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


class PhaseSchema(_Part):
    makes = q.Phase
    id, name, rank = Identifier(), _text(), _rank()
    line_items = Several(LineItemSchema, required=True)


class SectionSchema(_Part):
    makes = q.Section
    id, name, rank = Identifier(), _text(), _rank()
    type = Wording(required=True)
    phases = Several(PhaseSchema, required=True)

    @pre_load
    def _wrap_bare_lines(self, data: Any, **_: Any) -> Any:
        if isinstance(data, Mapping) and data.get("phases") is None and "line_items" in data:
            return {**data, "phases": [{"line_items": data["line_items"]}]}
        return data

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Section:
        return q.Section(**{**data, "type": data["type"].lower(), "phases": tuple(data["phases"])})


class PricingTableSettingsSchema(_Object):
    is_prices_hidden = Flag(load_default=False, allow_none=True)


class PricingTableSchema(_Object):
    sections = fields.List(fields.Nested(SectionSchema), required=True)
    settings = fields.Nested(PricingTableSettingsSchema, load_default=None, allow_none=True)


class InstallmentSchema(_Part):
    makes = q.Installment
    id, name, term, custom_text = Identifier(), _text(), _text(), _text()
    percentage = Amount(least=0, required=True)
    order_number = _rank()


class PaymentTermsSchema(_Part):
    makes = q.PaymentTerms
    name, api_name = _text(), _text()
    installments = Several(InstallmentSchema, load_default=list)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.PaymentTerms:
        parts = _by_rank(data["installments"], "order_number")
        return q.PaymentTerms(**{**data, "installments": _of_a_hundred(parts) if parts else ()})


def _of_a_hundred(parts: Sequence[q.Installment]) -> tuple[q.Installment, ...]:
    """The parts as they sum to exactly 100: the last one that has enough takes the rest."""
    rest = 100 - sum((part.percentage for part in parts), Decimal(0))
    if abs(rest) > _ROUNDED_PARTS:
        raise ValidationError("The percentages must sum to 100, rounded ones to within 0.1.", "installments")
    taker = next(number for number in reversed(range(len(parts))) if parts[number].percentage + rest >= 0)
    return tuple(
        replace(part, percentage=part.percentage + rest) if number == taker else part
        for number, part in enumerate(parts)
    )


class TotalsSchema(_Part):
    net_amount, tax_amount, total_amount = _amount(), _amount(), _amount()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Totals | None:
        """Give the three figures, of which the total and one more tell the third; None when they do not."""
        net, tax, total = data["net_amount"], data["tax_amount"], data["total_amount"]
        if total is None or (net is None and tax is None):
            return None
        net = total - tax if net is None else net
        return q.Totals(net, total - net if tax is None else tax, total)


class MetricsSchema(_Object):
    mrr = _amount()


class SummarySchema(_Object):
    one_off = _nested(TotalsSchema)
    metrics = fields.Nested(MetricsSchema, load_default=None, allow_none=True)


class QuoteSchema(_Object):
    """The document of ``schemas/host/quote.v1.json``."""

    id = Identifier(required=True)
    number = Identifier(required=True)
    status = Text(required=True)
    workspace_id = Identifier()
    accepted_at = Instant(load_default=None, allow_none=True)
    currency = Text(required=True)
    language = _text()
    title, pdf_link, dealroom_link = _text(), _text(), _text()
    owner = _nested(OwnerSchema)
    business_unit = _nested(BusinessUnitSchema)
    customer = fields.Nested(CustomerSchema, required=True)
    pricing_table = fields.Nested(PricingTableSchema, required=True)
    discounts = Several(GlobalDiscountSchema, load_default=list)
    payment_terms = _nested(PaymentTermsSchema)
    summary = fields.Nested(SummarySchema, load_default=None, allow_none=True)

    @validates_schema
    def _has_an_address(self, data: dict[str, Any], **_: Any) -> None:
        # A browser goes up a folder there, whatever is escaped.
        if at_the_door() and data["id"] in {".", ".."}:
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


def _by_rank(items: Sequence[Any], attribute: str = "rank") -> tuple[Any, ...]:
    """Sort by rank; ties and missing ranks keep their position (``sorted`` is stable)."""
    return tuple(sorted(items, key=lambda item: _rank_or_last(getattr(item, attribute))))


def _in_order(section: q.Section) -> q.Section:
    phases = (replace(phase, line_items=_by_rank(phase.line_items)) for phase in _by_rank(section.phases))
    return replace(section, phases=tuple(phases))


def _rank_or_last(rank: int | None) -> tuple[bool, int]:
    return (rank is None, rank or 0)


def _lines_with_paths(sections: list[q.Section]) -> Iterator[tuple[list[Any], q.LineItem]]:
    for i, section in enumerate(sections):
        for j, phase in enumerate(section.phases):
            for k, line in enumerate(phase.line_items):
                yield ["sections", i, "phases", j, "line_items", k], line


def _deep(path: list[Any], leaf: Any) -> Any:
    for part in reversed(path):
        leaf = {part: leaf}
    return leaf


def load_quote(document: Any, *, workspace_id: str, received_at: datetime, stored: bool = False) -> q.Quote:
    """Load a canonical quote that arrived for ``workspace_id``.

    ``stored``: it was taken before, perhaps by an earlier release, so rules that are newer do not apply to it.
    Raises: InvalidInput with one problem per field. Messages never repeat the rejected values.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput("The document is not a quote.", [FieldProblem((), "Must be a JSON object.")])
    try:
        with stored_document() if stored else nullcontext():
            data = _schema().load(document)
    except ValidationError as error:
        raise InvalidInput("The quote cannot be accepted.", list(_problems(error.messages))) from None
    _refuse_foreign(data["workspace_id"], workspace_id)
    _refuse_unaccepted(data["status"])
    return _assemble(data, workspace_id, received_at)


def id_of(document: Any, *, workspace_id: str) -> str:
    """Give the id of a quote of which nothing else counts any more. Raises: InvalidInput."""
    if not isinstance(document, Mapping):
        raise InvalidInput("The document is not a quote.", [FieldProblem((), "Must be a JSON object.")])
    _refuse_foreign(document.get("workspace_id"), workspace_id)
    try:
        return str(Identifier(required=True).deserialize(document.get("id")))
    except ValidationError as error:
        raise InvalidInput("The quote has no id.", [FieldProblem(("id",), str(error.messages[0]))]) from None


def load_heading(document: Mapping[str, Any]) -> tuple[str, str, q.Totals | None]:
    """Give customer's name, currency and totals of a quote that is stored: to load all its lines takes much longer."""
    name, currency = (Wording().deserialize(text) for text in (document["customer"]["name"], document["currency"]))
    summary = _summary().load(document.get("summary") or {})
    return name, currency.upper(), summary["one_off"]


@cache
def _summary() -> SummarySchema:
    return SummarySchema()


@cache
def _schema() -> QuoteSchema:
    # Kept: what its eighteen parts look like is worked out anew for each one that is made.
    return QuoteSchema()


def _refuse_foreign(named: Any, workspace_id: str) -> None:
    if named not in (None, workspace_id):
        raise InvalidInput(
            "The quote belongs to another workspace.",
            [FieldProblem(("workspace_id",), "Must be the workspace it is sent to, or be left out.")],
        )


def _refuse_unaccepted(status: str) -> None:
    if status.lower() != "accepted":
        raise InvalidInput(
            "The quote is not accepted.", [FieldProblem(("status",), "Only an accepted quote is taken.")]
        )


def _assemble(data: dict[str, Any], workspace_id: str, received_at: datetime) -> q.Quote:
    table, summary = data["pricing_table"], data["summary"] or {}
    metrics = summary.get("metrics") or {}
    accepted: datetime = data["accepted_at"] or received_at
    return q.Quote(
        id=data["id"],
        number=data["number"],
        status="accepted",
        workspace_id=workspace_id,
        accepted_at=accepted.astimezone(UTC),
        timezone=accepted.tzinfo or UTC,
        currency=data["currency"].upper(),
        language=_language(data["language"] or ""),
        title=data["title"],
        pdf_link=data["pdf_link"],
        dealroom_link=data["dealroom_link"],
        owner=data["owner"],
        business_unit=data["business_unit"],
        customer=data["customer"],
        sections=tuple(_in_order(section) for section in _by_rank(table["sections"])),
        prices_hidden=bool(table["settings"] and table["settings"]["is_prices_hidden"]),
        discounts=tuple(data["discounts"]),
        payment_terms=data["payment_terms"],
        totals=summary.get("one_off"),
        mrr=metrics.get("mrr"),
    )


def _language(text: str) -> str:
    code = text[:2].lower()
    return code if re.fullmatch("[a-z]{2}", code) else "en"


def _problems(messages: Any, path: tuple[str, ...] = ()) -> Iterator[FieldProblem]:
    """Flatten marshmallow's nested messages (which never hold values) into one problem per field."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            here = path if key == "_schema" else (*path, str(key))
            yield from _problems(inner, here)
    else:
        for message in messages:
            yield FieldProblem(path, str(message))
