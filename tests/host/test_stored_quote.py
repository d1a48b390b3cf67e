"""The form in which a loaded quote is stored: reading it gives what loading the document gives, to the last digit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import the_example
from qwoty_integrations_host.contract.exact_json import parse_json
from qwoty_integrations_host.contract.quote import Quote
from qwoty_integrations_host.contract.quote_document import load_quote
from qwoty_integrations_host.contract.stored_quote import dump_quote, parse_quote
from qwoty_integrations_host.store import quotes
from qwoty_integrations_host.store import tables as t
from random_quotes import RandomQuote, random_quotes

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))

st.register_type_strategy(Decimal, st.decimals(allow_nan=False, allow_infinity=False))
st.register_type_strategy(tzinfo, ZONES)
st.register_type_strategy(datetime, st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC, fold=0)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.from_type(Quote))
def test_any_quote_is_read_as_it_was_written(quote: Quote) -> None:
    assert repr(parse_quote(dump_quote(quote, "{}"), "{}")) == repr(quote)


@given(random_quotes())
def test_a_stored_quote_is_what_its_document_loads_as(drawn: RandomQuote) -> None:
    text = dump_quote(loaded(drawn.document), "{}")
    assert repr(parse_quote(text, "{}")) == repr(reloaded(drawn.document))


def loaded(document: Any) -> Quote:
    return load_quote(document, workspace_id="ws-1", received_at=NOW)


def reloaded(document: Any) -> Quote:
    """The quote as a run gets it when only the document is stored."""
    text = json.dumps(document, default=str)
    return load_quote(parse_json(text), workspace_id="ws-1", received_at=NOW, stored=True)


def test_what_was_written_for_another_document_is_not_read() -> None:
    text = dump_quote(loaded(the_example()), "a document")
    assert parse_quote(text, "a document") is not None
    assert parse_quote(text, "another document") is None


@pytest.mark.parametrize("form", ["", "{", '{"id": "q-1"}'], ids=["none", "cut off", "other fields"])
def test_a_form_that_is_damaged_is_not_read(form: str) -> None:
    head, _, _ = dump_quote(loaded(the_example()), "{}").partition("\n")
    assert parse_quote(f"{head}\n{form}", "{}") is None


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_a_quote_without_a_form_has_none(text: str | None) -> None:
    assert parse_quote(text, "{}") is None


def test_a_quote_whose_form_another_release_wrote_loads_from_its_document(desk: Any) -> None:
    desk.host.runs.acceptance.accept("ws-1", the_example(id="q-7"))
    with desk.host.store.write() as db:
        as_written = quotes.get(db, "ws-1", "q-7")
        db.execute(t.quotes.update().values(loaded="0.0.1\n{}"))
        assert quotes.get(db, "ws-1", "q-7") == as_written


def test_a_correction_changes_the_stored_form_and_its_withdrawal_brings_the_first_one_back(desk: Any) -> None:
    first, corrected = the_example(id="q-7"), the_example(id="q-7", number="Q-8")
    for document in (first, corrected):
        desk.host.runs.acceptance.accept("ws-1", document)
    with desk.host.store.write() as db:
        version = quotes.version(db, "ws-1", "q-7")
        assert quotes.get(db, "ws-1", "q-7").number == "Q-8"
        assert quotes.put_back(db, "ws-1", "q-7", version)
        assert quotes.get(db, "ws-1", "q-7").number == first["number"]


@pytest.mark.parametrize(
    ("first", "correction"),
    [
        ({"accepted_at": None}, {"number": "Q-8"}),
        (
            {"accepted_at": "2026-03-10T23:30:00+02:00"},
            {"number": "Q-8", "accepted_at": "2026-03-10T23:30:00-05:00"},
        ),
    ],
    ids=["without a time", "in another time zone"],
)
def test_a_corrected_quote_has_the_days_of_its_document(desk: Any, first: Any, correction: Any) -> None:
    desk.host.runs.acceptance.accept("ws-1", the_example(id="q-7", **first))
    desk.clock.advance(3 * 86_400)
    desk.host.runs.acceptance.accept("ws-1", the_example(id="q-7", **{**first, **correction}))
    with desk.host.store.write() as db:
        found = quotes.get(db, "ws-1", "q-7")
        db.execute(t.quotes.update().values(loaded=None))
        assert repr(found) == repr(quotes.get(db, "ws-1", "q-7"))


def test_a_correction_by_a_worker_that_does_not_know_the_form_counts(desk: Any) -> None:
    desk.host.runs.acceptance.accept("ws-1", the_example(id="q-7"))
    with desk.host.store.write() as db:
        db.execute(t.quotes.update().values(document=json.dumps(the_example(id="q-7", number="Q-8"), default=str)))
        assert quotes.get(db, "ws-1", "q-7").number == "Q-8"
