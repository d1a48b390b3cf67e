"""Plan the Stripe Tax Rates that the quote's taxes need. Pure.

The grammar of an API name, ``<type>_<country>_<rate x 10>``, is documented in docs/settings.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, combinations, count
from typing import Any, NamedTuple, TypeVar

from qwoty_integrations_host import NeedsAttention, Tax, country_code

_API_NAME = re.compile(r"([a-z][a-z0-9_]*)_([a-z]{2})_([0-9]{1,4})")
#: The rate at the end of a name, with its separator: ``VAT 20%``, ``CGST - 9 %``, ``VAT (5,5 %)``.
_TRAILING_RATE = re.compile(r"[\s\-–—:;,@(\[]{0,9}\d{1,3}([.,]\d{1,9})?\s?%[\s)\]]{0,9}$")
#: Words that are Stripe's tax types; for any other word no type is sent.
_TYPES = ("vat", "gst", "hst", "igst", "pst", "qst", "sales_tax")
_TYPE = re.compile(rf"({'|'.join(_TYPES)})(?![a-z])")
#: A state as Stripe takes it: the end of an ISO 3166-2 code.
_STATE = re.compile(r"(?:[A-Za-z]{2}-)?([A-Za-z]{2}|[A-Z0-9]{1,3})")
#: Stripe's limit for display names and jurisdictions.
_MOST_CHARACTERS = 50
Value = TypeVar("Value", str, Decimal)


class RateKey(NamedTuple):
    """The key of a Stripe Tax Rate, which is always exclusive.

    Most keys have a country and a percentage only. The other parts are set if a quote has different taxes with the same
    country and percentage (``told_apart``).
    """

    country: str | None
    percentage: Decimal
    name: str = ""
    state: str = ""
    jurisdiction: str = ""

    def __str__(self) -> str:
        apart = filter(None, (self.name, self.state, self.jurisdiction))
        return ":".join((self.country or "-", f"{self.percentage.normalize():f}", *apart))


@dataclass(frozen=True, slots=True)
class PlannedRate:
    """A rate that the invoice needs, with the taxes of the quote that use it."""

    key: RateKey
    #: The name on the invoice, without the percentage, which Stripe adds.
    display_name: str
    tax_type: str | None
    #: The ids of the quote's taxes that use this rate, each with the Tax Rate id saved for it, not yet verified.
    saved: Mapping[str, str | None]
    #: The tax's whole name without its rate.
    full_name: str
    state: str | None = None
    jurisdiction: str | None = None
    #: Its number among equal taxes of its line, from 1.
    occurrence: int = 1

    @property
    def saved_ids(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(rate_id for rate_id in self.saved.values() if rate_id and rate_id.startswith("txr_"))
        )

    @property
    def tax(self) -> str:
        """The identity of the tax: its id, else its name, with its number among equal taxes of its line."""
        which = next(iter(self.saved), self.display_name)
        return which if self.occurrence == 1 else f"{which} ({self.occurrence})"

    @property
    def is_cut(self) -> bool:
        """Whether the name was cut because it is too long for Stripe."""
        return len(self.full_name) > _MOST_CHARACTERS

    @property
    def title(self) -> str:
        """The rate's name on the invoice: ``VAT 20 %``."""
        return f"{self.display_name} {self.key.percentage:f} %"

    @property
    def at_stripe(self) -> dict[str, Any]:
        """The parameters of a Tax Rate, and of a tax amount's ``tax_rate_data``."""
        facts = {
            "display_name": self.display_name,
            "inclusive": False,
            "percentage": f"{self.key.percentage:f}",
            "country": self.key.country,
            "state": self.state,
            "jurisdiction": self.jurisdiction,
            "description": self.full_name if self.is_cut else None,
            "tax_type": self.tax_type,
        }
        return {name: value for name, value in facts.items() if value is not None}

    @property
    def meaning(self) -> Hashable:
        """The facts by which two taxes may be one Tax Rate: country, percentage, name, place and type."""
        return (
            *self.key[:2],
            comparable(self.full_name),
            comparable(self.state),
            comparable(self.jurisdiction),
            self.tax_type,
        )

    def joined(self, other: PlannedRate) -> PlannedRate:
        """Return a rate that includes the other's taxes as well."""
        return replace(self, saved={**self.saved, **other.saved})


def without_rate(name: str) -> str:
    """Return a tax's name without the rate at its end and without extra spaces."""
    return _TRAILING_RATE.sub("", " ".join(name.split()))


def comparable(text: str | None) -> str:
    """Return a name in the form in which names are compared: normalized in case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())


@dataclass(frozen=True, slots=True)
class ApiName:
    """A parsed API name: ``vat_fr_55`` is VAT, France, 5.5 %."""

    kind: str
    country: str
    percentage: Decimal


def parse_api_name(text: str | None) -> ApiName | None:
    """Parse an API name; None when it does not follow the grammar (API names are editable in Qwoty)."""
    found = _API_NAME.fullmatch(text or "")
    # In "hst_on_130" the letters are a province, Ontario, and no country.
    country = country_code(found[2]) if found else None
    if found is None or country is None or int(found[3]) > 1000:
        return None
    return ApiName(found[1], country, Decimal(found[3]) / 10)


def plan_rate(tax: Tax, fallback_country: str | None) -> tuple[PlannedRate, str | None]:
    """Return the rate of a tax, and a note if its country is only assumed.

    Explicit fields come first; the API name fills in missing ones and must not contradict them. Raises: NeedsAttention
    that names the tax.
    """
    parsed = parse_api_name(tax.api_name)
    percentage = _agreed(tax, "rate", tax.rate, parsed.percentage if parsed else None)
    if percentage is None:
        raise _unclear(tax, "has neither a rate nor an API name that tells it")
    if percentage > 100 or percentage != round(percentage, 4):
        raise _unclear(tax, "has a rate that Stripe does not take (at most 100 %, at most four decimals)")
    country, note = _country(tax, parsed, fallback_country)
    name, (state, jurisdiction) = _shown_name(tax, parsed), _place(tax)
    rate = PlannedRate(
        RateKey(country, percentage.normalize()),
        name[:_MOST_CHARACTERS],
        _tax_type(tax, parsed),
        {tax.entity_id: tax.external_ids.accounting} if tax.entity_id else {},
        name,
        state,
        jurisdiction,
    )
    return rate, note


def told_apart(lines: Sequence[Sequence[PlannedRate]]) -> list[tuple[PlannedRate, ...]]:
    """Return each line's rates. If different taxes have one country and percentage, their names become part of the key.

    For example, two taxes of 0 % have different reasons, and Texas and Massachusetts are different places. Taxes that
    mean the same share a rate. If a line has two such taxes, each gets its own rate, because both must be charged.
    """
    lines = [_each_its_own(line) for line in _typed_alike(lines)]
    meanings: defaultdict[RateKey, set[Hashable]] = defaultdict(set)
    for rate in chain.from_iterable(lines):
        meanings[rate.key].add(rate.meaning)
    stacked = {
        one.meaning for line in lines for one, other in combinations(line, 2) if _is_another_of_one_meaning(one, other)
    }
    keys: dict[Hashable, RateKey] = {}

    def named(rate: PlannedRate) -> PlannedRate:
        if len(meanings[rate.key]) == 1 and rate.meaning not in stacked:
            return rate
        which = (rate.meaning, rate.tax if rate.meaning in stacked else "")
        if which not in keys:
            place = rate.key._replace(state=rate.state or "", jurisdiction=rate.jurisdiction or "")
            named = (place._replace(name=name) for name in _names(rate.display_name))
            keys[which] = next(key for key in named if key not in keys.values())
        return replace(rate, key=keys[which], display_name=keys[which].name)

    return [tuple(map(named, line)) for line in lines]


def _each_its_own(line: Sequence[PlannedRate]) -> list[PlannedRate]:
    """Number the equal taxes without an id on a line, because each of them is charged."""
    found: list[PlannedRate] = []
    for rate in line:
        before = sum(1 for other in found if other.meaning == rate.meaning and not (rate.saved or other.saved))
        found.append(replace(rate, occurrence=before + 1))
    return found


def _is_another_of_one_meaning(one: PlannedRate, other: PlannedRate) -> bool:
    return one.meaning == other.meaning and one.tax != other.tax


def _typed_alike(lines: Sequence[Sequence[PlannedRate]]) -> list[list[PlannedRate]]:
    """Give a tax without a type the type of an otherwise equal tax."""
    types: defaultdict[Hashable, set[str]] = defaultdict(set)
    for rate in chain.from_iterable(lines):
        if rate.tax_type:
            types[replace(rate, tax_type=None).meaning].add(rate.tax_type)

    def typed(rate: PlannedRate) -> PlannedRate:
        known = types[replace(rate, tax_type=None).meaning]
        return replace(rate, tax_type=next(iter(known))) if len(known) == 1 else rate

    return [list(map(typed, line)) for line in lines]


def _names(name: str) -> Iterator[str]:
    """Yield the name, then numbered names for further taxes of the same name."""
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


def _country(tax: Tax, parsed: ApiName | None, fallback: str | None) -> tuple[str | None, str | None]:
    """Return a tax's country, and a note if it is not the tax's own field."""
    told = country_code(tax.country)
    country = _agreed(tax, "country", told, parsed.country if parsed else None)
    if tax.country and not told:
        # The tax names a country that is not known, so the business unit's country would be a guess.
        if country is None:
            raise _unclear(tax, f"names the country {tax.country!r}, which is not understood")
        unknown = f"Tax {_name(tax)!r} names the country {tax.country!r}, which is not understood"
        return country, f"{unknown}; its API name says {country}."
    if country is None and fallback:
        return fallback, f"Tax {_name(tax)!r} names no country; that of the business unit, {fallback}, was used."
    return country, None


def _place(tax: Tax) -> tuple[str | None, str | None]:
    """Return state and jurisdiction in Stripe's form: a state is a code, a jurisdiction any text."""
    code = _STATE.fullmatch(tax.state or "")
    jurisdiction = tax.jurisdiction or (None if code else tax.state) or ""
    return code[1].upper() if code else None, jurisdiction[:_MOST_CHARACTERS] or None


def _shown_name(tax: Tax, parsed: ApiName | None) -> str:
    # Stripe prints the percentage behind the name: "VAT 20%" would read "VAT 20% (20%)".
    return without_rate(tax.name or "") or (parsed.kind.replace("_", " ").upper() if parsed else "Tax")


def _tax_type(tax: Tax, parsed: ApiName | None) -> str | None:
    word = tax.type or (parsed.kind if parsed else tax.name) or ""
    found = _TYPE.match(comparable(word).replace(" ", "_"))
    return found[1] if found else None
