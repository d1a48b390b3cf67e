"""From the quote's taxes to the Stripe Tax Rates they need. Pure.

The grammar of an API name, ``<type>_<country>_<rate x 10>``, is documented in docs/settings.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import combinations, count
from typing import NamedTuple, TypeVar

from babel import Locale

from qwoty_integrations_host import NeedsAttention, Tax

_API_NAME = re.compile(r"([a-z][a-z0-9_]*)_([a-z]{2})_([0-9]{1,4})")
_TRAILING_RATE = re.compile(r"\s*\d+([.,]\d+)?\s*%\s*$")
_TYPES = ("vat", "gst")
Value = TypeVar("Value", str, Decimal)


class RateKey(NamedTuple):
    """What makes two taxes the same Stripe Tax Rate (always exclusive).

    ``name`` is empty, except where two taxes of one country and percentage meet on a line (``told_apart``).
    """

    country: str | None
    percentage: Decimal
    name: str = ""

    def __str__(self) -> str:
        plain = f"{self.country or '-'}:{self.percentage.normalize():f}"
        return f"{plain}:{self.name}" if self.name else plain


@dataclass(frozen=True, slots=True)
class PlannedRate:
    """A rate that the invoice needs, and the quote's taxes behind it."""

    key: RateKey
    display_name: str
    tax_type: str | None
    #: The taxes that mean this rate, by Qwoty's id, each with the Tax Rate id saved for it (a hint to be verified).
    saved: Mapping[str, str | None]

    @property
    def saved_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rate_id for rate_id in self.saved.values() if rate_id))

    @property
    def tax(self) -> str:
        """Which of the quote's taxes this is: by its id, else by its name."""
        return next(iter(self.saved), self.display_name)

    @property
    def title(self) -> str:
        """The rate as the invoice shows it: ``VAT 20 %``."""
        return f"{self.display_name} {self.key.percentage:f} %"

    def joined(self, other: PlannedRate) -> PlannedRate:
        """Give one rate that stands for the other's taxes as well."""
        return replace(self, saved={**self.saved, **other.saved})


@dataclass(frozen=True, slots=True)
class ApiName:
    """A parsed API name: ``vat_fr_55`` is VAT, France, 5.5 %."""

    kind: str
    country: str
    percentage: Decimal


@cache
def _countries() -> Collection[str]:
    # "hst_on_130" ends like a country, but is Ontario's.
    return frozenset(Locale("en").territories)


def parse_api_name(text: str | None) -> ApiName | None:
    """Parse an API name; None when it does not follow the grammar (API names are editable in Qwoty)."""
    found = _API_NAME.fullmatch(text or "")
    if found is None or int(found[3]) > 1000 or found[2].upper() not in _countries():
        return None
    return ApiName(found[1], found[2].upper(), Decimal(found[3]) / 10)


def plan_rate(tax: Tax, fallback_country: str | None) -> tuple[PlannedRate, str | None]:
    """Decide percentage and country of a tax, and give a note when the country is only assumed.

    Explicit fields come first; the API name fills what is missing and must not contradict them.
    Raises: NeedsAttention naming the tax.
    """
    parsed = parse_api_name(tax.api_name)
    percentage = _agreed(tax, "rate", tax.rate, parsed.percentage if parsed else None)
    country = _agreed(tax, "country", tax.country, parsed.country if parsed else None)
    if percentage is None:
        raise _unclear(tax, "has neither a rate nor an API name that tells it")
    if percentage > 100 or percentage != round(percentage, 4):
        raise _unclear(tax, "has a rate that Stripe does not take (at most 100 %, at most four decimals)")
    note = None
    if country is None and fallback_country:
        country = fallback_country
        note = f"Tax {_name(tax)!r} names no country; that of the business unit, {country}, was used."
    rate = PlannedRate(
        RateKey(country, percentage.normalize()),
        _display_name(tax, parsed),
        _tax_type(tax, parsed),
        {tax.entity_id: tax.external_ids.accounting} if tax.entity_id else {},
    )
    return rate, note


def told_apart(lines: Sequence[Sequence[PlannedRate]]) -> list[tuple[PlannedRate, ...]]:
    """Give each line's rates, those that meet their equal on a line with their names in the key.

    Indian CGST 9 % and SGST 9 % stand on one line and stack: as one Stripe Tax Rate half of the tax would be lost.
    Everywhere else country and percentage alone decide, so that one rate serves all taxes that mean the same.
    """
    meeting = {one.key for line in lines for one, other in combinations(line, 2) if _is_another(one, other)}
    owners: dict[RateKey, str] = {}

    def named(rate: PlannedRate) -> PlannedRate:
        keys = (rate.key._replace(name=name) for name in _names(rate.display_name))
        key = next(key for key in keys if owners.setdefault(key, rate.tax) == rate.tax)
        return replace(rate, key=key, display_name=key.name)

    return [tuple(named(rate) if rate.key in meeting else rate for rate in line) for line in lines]


def _is_another(one: PlannedRate, other: PlannedRate) -> bool:
    return one.key == other.key and one.tax != other.tax


def _names(name: str) -> Iterator[str]:
    """The name, and what to call further taxes of the same name."""
    yield name
    for number in count(2):
        yield f"{name[:40]} ({number})"


def _agreed(tax: Tax, what: str, explicit: Value | None, parsed: Value | None) -> Value | None:
    if explicit is not None and parsed is not None and explicit != parsed:
        raise _unclear(tax, f"contradicts itself: its {what} is {explicit}, its API name says {parsed}")
    return explicit if explicit is not None else parsed


def _unclear(tax: Tax, why: str) -> NeedsAttention:
    return NeedsAttention(
        f"Tax {_name(tax)!r} {why}.",
        hint="Correct the tax in Qwoty, then accept the quote again.",
        code="tax_unclear",
    )


def _name(tax: Tax) -> str:
    return tax.api_name or tax.name or tax.id or "without a name"


def _display_name(tax: Tax, parsed: ApiName | None) -> str:
    # Stripe prints the percentage behind the name: "VAT 20%" would read "VAT 20% (20%)".
    name = _TRAILING_RATE.sub("", tax.name or "").strip()
    return (name or (parsed.kind.replace("_", " ").upper() if parsed else "Tax"))[:50]


def _tax_type(tax: Tax, parsed: ApiName | None) -> str | None:
    word = (parsed.kind if parsed else tax.name or "").lower()
    return next((kind for kind in _TYPES if word.startswith(kind)), None)
