"""The quote at the door: read exactly, refused by field, and never repeated in a message."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import EXAMPLE, a_line, a_quote, the_example, vat
from qwoty_integrations_host.contract.exact_json import parse_json
from qwoty_integrations_host.contract.quote import Quote
from qwoty_integrations_host.contract.quote_document import load_quote
from qwoty_integrations_host.errors import InvalidInput, MalformedInput
from qwoty_integrations_host.store import quotes, tables

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
LINE = "pricing_table.sections.0.phases.0.line_items.0"
CANARY = "CanaryABC"


def load(document: Any) -> Quote:
    return load_quote(document, workspace_id="ws-1", received_at=NOW)


def refusals(document: Any) -> list[str]:
    """The fields for which a document is refused; none when it is taken."""
    try:
        load(document)
    except InvalidInput as refused:
        return [problem.dotted for problem in refused.problems]
    return []


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set one value of a document, by its dotted path."""
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in way:
        place = place[part]
    place[last] = value
    return document


def test_the_documented_example_is_taken_as_it_stands() -> None:
    quote = load(EXAMPLE)

    assert (quote.id, quote.number, quote.currency, quote.language) == ("q-1", "Q-2026-042", "EUR", "fr")
    assert quote.accepted_at == datetime(2026, 3, 10, 9, 15, tzinfo=UTC)
    assert quote.totals is not None
    assert quote.totals.total_amount == Decimal("9102.00")
    first = quote.sections[0].line_items[0]
    assert (first.quantity, first.pricing.list_price) == (Decimal(12), Decimal("650.00"))
    assert first.amounts is not None
    assert first.amounts.net == Decimal("7020.00")
    assert [part.percentage for part in quote.installments] == [Decimal(25)] * 4
    assert quote.customer.contacts[0].full_name == "Ana Diaz"


@pytest.mark.parametrize("text", ["12", "12.0", '"12"', '"12.00"', '" 12 "', "1.2e1", '"1.2E+1"'])
def test_decimals_are_strings_or_numbers_and_never_floats(text: str) -> None:
    raw = json.dumps(put(the_example(), f"{LINE}.quantity", "@")).replace('"@"', text)

    quantity = load(parse_json(raw)).sections[0].line_items[0].quantity

    assert isinstance(quantity, Decimal)
    assert quantity == 12


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("1237.0500000000002", "1237.05"), ("1237.0499999999999", "1237.05"), ("0.30000000000000004", "0.3"),
        ("0.7999999999999999", "0.8"), ("1000.0000000000001", "1000"), ("-1237.0500000000002", "-1237.05"),
        ('"1237.0500000000002"', "1237.05"), ("1.2370500000000002e3", "1237.05"), ("5e-324", None),
        ("1237.05000", "1237.05000"), ("0.123456789012345", "0.123456789012345"), ("999999999999.999", "999999999999.999"),
        ("1234567890123456", "1234567890123456"), ("12.0000000000000000000", "12.0000000000000000000"),
    ],
)  # fmt: skip
def test_a_number_keeps_the_fifteen_digits_that_a_double_holds_for_certain(text: str, means: str | None) -> None:
    raw = json.dumps(put(the_example(), f"{LINE}.pricing.list_price", "@")).replace('"@"', text)

    try:
        price = load(parse_json(raw)).sections[0].line_items[0].pricing.list_price
    except InvalidInput:
        price = None

    assert (price is None) == (means is None)
    assert means is None or f"{price:f}" == means


@pytest.mark.parametrize(("net", "is_taken"), [("0.2000001", True), ("0.2000009", True), ("0.200002", False)])
def test_gross_less_discount_is_the_net_to_a_millionth(net: str, is_taken: bool) -> None:
    line = a_line(amounts={"gross": "0.3", "discount": "0.1", "net": net}, taxes=[])

    problems = refusals(a_quote(line, total="0.2"))

    assert problems == ([] if is_taken else [f"{LINE}.amounts.net"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", None), ("id", ""), ("id", "  "), ("id", True), ("id", Decimal("7.0")), ("id", "x" * 256), ("id", "\ud800"), ("id", "a\0b"),
        ("id", 10**255), ("id", "."), ("id", ".."),
        ("number", None), ("status", None), ("status", "draft" + CANARY), ("workspace_id", "ws-2" + CANARY),
        ("accepted_at", "soon" + CANARY), ("accepted_at", 5), ("accepted_at", "0001-01-01T00:00:00+14:00"),
        ("currency", "XXX"), ("currency", "EURO"), ("currency", "DEM"), ("currency", ""), ("currency", None),
        ("customer", None), ("customer", [CANARY]), ("customer.id", None), ("customer.name", "\udfff"),
        ("customer.contacts", None), ("customer.contacts.0.id", ""), ("customer.contacts.0.role", 5),
        ("customer.billing_address", CANARY),
        ("pricing_table", None), ("pricing_table.sections", None), ("pricing_table.sections", {}),
        ("pricing_table.sections.0", CANARY), ("pricing_table.sections.0.type", None),
        ("pricing_table.sections.0.rank", Decimal("1E+999999999")), ("pricing_table.sections.0.rank", "1.5"),
        (f"{LINE}.rank", Decimal("1E+999999999")), (f"{LINE}.rank", CANARY),
        (f"{LINE}.quantity", "-1"), (f"{LINE}.quantity", -1), (f"{LINE}.quantity", "-0.001"),
        (f"{LINE}.quantity", "1E+999999999"), (f"{LINE}.quantity", Decimal("1E-999999")),
        (f"{LINE}.quantity", "9" * 29), (f"{LINE}.quantity", 10 ** 4000), (f"{LINE}.quantity", "NaN"),
        (f"{LINE}.quantity", "Infinity"), (f"{LINE}.quantity", "sNaN"), (f"{LINE}.quantity", "1_000"),
        (f"{LINE}.quantity", "1,5"), (f"{LINE}.quantity", "\u0661"), (f"{LINE}.quantity", True),
        (f"{LINE}.quantity", 1.5), (f"{LINE}.quantity", None), (f"{LINE}.quantity", [CANARY]),
        (f"{LINE}.pricing.currency", "USD"), (f"{LINE}.pricing.model", None), (f"{LINE}.product.name", ""),
        (f"{LINE}.amounts.net", "1.00"), (f"{LINE}.amounts.gross", CANARY), (f"{LINE}.taxes.0.rate", "-5"),
        ("discounts", {}), ("discounts.0.amount", "-1"), ("pricing_table.sections.0.phases", CANARY),
        ("pricing_table.sections.0.phases.0.line_items", {}), (f"{LINE}.taxes", {}),
        ("payment_terms.installments.0.percentage", "-25"), ("payment_terms.installments.0.order_number", "x"),
        ("summary.one_off.total_amount", CANARY), ("summary", CANARY), ("owner", CANARY),
    ],
    ids=lambda found: found if isinstance(found, str) and found.isascii() else repr(found)[:30],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_path_of_its_field_and_without_its_value(path: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(put(the_example(), path, value))

    assert [problem.dotted for problem in refused.value.problems] == [path]
    said = str(refused.value) + refused.value.hint + "".join(p.message for p in refused.value.problems)
    assert CANARY not in said


@pytest.mark.parametrize("parts", [["25", "25", "25", "24.89"], ["100.11"], ["0"], ["33.3"] * 3 + ["0.3"], ["33"] * 3])
def test_installments_that_do_not_sum_to_100_are_refused(parts: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(a_quote(installments=parts))

    assert [problem.dotted for problem in refused.value.problems] == ["payment_terms.installments"]


def test_two_lines_with_one_id_are_refused_wherever_they_stand() -> None:
    quote = a_quote(a_line("l1"), a_line("l2"))
    quote["pricing_table"]["sections"].append({"type": "plan", "line_items": [a_line("l1")]})

    with pytest.raises(InvalidInput) as refused:
        load(quote)

    assert [p.dotted for p in refused.value.problems] == ["pricing_table.sections.1.phases.0.line_items.0.id"]


def test_a_line_without_amounts_and_price_is_refused() -> None:
    line = a_line(amounts=None, pricing={"model": "flat"})

    with pytest.raises(InvalidInput) as refused:
        load(a_quote(line))

    assert [p.dotted for p in refused.value.problems] == [f"{LINE}.amounts"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"a": 1', b"\xff\xfe", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e99999999999999999999}',
     b"[" * 200_000, b'{"a":' * 70 + b"1" + b"}" * 70, b"1" * 5000, b"{'a': 1}"],
    ids=["empty", "open", "truncated", "not UTF-8", "NaN", "Infinity", "exponent", "endless", "deep", "long", "quotes"],
)  # fmt: skip
def test_what_is_no_json_is_malformed_and_not_quoted(raw: bytes) -> None:
    with pytest.raises(MalformedInput) as refused:
        parse_json(raw)

    assert raw[:3].decode("latin-1") not in str(refused.value) or not raw


def test_json_with_a_byte_order_mark_is_read() -> None:
    assert parse_json(b"\xef\xbb\xbf[1.50]") == [Decimal("1.50")]


@pytest.mark.parametrize("document", [None, [], "text", 7], ids=repr)
def test_what_is_no_object_is_no_quote(document: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(document)

    assert [p.pointer for p in refused.value.problems] == [""]


def test_several_mistakes_are_told_at_once() -> None:
    quote = put(put(a_quote(), f"{LINE}.quantity", "-1"), "number", None)

    with pytest.raises(InvalidInput) as refused:
        load(quote)

    assert {p.pointer for p in refused.value.problems} == {"/" + f"{LINE}.quantity".replace(".", "/"), "/number"}


def test_unknown_fields_are_tolerated_everywhere() -> None:
    def grown(value: Any) -> Any:
        if isinstance(value, dict):
            return {**{k: grown(v) for k, v in value.items()}, "new_in_2027": {"deep": [1.5, None]}}
        return [grown(inner) for inner in value] if isinstance(value, list) else value

    assert load(grown(the_example())) == load(the_example())


@pytest.mark.parametrize(
    ("field", "value"),
    [("discounts", None), ("payment_terms", None), ("summary", None), ("language", None), ("owner", None)],
)
def test_missing_and_null_optional_fields_are_the_same(field: str, value: Any) -> None:
    without = {name: inner for name, inner in the_example().items() if name != field}

    assert load(without) == load({**without, field: value})


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
    assert load(a_quote(language=given_language)).language == language


def test_a_time_without_an_offset_is_utc_and_a_missing_one_is_now() -> None:
    assert load(a_quote(accepted_at="2026-03-10T10:00:00")).accepted_at == datetime(2026, 3, 10, 10, tzinfo=UTC)
    assert load(a_quote(accepted_at="2026-03-10T10:00:00+02:00")).accepted_at.hour == 8
    assert load(a_quote(accepted_at=None)).accepted_at == NOW


def test_lines_phases_and_sections_stand_in_the_order_of_their_rank() -> None:
    def lines(*ranked: tuple[str, int | None]) -> list[dict[str, Any]]:
        return [a_line(name, rank=rank) for name, rank in ranked]

    sections = [
        {"type": "product", "rank": 5, "phases": [
            {"rank": 9, "line_items": lines(("h", None))},
            {"rank": 1, "line_items": lines(("e", 7), ("g", None), ("d", 2), ("f", 7))},
        ]},
        {"type": "product", "line_items": lines(("z", -1))},
        {"type": "product", "rank": 1, "line_items": lines(("b", 30), ("a", 0), ("c", 30))},
    ]  # fmt: skip

    quote = load(a_quote(pricing_table={"sections": sections}))

    assert [line.id for section in quote.sections for line in section.line_items] == list("abcdefghz")


def test_installments_stand_in_their_order() -> None:
    terms = {"installments": [{"percentage": p, "order_number": n} for p, n in (("50", 3), ("20", 1), ("30", None))]}

    assert [part.percentage for part in load(a_quote(payment_terms=terms)).installments] == [20, 50, 30]


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
        pytest.param("Atlantis", "XX", None, id="nothing is understood"),
        (None, "EU", None),
    ],
)
def test_only_a_real_country_code_travels_on(country: str | None, code: str | None, understood: str | None) -> None:
    quote = put(a_quote(), "customer.billing_address.country", country)
    address = load(put(quote, "customer.billing_address.country_code", code)).customer.billing_address

    assert address is not None
    assert address.country_code == understood
    assert address.country_code or address.country == (country or code)


@pytest.mark.parametrize(
    ("written", "tax"),
    [
        ({"country": "France"}, {"country": "FR"}),
        ({"country": "uk"}, {"country": "GB"}),
        ({"country": "Atlantis"}, {"country": "Atlantis"}),
        ({"country": ""}, {"country": None}),
        ({"region": "TX"}, {"state": "TX"}),
        ({"state": "TX", "region": "Texas"}, {"state": "TX"}),
        ({"state": None, "region": None}, {"state": None}),
        ({"jurisdiction": "Austin", "type": "Sales tax"}, {"jurisdiction": "Austin", "type": "Sales tax"}),
    ],
)
def test_a_tax_says_where_it_is_due_and_what_it_is(written: dict[str, Any], tax: dict[str, Any]) -> None:
    (found,) = load(a_quote(a_line(taxes=[vat(**written)]))).sections[0].line_items[0].taxes

    assert {name: getattr(found, name) for name in tax} == tax


@pytest.mark.parametrize(
    "change", [{"currency": "XXY"}, {"status": "open"}, {"workspace_id": "ws-2"}, {"number": None}]
)
def test_nothing_is_stored_of_a_refused_quote(desk: Any, change: dict[str, Any]) -> None:
    desk.enable()

    with pytest.raises(InvalidInput):
        desk.host.runs.acceptance.accept("ws-1", a_quote(**change))

    assert [desk.count(table) for table in ("quotes", "runs", "steps")] == [0, 0, 0]


def test_a_quote_is_the_same_when_it_comes_back_from_the_store(desk: Any) -> None:
    document = parse_json(json.dumps(put(the_example(), f"{LINE}.taxes.0", vat("5.5"))).replace('"12"', "12.50"))
    desk.host.runs.acceptance.accept("ws-1", document)

    with desk.host.store.read() as db:
        found = quotes.find(db, "ws-1", "q-1")
    assert found is not None
    assert replace(found, version="") == load(document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from([*EXAMPLE, f"{LINE}.product", f"{LINE}.taxes", f"{LINE}.amounts", "customer.contacts"]),
)
def test_whatever_stands_in_a_field_a_quote_is_loaded_or_refused_but_never_crashes(value: Any, path: str) -> None:
    try:
        assert isinstance(load(put(the_example(), path, value)), Quote)
    except InvalidInput as error:
        assert error.problems  # noqa: PT017 - either is right


# -- what carries no meaning --------------------------------------------------------------------------


def everywhere(document: Any, change: Any, path: tuple[str, ...] = ()) -> Any:
    """The document with ``change(path, value)`` of each value in it."""
    if isinstance(document, dict):
        document = {name: everywhere(value, change, (*path, name)) for name, value in document.items()}
    elif isinstance(document, list):
        document = [everywhere(value, change, (*path, str(n))) for n, value in enumerate(document)]
    return change(path, document)


FULL = put(put(put(the_example(), f"{LINE}.optional", False), f"{LINE}.selected", None), "owner", {"id": "o-1"})
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
def test_null_and_absent_say_the_same_in_every_optional_field(field: str) -> None:
    document = put(FULL, f"{LINE}.amounts", {"gross": "7020.00", "discount": "0", "net": "7020.00"})
    *_, name = field.split(".")

    def without(path: tuple[str, ...], value: Any) -> Any:
        inside = ".".join([*path, name]) == field
        return {key: one for key, one in value.items() if key != name} if inside else value

    def with_null(path: tuple[str, ...], value: Any) -> Any:
        return {**value, name: None} if ".".join([*path, name]) == field else value

    assert load(everywhere(document, with_null)) == load(everywhere(document, without))


@pytest.mark.parametrize("section", [{"phases": None}, {"line_items": None}, {"phases": [{"line_items": None}]}])
def test_a_section_whose_lines_are_null_has_none(section: dict[str, Any]) -> None:
    table = {"sections": [{"type": "product", "line_items": [a_line()]}, {"type": "product", **section}]}

    assert [len(one.line_items) for one in load(a_quote(pricing_table=table)).sections] == [1, 0]


def test_a_section_that_says_nothing_of_lines_is_refused() -> None:
    assert refusals(a_quote(pricing_table={"sections": [{"type": "product"}]})) == ["pricing_table.sections.0.phases"]


TEXTS = [
    "id", "number", "title", "customer.id", "customer.name", "customer.contacts.0.id", "customer.contacts.0.phone",
    "customer.billing_address.postal_code", "customer.contacts.0.external_ids.accounting", "business_unit.id",
    "pricing_table.sections.0.id", f"{LINE}.id", f"{LINE}.product.name", f"{LINE}.product.product_id",
    f"{LINE}.taxes.0.id", f"{LINE}.taxes.0.api_name", "discounts.0.id", "discounts.0.label",
    "payment_terms.name", "payment_terms.installments.0.id", "payment_terms.installments.0.name",
]  # fmt: skip


@pytest.mark.parametrize("field", TEXTS)
def test_an_integer_is_taken_as_its_text_and_nothing_else_that_is_no_text(field: str) -> None:
    assert load(put(the_example(), field, 69001)) == load(put(the_example(), field, "69001"))
    for value in (True, Decimal("69001.0"), [69001], {}):
        assert refusals(put(the_example(), field, value)) == [field]


IDS = [field for field in TEXTS if field.rsplit(".", 1)[-1] in {"id", "number", "product_id", "api_name", "accounting"}]
CONTROLS = ["\x01", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f"]


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
@pytest.mark.parametrize("field", IDS)
def test_ids_and_numbers_hold_no_control_character(field: str, control: str) -> None:
    for value in (f"a{control}b", f"{control}a", f"a{control}"):
        assert refusals(put(the_example(), field, value)) == [field]


@pytest.mark.parametrize(
    ("written", "read"),
    [("a\x07b", "a b"), ("a\x1b[31mb", "a [31mb"), ("a\x80\x9fb", "a b"), ("\x7fa", "a"), ("a\tb\nc\r\nd", "a\tb\nc\r\nd"),
     ("é – ☃ 💶", "é – ☃ 💶")],
    ids=ascii,
)  # fmt: skip
def test_in_names_control_characters_are_blanks_while_tabs_and_lines_stay(written: str, read: str) -> None:
    assert load(put(the_example(), f"{LINE}.product.name", written)).sections[0].line_items[0].product.name == read


@pytest.mark.parametrize("field", [*TEXTS, "language", "status", "currency", f"{LINE}.pricing.model"])
@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\0", "a\0b"], ids=ascii)
def test_what_no_database_can_hold_is_refused_in_every_text(field: str, text: str) -> None:
    assert refusals(put(the_example(), field, text)) == [field]


# -- discounts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["percent", "fixed", "Percentage", "money", "", 5, None, ["amount"]])
@pytest.mark.parametrize("place", [f"{LINE}.discount", "discounts.0"])
def test_a_discount_of_no_known_type_is_refused(place: str, kind: Any) -> None:
    assert refusals(put(the_example(), f"{place}.type", kind)) == [f"{place}.type"]


@pytest.mark.parametrize("place", [f"{LINE}.discount", "discounts.0"])
def test_a_discount_without_a_type_is_refused(place: str) -> None:
    assert refusals(put(the_example(), place, {"value": "10", "amount": "780.00"})) == [f"{place}.type"]


@pytest.mark.parametrize(
    ("given_discount", "amount"),
    [
        ({"type": "amount", "value": "200", "amount": "200"}, 200),
        ({"type": "amount", "value": "200"}, 200),
        ({"type": "amount", "amount": "200"}, 200),
        ({"type": "percentage", "value": "10", "amount": "758.5"}, Decimal("758.5")),
        ({"type": "percentage", "value": "10"}, None),
    ],
)
def test_a_quote_wide_discount_says_its_amount_where_it_can(given_discount: dict[str, Any], amount: Any) -> None:
    (discount,) = load(the_example(discounts=[given_discount])).discounts

    assert discount.amount == amount


@pytest.mark.parametrize(
    ("given_discount", "field"),
    [
        ({"type": "amount"}, "amount"),
        ({"type": "percentage", "value": None, "amount": None}, "amount"),
        ({"type": "percentage", "value": "-10"}, "value"),
        ({"type": "amount", "value": "-10"}, "value"),
        ({"type": "amount", "value": "10", "amount": "-10"}, "amount"),
    ],
)
def test_a_quote_wide_discount_that_takes_nothing_off_is_refused(given_discount: dict[str, Any], field: str) -> None:
    assert refusals(the_example(discounts=[given_discount])) == [f"discounts.0.{field}"]


def test_a_line_whose_discount_nothing_tells_is_refused() -> None:
    line = a_line(discount="10.00", amounts=None) | {"discount": {"type": "percentage"}}

    assert refusals(a_quote(line)) == [f"{LINE}.discount.value"]
    assert refusals(a_quote(a_line(discount="10.00") | {"discount": {"type": "percentage"}})) == []


# -- lines, totals, installments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "optional", "is_chosen"),
    [
        ({}, False, True),
        ({"optional": None, "selected": None}, False, True),
        ({"optional": False, "selected": False}, False, True),
        ({"optional": True}, True, False),
        ({"optional": True, "selected": None}, True, False),
        ({"optional": True, "selected": False}, True, False),
        ({"optional": True, "selected": True}, True, True),
        ({"is_optional": True}, True, False),
        ({"is_optional": True, "is_selected": True}, True, True),
        ({"is_optional": True, "selected": True, "optional": None}, True, True),
    ],
)
def test_an_optional_line_is_chosen_only_when_it_was_selected(
    said: dict[str, Any], optional: bool, is_chosen: bool
) -> None:
    line = load(a_quote(a_line(**said))).sections[0].line_items[0]

    assert (line.optional, line.is_chosen) == (optional, is_chosen)


@pytest.mark.parametrize("name", ["optional", "is_optional", "selected", "is_selected"])
def test_whether_a_line_is_optional_is_true_or_false(name: str) -> None:
    assert refusals(a_quote(a_line(**{name: "no"}))) == [f"{LINE}.{name}"]


def test_a_trade_in_is_a_positive_quantity_at_a_negative_price() -> None:
    amounts = {"gross": "-80.00", "discount": "0", "net": "-80.00"}
    trade_in = a_line("l2", quantity="2", pricing={"model": "per_unit", "list_price": "-40.00"}, amounts=amounts)
    (_, line) = load(a_quote(a_line(), trade_in)).sections[0].line_items

    assert line.amounts and line.amounts.gross == -80
    with pytest.raises(InvalidInput) as refused:
        load(a_quote(a_line(quantity="-1")))
    assert "a positive quantity at a negative price" in refused.value.problems[0].message


@pytest.mark.parametrize(
    ("one_off", "totals"),
    [
        ({"net_amount": "100", "tax_amount": "20", "total_amount": "120"}, (100, 20, 120)),
        ({"net_amount": "100", "total_amount": "120"}, (100, 20, 120)),
        ({"net_amount": None, "tax_amount": "20", "total_amount": "120"}, (100, 20, 120)),
        ({"total_amount": "120"}, None),
        ({"net_amount": "100", "tax_amount": "20"}, None),
        ({"net_amount": "100", "tax_amount": "20", "total_amount": None}, None),
        ({}, None),
    ],
)
def test_of_the_totals_two_tell_the_third(desk: Any, one_off: dict[str, Any], totals: Any) -> None:
    quote = a_quote(summary={"one_off": one_off})

    found = load(quote).totals

    assert (found and (found.net_amount, found.tax_amount, found.total_amount)) == totals
    desk.host.runs.acceptance.accept("ws-1", quote)
    with desk.host.store.read() as db:
        (heading,) = quotes.newest(db, "ws-1", limit=5)
    assert heading.signed_total == (totals and totals[2])


@pytest.mark.parametrize(
    ("parts", "last"),
    [
        (["33.33", "33.33", "33.33"], "33.34"),
        (["33.34", "33.34", "33.34"], "33.32"),
        (["33.3", "33.3", "33.3"], "33.4"),
        (["33.333333333333336"] * 3, "33.3333333333334"),
        (["100.01"], "100"),
        (["50", "50"], "50"),
    ],
)
def test_the_last_installment_takes_what_rounding_left(parts: list[str], last: str) -> None:
    *others, rest = load(a_quote(installments=parts)).installments

    assert [part.percentage for part in others] == [Decimal(load_amount(part)) for part in parts[:-1]]
    assert rest.percentage == Decimal(last)


def load_amount(text: str) -> str:
    return "33.3333333333333" if len(text) > 15 else text


def test_the_last_installment_is_the_last_in_their_order() -> None:
    terms = {
        "installments": [{"percentage": p, "order_number": n} for p, n in (("33.33", 3), ("33.33", 1), ("33.33", 2))]
    }

    assert [part.order_number for part in load(a_quote(payment_terms=terms)).installments] == [1, 2, 3]
    assert load(a_quote(payment_terms=terms)).installments[-1].percentage == Decimal("33.34")


# -- what an earlier release stored -------------------------------------------------------------------


def test_a_quote_that_an_earlier_door_let_in_is_still_read_and_worked(bench: Any) -> None:
    """Stored by 0.1.0: any type of discount, control characters in ids, an API name of any length."""
    document = put(put(the_example(id="q\x07-1"), f"{LINE}.discount.type", "fixed"), "discounts.0.type", None)
    document = put(put(document, f"{LINE}.taxes.0.api_name", "x" * 300), f"{LINE}.id", "item\x1b001")
    assert len(refusals(document)) == 5
    row = {"workspace": "ws-1", "id": document["id"], "number": document["number"], "received_at": NOW}
    with bench.host.store.write() as db:
        db.execute(tables.quotes.insert().values({**row, "document": json.dumps(document)}))

    with bench.host.store.read() as db:
        found = quotes.get(db, "ws-1", "q\x07-1")
        (heading,) = quotes.newest(db, "ws-1", limit=5)

    first = found.sections[0].line_items[0]
    assert first.discount and (first.discount.type, found.discounts[0].type) == ("fixed", None)
    assert (first.id, heading.signed_total) == ("item\x1b001", Decimal("9102.00"))
    assert load_quote(document, workspace_id="ws-1", received_at=NOW, stored=True) == replace(found, version="")
