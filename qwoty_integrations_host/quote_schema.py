"""Loads a canonical quote document into ``Quote`` objects, and says by field what is wrong with it.

The marshmallow classes mirror the document of the Qwoty page, section 3. They refuse at the door what can
never be invoiced (negative quantity, unknown currency, installments that do not sum to 100 %); what a
person may still want to look at on a run (a discount above its line) is left to the plugin.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from babel.core import get_global
from babel.numbers import get_territory_currencies
from marshmallow import (
    EXCLUDE,
    Schema,
    ValidationError,
    fields,
    post_load,
    pre_load,
    validate,
    validates_schema,
)

from . import quote as q
from .errors import FieldProblem, InvalidInput, MalformedInput

_MAX_DIGITS = 28
_MAX_DEPTH = 64
DECIMAL = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def parse_json(raw: bytes | str) -> Any:
    """Parse JSON with every number as ``Decimal`` or ``int``, so that money never passes through a float.

    Raises: MalformedInput, which says where the text stops being JSON and never quotes it.
    """
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        found = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
        return _shallow(found)
    except UnicodeDecodeError as error:
        raise MalformedInput("The document is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedInput(f"The document is not valid JSON ({where}).", hint="Is it truncated?") from error
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise MalformedInput("The document holds a number or a nesting that JSON does not allow.") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _shallow(found: Any) -> Any:
    level = [found]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError("nested too deeply")
    return found


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


@cache
def active_currencies() -> frozenset[str]:
    """ISO 4217 codes that are legal tender somewhere today (from CLDR)."""
    codes = {code for land in get_global("territory_currencies") for code in get_territory_currencies(land)}
    return frozenset(codes - {"XXX"})


class Amount(fields.Field[Decimal]):
    """A decimal as string or number; never a float, never infinite, never absurdly long."""

    def __init__(self, *, least: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least = least

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise ValidationError("Must be a decimal number.")
        text = value.strip() if isinstance(value, str) else None
        if text is not None and not DECIMAL.fullmatch(text):
            raise ValidationError("Must be a decimal number.")
        try:
            number = Decimal(value if text is None else text)
        except InvalidOperation as error:
            raise ValidationError("Must be a decimal number.") from error
        if not number.is_finite() or len(number.as_tuple().digits) > _MAX_DIGITS or abs(number.adjusted()) > 18:
            raise ValidationError("Must be a finite decimal number of ordinary size.")
        if self.least is not None and number < self.least:
            raise ValidationError(f"Must not be less than {self.least}.")
        return number


class Whole(fields.Integer):
    """A whole number of ordinary size; marshmallow's own would write out ``1E+999999999`` in full."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        number = Amount()._deserialize(value, attr, data, **kwargs)  # noqa: SLF001 - the same rules
        if number != number.to_integral_value():
            raise ValidationError("Must be a whole number.")
        return int(number)


def is_storable(text: str) -> bool:
    """Whether every database and service can hold a text: it has no NUL, and no half of a character."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


class Text(fields.String):
    """A string that every database and service can hold; blanks around it are dropped."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        if not is_storable(text):
            raise ValidationError("Holds a character that is none.")
        return text


class Flag(fields.Field[bool]):
    """True or false, and nothing that only resembles them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class Instant(fields.Field[datetime]):
    """An ISO 8601 time, returned in its own offset; a time without one is taken as UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            found = datetime.fromisoformat(value)
            found = found.replace(tzinfo=found.tzinfo or UTC)
            found.astimezone(UTC)  # refuses a time that is none there
        except (TypeError, ValueError, OverflowError) as error:
            raise ValidationError("Must be an ISO 8601 time such as 2026-03-10T09:15:00Z.") from error
        return found


class Roles(fields.Field[tuple[str, ...]]):
    """A list of words; the quote's own page shows a single word, the REST page a list."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValidationError("Must be a list of words.")
        return tuple(word.strip().lower() for word in words)


def _id(*, required: bool = True) -> Text:
    extra: dict[str, Any] = {"required": True} if required else {"load_default": None, "allow_none": True}
    return Text(validate=validate.Length(min=1, max=255), **extra)


def _text() -> Text:
    return Text(load_default=None, allow_none=True)


def _rank() -> Whole:
    return Whole(load_default=None, allow_none=True)


class _Part(Schema):
    """Base of the document's parts: unknown fields are ignored, the result is the dataclass ``makes``."""

    makes: Any = None

    class Meta:
        unknown = EXCLUDE

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        return self.makes(**{name: tuple(v) if isinstance(v, list) else v for name, v in data.items()})


class ExternalIdsSchema(_Part):
    makes = q.ExternalIds
    crm, erp, accounting = _text(), _text(), _text()


class AddressSchema(_Part):
    makes = q.Address
    line1, line2, city, state, postal_code, country = _text(), _text(), _text(), _text(), _text(), _text()
    country_code = _text()

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Address:
        code = (data.pop("country_code", None) or "").upper()
        # Only a real two-letter code may travel on; a name in this place would be refused downstream.
        return q.Address(**data, country_code=code if re.fullmatch("[A-Z]{2}", code) else None)


def _nested(schema: type[_Part], *, default: Any = None) -> fields.Nested:
    return fields.Nested(schema, load_default=default, allow_none=True)


class ContactSchema(_Part):
    makes = q.Contact
    id = _id()
    first_name, last_name, email, phone = _text(), _text(), _text(), _text()
    role = Roles(load_default=())
    external_ids = _nested(ExternalIdsSchema)

    @pre_load
    def _tolerate_null_role(self, data: Any, **_: Any) -> Any:
        return {k: v for k, v in data.items() if k != "role" or v is not None} if isinstance(data, dict) else data

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Contact:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        return q.Contact(**{**data, "email": data.get("email") or None}, external_ids=ids)


class CustomerSchema(_Part):
    makes = q.Customer
    id = _id()
    name = Text(required=True)
    type = Text(load_default="company")
    external_ids = _nested(ExternalIdsSchema)
    billing_address = _nested(AddressSchema)
    contacts = fields.List(fields.Nested(ContactSchema), required=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Customer:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        return q.Customer(**{**data, "contacts": tuple(data["contacts"])}, external_ids=ids)


class BusinessUnitSchema(_Part):
    makes = q.BusinessUnit
    id = _id()
    name = _text()
    address = _nested(AddressSchema)


class OwnerSchema(_Part):
    makes = q.Owner
    id = _id(required=False)
    first_name, last_name, email = _text(), _text(), _text()


class TaxSchema(_Part):
    makes = q.Tax
    id = _id(required=False)
    api_name, name, country = _text(), _text(), _text()
    rate = Amount(least=0, load_default=None, allow_none=True)
    is_percentage = Flag(load_default=True)
    amount = Amount(load_default=None, allow_none=True)
    external_ids = _nested(ExternalIdsSchema)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Tax:
        ids = data.pop("external_ids", None) or q.ExternalIds()
        country = data.pop("country", None)
        return q.Tax(**data, country=country.upper() if country else None, external_ids=ids)


class DiscountSchema(_Part):
    makes = q.Discount
    id = _id(required=False)
    label, type = _text(), _text()
    value = Amount(load_default=None, allow_none=True)
    amount = Amount(load_default=None, allow_none=True)


class GlobalDiscountSchema(DiscountSchema):
    amount = Amount(least=0, required=True)


class AmountsSchema(_Part):
    makes = q.Amounts
    gross, discount, net = Amount(required=True), Amount(load_default=Decimal(0)), Amount(required=True)

    @validates_schema
    def _adds_up(self, data: dict[str, Any], **_: Any) -> None:
        if data["gross"] - data["discount"] != data["net"]:
            raise ValidationError("gross less discount must equal net.", "net")


class ProductSchema(_Part):
    makes = q.Product
    name = Text(required=True, validate=validate.Length(min=1))
    product_id, unit_of_measure = _id(required=False), _text()


class PricingSchema(_Part):
    makes = q.Pricing
    model = Text(required=True)
    list_price = Amount(load_default=None, allow_none=True)
    currency = _text()


class LineItemSchema(_Part):
    makes = q.LineItem
    id = _id()
    rank = _rank()
    product = fields.Nested(ProductSchema, required=True)
    quantity = Amount(least=0, required=True)
    pricing = fields.Nested(PricingSchema, required=True)
    amounts = _nested(AmountsSchema)
    discount = _nested(DiscountSchema)
    taxes = fields.List(fields.Nested(TaxSchema), load_default=list)

    @validates_schema
    def _has_a_price(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("amounts") is None and data["pricing"].list_price is None:
            raise ValidationError("Needs amounts, or a list_price to compute them from.", "amounts")


class PhaseSchema(_Part):
    makes = q.Phase
    id, name, rank = _id(required=False), _text(), _rank()
    line_items = fields.List(fields.Nested(LineItemSchema), required=True)


class SectionSchema(_Part):
    makes = q.Section
    id, name, rank = _id(required=False), _text(), _rank()
    type = Text(required=True)
    phases = fields.List(fields.Nested(PhaseSchema), required=True)

    @pre_load
    def _wrap_bare_lines(self, data: Any, **_: Any) -> Any:
        if isinstance(data, dict) and "phases" not in data and "line_items" in data:
            return {**data, "phases": [{"line_items": data["line_items"]}]}
        return data

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.Section:
        return q.Section(**{**data, "type": data["type"].lower(), "phases": tuple(data["phases"])})


class PricingTableSettingsSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    is_prices_hidden = Flag(load_default=False)


class PricingTableSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    sections = fields.List(fields.Nested(SectionSchema), required=True)
    settings = fields.Nested(PricingTableSettingsSchema, load_default=None, allow_none=True)


class InstallmentSchema(_Part):
    makes = q.Installment
    id, name, term, custom_text = _id(required=False), _text(), _text(), _text()
    percentage = Amount(least=0, required=True)
    order_number = _rank()


class PaymentTermsSchema(_Part):
    makes = q.PaymentTerms
    name, api_name = _text(), _text()
    installments = fields.List(fields.Nested(InstallmentSchema), load_default=list)

    @validates_schema
    def _sums_to_100(self, data: dict[str, Any], **_: Any) -> None:
        parts = data.get("installments", [])
        if parts and sum((part.percentage for part in parts), Decimal(0)) != 100:
            raise ValidationError("The percentages must sum to exactly 100.", "installments")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> q.PaymentTerms:
        return q.PaymentTerms(**{**data, "installments": _by_rank(data["installments"], "order_number")})


class TotalsSchema(_Part):
    makes = q.Totals
    net_amount, tax_amount, total_amount = Amount(required=True), Amount(required=True), Amount(required=True)


class MetricsSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    mrr = Amount(load_default=None, allow_none=True)


class SummarySchema(Schema):
    class Meta:
        unknown = EXCLUDE

    one_off = _nested(TotalsSchema)
    metrics = fields.Nested(MetricsSchema, load_default=None, allow_none=True)


class QuoteSchema(Schema):
    """The document of ``schemas/host/quote.v1.json``."""

    class Meta:
        unknown = EXCLUDE

    id = _id()
    number = _id()
    status = Text(required=True)
    workspace_id = _id(required=False)
    accepted_at = Instant(load_default=None, allow_none=True)
    currency = Text(required=True)
    language = _text()
    title, pdf_link, dealroom_link = _text(), _text(), _text()
    owner = _nested(OwnerSchema)
    business_unit = _nested(BusinessUnitSchema)
    customer = fields.Nested(CustomerSchema, required=True)
    pricing_table = fields.Nested(PricingTableSchema, required=True)
    discounts = fields.List(fields.Nested(GlobalDiscountSchema), load_default=list)
    payment_terms = _nested(PaymentTermsSchema)
    summary = fields.Nested(SummarySchema, load_default=None, allow_none=True)

    @pre_load
    def _tolerate_nulls(self, data: Any, **_: Any) -> Any:
        return {k: v for k, v in data.items() if k != "discounts" or v is not None} if isinstance(data, dict) else data

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


def load_quote(document: Any, *, workspace_id: str, received_at: datetime) -> q.Quote:
    """Load a canonical quote that arrived for ``workspace_id``.

    Raises: InvalidInput with one problem per field. Messages never repeat the rejected values.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput("The document is not a quote.", [FieldProblem((), "Must be a JSON object.")])
    try:
        data = _schema().load(document)
    except ValidationError as error:
        raise InvalidInput("The quote cannot be accepted.", list(_problems(error.messages))) from None
    _refuse_foreign(data, workspace_id)
    return _assemble(data, workspace_id, received_at)


@cache
def _schema() -> QuoteSchema:
    # Kept: what its eighteen parts look like is worked out anew for each one that is made.
    return QuoteSchema()


def _refuse_foreign(data: dict[str, Any], workspace_id: str) -> None:
    if data["workspace_id"] not in (None, workspace_id):
        raise InvalidInput(
            "The quote belongs to another workspace.",
            [FieldProblem(("workspace_id",), "Must be the workspace it is sent to, or be left out.")],
        )
    if data["status"].lower() != "accepted":
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
