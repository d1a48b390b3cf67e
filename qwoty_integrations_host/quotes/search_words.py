"""The words of a quote and the words of a search, by which people find quotes. Pure functions.

Case and accents do not count. A search matches the beginning of a word, and of each part after punctuation: ``0017``
finds ``q-2026-0017``, and ``dupont`` finds ``marie.dupont@acme.fr``. An amount matches only as a whole, but in any
notation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from ..contract.record import QuoteRecord

#: The most characters of a word, the most words of a quote, and the most words of a search.
LONGEST, _MOST, _MOST_ASKED = 64, 80, 8
#: The prefix of amounts, which distinguishes them from words.
_AMOUNT = "="
#: Letters that Unicode does not decompose, but that people type as plain letters.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "\N{RIGHT SINGLE QUOTATION MARK}": "'"}
)
#: Where a part of a word begins: a letter or digit after punctuation. Service ids keep their ``in_`` and ``cus_``.
_BEGINNING = re.compile(r"(?<=[^\w])\w")
_IN_GROUPS = re.compile(r"(?<![\w.,])\d{1,3}(?: \d{3})+(?![\w])")
_GROUPED = re.compile(r"(\d{1,3}(?P<sign>[.,'])\d{3}(?:(?P=sign)\d{3})*)(?:(?!(?P=sign))[.,](\d+))?")
_PLAIN = re.compile(r"(\d+)(?:[.,](\d+))?")


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a search: it matches words that begin with it, or one of these amounts."""

    beginning: str
    amounts: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The end of the range of words that begin with this one."""
        return self.beginning + chr(0x10FFFF)


def words_of_quote(
    *, number: str, customer: str, emails: Iterable[str], currency: str, total: Decimal | None
) -> tuple[str, ...]:
    """Return the words of the signed quote."""
    amounts = () if total is None else (total,)
    return _words((number, customer, currency, *emails), amounts)


def words_of_record(record: QuoteRecord | None) -> tuple[str, ...]:
    """Return the words of a quote's record: the invoice's number, ids and amounts."""
    if record is None or record.invoice is None:
        return ()
    names = (record.invoice.number, record.invoice.id, record.invoice.customer_id)
    amounts = (record.total, *(part.amount for part in record.installments))
    return _words(filter(None, names), (amount for amount in amounts if amount is not None))


def terms_of(text: str) -> tuple[Term, ...]:
    """Return the terms of a search; a quote matches when it has all of them. Without terms, nothing matches."""
    joined = _IN_GROUPS.sub(lambda found: found[0].replace(" ", ""), fold(text))
    words = list(dict.fromkeys(_trimmed(joined)))[:_MOST_ASKED]
    return tuple(Term(word, tuple(_amounts_meant(word))) for word in words)


def fold(text: str) -> str:
    """Return the text without case, accents and control characters, and with single spaces."""
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
    kept = (" " if letter.isspace() else letter for letter in plain if not unicodedata.combining(letter))
    return " ".join("".join(letter for letter in kept if unicodedata.category(letter)[0] != "C").split())


def _words(texts: Iterable[str], amounts: Iterable[Decimal]) -> tuple[str, ...]:
    said = (part for text in texts for word in _trimmed(fold(text)) for part in _parts(word))
    found = dict.fromkeys([*(_AMOUNT + _written(amount) for amount in amounts), *said])
    return tuple(found)[:_MOST]


def _trimmed(folded: str) -> Iterator[str]:
    """Yield the words of a folded text, without the punctuation around them."""
    words = (re.sub(r"^\W+|\W+$", "", word) for word in folded.split())
    return (word[:LONGEST] for word in words if word)


def _parts(word: str) -> Iterator[str]:
    yield word
    yield from (word[place.start() :] for place in _BEGINNING.finditer(word) if len(word) - place.start() > 1)


def _amounts_meant(word: str) -> Iterator[str]:
    """Yield the amounts that a word may mean: ``1,234`` may be 1234 or 1.234."""
    if found := _GROUPED.fullmatch(word):
        whole = re.sub(r"\D", "", found[1])
        yield _AMOUNT + _written(Decimal(f"{whole}.{found[3] or 0}"))
    if found := _PLAIN.fullmatch(word):
        yield _AMOUNT + _written(Decimal(f"{found[1]}.{found[2] or 0}"))


def _written(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
