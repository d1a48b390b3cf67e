"""The words by which quotes are found: which ones a quote has, and what a person means who looks for some. Pure.

A word is without case and accents. It is found by its beginning, and from each place behind a sign: ``0017`` finds
``q-2026-0017``, and ``dupont`` finds ``marie.dupont@acme.fr``. An amount is found whole, however it is written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from ..contract.record import QuoteRecord

#: How long a word is kept, how many a quote has at most, and how many are looked for at once.
LONGEST, _MOST, _MOST_ASKED = 64, 80, 8
#: In front of amounts, so that they are told from words.
_AMOUNT = "="
#: Letters that Unicode does not take apart, though people type them without their stroke.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "\N{RIGHT SINGLE QUOTATION MARK}": "'"}
)
#: Where a word can be found from: a letter or digit behind a sign. Ids of services keep their ``in_`` and ``cus_``.
_BEGINNING = re.compile(r"(?<=[^\w])\w")
_IN_GROUPS = re.compile(r"(?<![\w.,])\d{1,3}(?: \d{3})+(?![\w])")
_GROUPED = re.compile(r"(\d{1,3}(?P<sign>[.,'])\d{3}(?:(?P=sign)\d{3})*)(?:(?!(?P=sign))[.,](\d+))?")
_PLAIN = re.compile(r"(\d+)(?:[.,](\d+))?")


@dataclass(frozen=True, slots=True)
class Term:
    """One of the words that a person looks for: a word that begins so, or one of these amounts."""

    beginning: str
    amounts: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The first word behind all that begin so."""
        return self.beginning + chr(0x10FFFF)


def words_of_quote(
    *, number: str, customer: str, emails: Iterable[str], currency: str, total: Decimal | None
) -> tuple[str, ...]:
    """The words of what was signed."""
    amounts = () if total is None else (total,)
    return _words((number, customer, currency, *emails), amounts)


def words_of_record(record: QuoteRecord | None) -> tuple[str, ...]:
    """The words of what an integration made of a quote: its invoice's number and ids, and its amounts."""
    if record is None or record.invoice is None:
        return ()
    names = (record.invoice.number, record.invoice.id, record.invoice.customer_id)
    amounts = (record.total, *(part.amount for part in record.installments))
    return _words(filter(None, names), (amount for amount in amounts if amount is not None))


def terms_of(text: str) -> tuple[Term, ...]:
    """What a person looks for: quotes that have all of these; nothing has what is none."""
    joined = _IN_GROUPS.sub(lambda found: found[0].replace(" ", ""), fold(text))
    words = list(dict.fromkeys(_trimmed(joined)))[:_MOST_ASKED]
    return tuple(Term(word, tuple(_amounts_meant(word))) for word in words)


def fold(text: str) -> str:
    """The text without case, accents and control characters, its words one space apart."""
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
    kept = (" " if letter.isspace() else letter for letter in plain if not unicodedata.combining(letter))
    return " ".join("".join(letter for letter in kept if unicodedata.category(letter)[0] != "C").split())


def _words(texts: Iterable[str], amounts: Iterable[Decimal]) -> tuple[str, ...]:
    said = (part for text in texts for word in _trimmed(fold(text)) for part in _parts(word))
    found = dict.fromkeys([*(_AMOUNT + _written(amount) for amount in amounts), *said])
    return tuple(found)[:_MOST]


def _trimmed(folded: str) -> Iterator[str]:
    """The words of a folded text, without the signs around them."""
    words = (re.sub(r"^\W+|\W+$", "", word) for word in folded.split())
    return (word[:LONGEST] for word in words if word)


def _parts(word: str) -> Iterator[str]:
    yield word
    yield from (word[place.start() :] for place in _BEGINNING.finditer(word) if len(word) - place.start() > 1)


def _amounts_meant(word: str) -> Iterator[str]:
    """What an amount may mean: ``1,234`` is a thousand and more, or one and a little."""
    if found := _GROUPED.fullmatch(word):
        whole = re.sub(r"\D", "", found[1])
        yield _AMOUNT + _written(Decimal(f"{whole}.{found[3] or 0}"))
    if found := _PLAIN.fullmatch(word):
        yield _AMOUNT + _written(Decimal(f"{found[1]}.{found[2] or 0}"))


def _written(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
