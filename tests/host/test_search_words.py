"""The words by which quotes are found, and the words that a search text means."""

from __future__ import annotations

from decimal import Decimal

import pytest

from qwoty_integrations_host.contract.record import InstallmentRecord, InvoiceRecord, QuoteRecord
from qwoty_integrations_host.quotes.search_words import LONGEST, terms_of, words_of_quote, words_of_record

EMAIL = "Marie.Dupont@acme.fr"
SIGNED = words_of_quote(
    number="Q-2026-0017",
    customer="Société Générale d'Œuvres S.A.",
    emails=[EMAIL],
    currency="EUR",
    total=Decimal("1234.50"),
)
RECORDED = words_of_record(
    QuoteRecord(
        currency="EUR",
        invoice=InvoiceRecord(id="in_1Abc", status="open", account="a", number="F77-0001", customer_id="cus_9Xy"),
        total=Decimal("1234.00"),
        installments=(InstallmentRecord(number=1, amount=Decimal("617.00")),),
    )
)


def finds(text: str, words: tuple[str, ...]) -> bool:
    """Whether a search for the text finds a quote with these words, by the rule of both databases."""
    terms = terms_of(text)
    return bool(terms) and all(
        any(term.beginning <= word < term.end or word in term.amounts for word in words) for term in terms
    )


@pytest.mark.parametrize(
    "text",
    [
        *("Q-2026-0017", "q-2026", "2026-0017", "0017", " Q-2026-0017. "),
        *("societe", "SOCIÉTÉ", "Socie\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}", "générale société"),
        *("oeuvres", "ŒUVRES", "d'oeuvres", "d\N{RIGHT SINGLE QUOTATION MARK}œuvres", "s.a", "S.A."),
        *(EMAIL, "marie", "dupont@acme", "acme.fr", "eur"),
        *("1,234.50", "1234.5", "1 234,50", "1\N{NARROW NO-BREAK SPACE}234,50 €", "1'234.50", "1.234,50", "$1234.50"),
        *("1234.50 EUR", "dupont 1 234,50", "(1,234.50)"),
    ],
)
def test_a_quote_is_found_by_these_words(text: str) -> None:
    assert finds(text, SIGNED)


@pytest.mark.parametrize(
    "text", ["in_1abc", "IN_1A", "cus_9Xy", "F77-0001", "0001", "1,234", "1.234", "1234.00", "617"]
)
def test_a_quote_is_found_by_its_records(text: str) -> None:
    assert finds(text, RECORDED)


@pytest.mark.parametrize(
    "text",
    ["ociete", "26-0017", "pont@acme", "1234.51", "1234.5001", "234.50", "dupont@other", "marie durand", "!!", "\0"],
)
def test_a_quote_is_not_found_by_these_words(text: str) -> None:
    assert not finds(text, SIGNED)


def test_a_quote_without_records_has_no_record_words() -> None:
    assert words_of_record(None) == words_of_record(QuoteRecord(currency="EUR")) == ()


def test_the_search_words_of_any_quote_are_few_and_short() -> None:
    crowd = [f"person-{number}@a-{number}.example" for number in range(1000)]
    found = words_of_quote(number="9" * 1000, customer="x" * 1000, emails=crowd, currency="EUR", total=None)

    assert len(found) <= 80 and max(map(len, found)) == LONGEST
    assert len(terms_of("a " * 50 + " ".join(crowd))) <= 8
    assert finds("x" * 500, found), "a longer word is searched by its stored beginning"
