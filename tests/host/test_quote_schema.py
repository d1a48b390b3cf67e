"""A quote document at the entrance: it is read exactly, or refused with the paths of the wrong fields."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import EXAMPLE, LINE, a_line, a_quote, loaded, refused_fields, the_example, vat, with_value
from qwoty_integrations_host.contract.exact_json import parse_json
from qwoty_integrations_host.contract.quote import Quote
from qwoty_integrations_host.contract.quote_document import load_quote
from qwoty_integrations_host.errors import InvalidInput, MalformedInput
from qwoty_integrations_host.store import quotes, tables

#: When ``loaded`` receives a quote.
NOW = datetime(2026, 3, 10, tzinfo=UTC)


CANARY = "CanaryABC"


def test_the_documented_example_is_accepted_unchanged() -> None:
    quote = loaded(EXAMPLE)

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
def test_a_wrong_field_is_refused_with_its_path_and_without_its_value(path: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        loaded(with_value(the_example(), path, value))

    assert [problem.dotted for problem in refused.value.problems] == [path]
    said = str(refused.value) + refused.value.hint + "".join(p.message for p in refused.value.problems)
    assert CANARY not in said


def test_two_lines_with_the_same_id_are_refused_also_in_different_sections() -> None:
    quote = a_quote(a_line("l1"), a_line("l2"))
    quote["pricing_table"]["sections"].append({"type": "plan", "line_items": [a_line("l1")]})

    with pytest.raises(InvalidInput) as refused:
        loaded(quote)

    assert [p.dotted for p in refused.value.problems] == ["pricing_table.sections.1.phases.0.line_items.0.id"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"a": 1', b"\xff\xfe", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e99999999999999999999}',
     b"[" * 200_000, b'{"a":' * 70 + b"1" + b"}" * 70, b"1" * 5000, b"{'a': 1}"],
    ids=["empty", "open", "truncated", "not UTF-8", "NaN", "Infinity", "exponent", "endless", "deep", "long", "quotes"],
)  # fmt: skip
def test_invalid_json_is_refused_without_quoting_it(raw: bytes) -> None:
    with pytest.raises(MalformedInput) as refused:
        parse_json(raw)

    assert raw[:3].decode("latin-1") not in str(refused.value) or not raw


def test_json_with_a_byte_order_mark_is_read() -> None:
    assert parse_json(b"\xef\xbb\xbf[1.50]") == [Decimal("1.50")]


@pytest.mark.parametrize("document", [None, [], "text", 7], ids=repr)
def test_a_quote_must_be_a_json_object(document: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        loaded(document)

    assert [p.pointer for p in refused.value.problems] == [""]


def test_all_wrong_fields_are_reported_together() -> None:
    quote = with_value(with_value(a_quote(), f"{LINE}.quantity", "-1"), "number", None)

    with pytest.raises(InvalidInput) as refused:
        loaded(quote)

    assert {p.pointer for p in refused.value.problems} == {"/" + f"{LINE}.quantity".replace(".", "/"), "/number"}


def test_a_time_without_an_offset_is_utc_and_a_missing_time_is_the_time_of_receipt() -> None:
    assert loaded(a_quote(accepted_at="2026-03-10T10:00:00")).accepted_at == datetime(2026, 3, 10, 10, tzinfo=UTC)
    assert loaded(a_quote(accepted_at="2026-03-10T10:00:00+02:00")).accepted_at.hour == 8
    assert loaded(a_quote(accepted_at=None)).accepted_at == NOW


def test_lines_phases_and_sections_are_ordered_by_rank() -> None:
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

    quote = loaded(a_quote(pricing_table={"sections": sections}))

    assert [line.id for section in quote.sections for line in section.line_items] == list("abcdefghz")


def test_installments_are_ordered_by_their_number() -> None:
    terms = {"installments": [{"percentage": p, "order_number": n} for p, n in (("50", 3), ("20", 1), ("30", None))]}

    assert [part.percentage for part in loaded(a_quote(payment_terms=terms)).installments] == [20, 50, 30]


@pytest.mark.parametrize(
    "change", [{"currency": "XXY"}, {"status": "open"}, {"workspace_id": "ws-2"}, {"number": None}]
)
def test_a_refused_quote_is_not_stored(desk: Any, change: dict[str, Any]) -> None:
    desk.enable()

    with pytest.raises(InvalidInput):
        desk.host.runs.acceptance.accept("ws-1", a_quote(**change))

    assert [desk.count(table) for table in ("quotes", "runs", "steps")] == [0, 0, 0]


def test_a_quote_read_from_the_store_equals_the_one_received(desk: Any) -> None:
    document = parse_json(json.dumps(with_value(the_example(), f"{LINE}.taxes.0", vat("5.5"))).replace('"12"', "12.50"))
    desk.host.runs.acceptance.accept("ws-1", document)

    with desk.host.store.read() as db:
        found = quotes.find(db, "ws-1", "q-1")
    assert found is not None
    assert replace(found, version="") == loaded(document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from([*EXAMPLE, f"{LINE}.product", f"{LINE}.taxes", f"{LINE}.amounts", "customer.contacts"]),
)
def test_any_value_in_a_field_is_loaded_or_refused_without_a_crash(value: Any, path: str) -> None:
    try:
        assert isinstance(loaded(with_value(the_example(), path, value)), Quote)
    except InvalidInput as error:
        assert error.problems  # noqa: PT017 - either is right


def test_a_quote_that_an_earlier_release_accepted_is_still_read(bench: Any) -> None:
    """Release 0.1.0 stored any type of discount, control characters in ids, and API names of any length."""
    document = with_value(
        with_value(the_example(id="q\x07-1"), f"{LINE}.discount.type", "fixed"), "discounts.0.type", None
    )
    document = with_value(with_value(document, f"{LINE}.taxes.0.api_name", "x" * 300), f"{LINE}.id", "item\x1b001")
    assert len(refused_fields(document)) == 5
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
