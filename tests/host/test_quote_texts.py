"""The texts and the empty fields of a quote: null and absent, control characters, languages, countries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builders import LINE, a_line, a_quote, loaded, refused_fields, the_example, with_value


def test_unknown_fields_are_tolerated_everywhere() -> None:
    def grown(value: Any) -> Any:
        if isinstance(value, dict):
            return {**{k: grown(v) for k, v in value.items()}, "new_in_2027": {"deep": [1.5, None]}}
        return [grown(inner) for inner in value] if isinstance(value, list) else value

    assert loaded(grown(the_example())) == loaded(the_example())


@pytest.mark.parametrize(
    ("field", "value"),
    [("discounts", None), ("payment_terms", None), ("summary", None), ("language", None), ("owner", None)],
)
def test_missing_and_null_optional_fields_mean_the_same(field: str, value: Any) -> None:
    without = {name: inner for name, inner in the_example().items() if name != field}

    assert loaded(without) == loaded({**without, field: value})


@pytest.mark.parametrize(
    ("given_language", "language"),
    [
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("de_DE", "de"),
        (None, "en"),
        ("", "en"),
        ("f\nr", "en"),
        ("é", "en"),
        ("x", "en"),
    ],
)
def test_a_language_is_two_letters_or_english(given_language: Any, language: str) -> None:
    assert loaded(a_quote(language=given_language)).language == language


@pytest.mark.parametrize(
    ("country", "code", "understood"),
    [
        (None, "fr", "FR"),
        ("France", None, "FR"),
        ("France", "", "FR"),
        ("France", "France", "FR"),
        ("Deutschland", None, "DE"),
        ("UK", None, "GB"),
        (None, "UK", "GB"),
        pytest.param("France", "DE", "DE", id="the code wins"),
        pytest.param("France", "EU", "FR", id="a code that is no country's"),
        pytest.param("Atlantis", "XX", None, id="neither is known"),
        (None, "EU", None),
    ],
)
def test_only_a_valid_country_code_is_passed_on(country: str | None, code: str | None, understood: str | None) -> None:
    quote = with_value(a_quote(), "customer.billing_address.country", country)
    address = loaded(with_value(quote, "customer.billing_address.country_code", code)).customer.billing_address

    assert address is not None
    assert address.country_code == understood
    assert address.country_code or address.country == (country or code)


def everywhere(document: Any, change: Any, path: tuple[str, ...] = ()) -> Any:
    """The document with each value replaced by ``change(path, value)``."""
    if isinstance(document, dict):
        document = {name: everywhere(value, change, (*path, name)) for name, value in document.items()}
    elif isinstance(document, list):
        document = [everywhere(value, change, (*path, str(n))) for n, value in enumerate(document)]
    return change(path, document)


FULL = with_value(
    with_value(with_value(the_example(), f"{LINE}.optional", False), f"{LINE}.selected", None), "owner", {"id": "o-1"}
)


OPTIONAL = [
    "language", "title", "owner", "owner.id", "business_unit", "business_unit.name", "discounts", "payment_terms",
    "payment_terms.installments", "payment_terms.installments.0.order_number", "payment_terms.installments.0.id",
    "summary", "summary.one_off", "summary.metrics", "summary.one_off.tax_amount", "summary.one_off.net_amount",
    "customer.type", "customer.external_ids", "customer.billing_address", "customer.contacts.0.role",
    "customer.contacts.0.external_ids", "customer.contacts.0.email", "pricing_table.settings",
    "pricing_table.sections.0.id", "pricing_table.sections.0.rank", "pricing_table.sections.0.phases.0.id",
    f"{LINE}.rank", f"{LINE}.taxes", f"{LINE}.amounts.discount", f"{LINE}.discount", f"{LINE}.product.product_id",
    f"{LINE}.pricing.currency", f"{LINE}.pricing.list_price", f"{LINE}.taxes.0.is_percentage", f"{LINE}.taxes.0.rate",
    f"{LINE}.taxes.0.external_ids", f"{LINE}.discount.value", f"{LINE}.discount.amount", f"{LINE}.discount.label",
    f"{LINE}.optional", f"{LINE}.selected", "discounts.0.amount", "discounts.0.value", "discounts.0.label",
]  # fmt: skip


@pytest.mark.parametrize("field", OPTIONAL)
def test_null_and_absent_mean_the_same_in_every_optional_field(field: str) -> None:
    document = with_value(FULL, f"{LINE}.amounts", {"gross": "7020.00", "discount": "0", "net": "7020.00"})
    *_, name = field.split(".")

    def without(path: tuple[str, ...], value: Any) -> Any:
        inside = ".".join([*path, name]) == field
        return {key: one for key, one in value.items() if key != name} if inside else value

    def with_null(path: tuple[str, ...], value: Any) -> Any:
        return {**value, name: None} if ".".join([*path, name]) == field else value

    assert loaded(everywhere(document, with_null)) == loaded(everywhere(document, without))


@pytest.mark.parametrize("section", [{"phases": None}, {"line_items": None}, {"phases": [{"line_items": None}]}])
def test_a_section_whose_lines_are_null_has_no_lines(section: dict[str, Any]) -> None:
    table = {"sections": [{"type": "product", "line_items": [a_line()]}, {"type": "product", **section}]}

    assert [len(one.line_items) for one in loaded(a_quote(pricing_table=table)).sections] == [1, 0]


def test_a_section_without_a_field_for_lines_is_refused() -> None:
    assert refused_fields(a_quote(pricing_table={"sections": [{"type": "product"}]})) == [
        "pricing_table.sections.0.phases"
    ]


TEXTS = [
    "id", "number", "title", "customer.id", "customer.name", "customer.contacts.0.id", "customer.contacts.0.phone",
    "customer.billing_address.postal_code", "customer.contacts.0.external_ids.accounting", "business_unit.id",
    "pricing_table.sections.0.id", f"{LINE}.id", f"{LINE}.product.name", f"{LINE}.product.product_id",
    f"{LINE}.taxes.0.id", f"{LINE}.taxes.0.api_name", "discounts.0.id", "discounts.0.label",
    "payment_terms.name", "payment_terms.installments.0.id", "payment_terms.installments.0.name",
]  # fmt: skip


@pytest.mark.parametrize("field", TEXTS)
def test_a_text_field_accepts_an_integer_as_text_and_no_other_type(field: str) -> None:
    assert loaded(with_value(the_example(), field, 69001)) == loaded(with_value(the_example(), field, "69001"))
    for value in (True, Decimal("69001.0"), [69001], {}):
        assert refused_fields(with_value(the_example(), field, value)) == [field]


IDS = [field for field in TEXTS if field.rsplit(".", 1)[-1] in {"id", "number", "product_id", "api_name", "accounting"}]


CONTROLS = ["\x01", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f"]


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
@pytest.mark.parametrize("field", IDS)
def test_ids_and_numbers_with_control_characters_are_refused(field: str, control: str) -> None:
    for value in (f"a{control}b", f"{control}a", f"a{control}"):
        assert refused_fields(with_value(the_example(), field, value)) == [field]


@pytest.mark.parametrize(
    ("written", "read"),
    [("a\x07b", "a b"), ("a\x1b[31mb", "a [31mb"), ("a\x80\x9fb", "a b"), ("\x7fa", "a"), ("a\tb\nc\r\nd", "a\tb\nc\r\nd"),
     ("é – ☃ 💶", "é – ☃ 💶")],
    ids=ascii,
)  # fmt: skip
def test_control_characters_in_names_become_blanks_except_tabs_and_newlines(written: str, read: str) -> None:
    assert (
        loaded(with_value(the_example(), f"{LINE}.product.name", written)).sections[0].line_items[0].product.name
        == read
    )


@pytest.mark.parametrize("field", [*TEXTS, "language", "status", "currency", f"{LINE}.pricing.model"])
@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\0", "a\0b"], ids=ascii)
def test_characters_that_no_database_stores_are_refused_in_every_text(field: str, text: str) -> None:
    assert refused_fields(with_value(the_example(), field, text)) == [field]
