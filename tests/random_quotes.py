"""Random quotes for property tests, each with the expected figures of its invoice.

This module calculates the figures a second time, in integers and fractions and from the reference alone, so that
the plugin's plan is not compared with itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from hypothesis import strategies as st

from builders import a_quote

#: The decimals of Stripe's minor unit, and the number that its amounts must be a multiple of (Stripe page, section 16).
CURRENCIES = {
    "EUR": (2, 1),
    "USD": (2, 1),
    "GBP": (2, 1),
    "CHF": (2, 1),
    "SEK": (2, 1),
    "NOK": (2, 1),
    "DKK": (2, 1),
    "HUF": (2, 1),
    "TWD": (2, 1),
    "IDR": (2, 1),
    "JPY": (0, 1),
    "KRW": (0, 1),
    "KWD": (3, 10),
    "TND": (3, 10),
    "ISK": (2, 100),
    "UGX": (2, 100),
}
#: The smallest coin in minor units, for currencies where it is larger than the minor unit.
COINS = {"CHF": 5, "SEK": 100, "NOK": 100, "DKK": 50, "HUF": 100, "TWD": 100, "IDR": 100}
COMMON_RATES = ["0", "2.1", "5", "5.5", "8.875", "10", "19", "20", "25.5", "0.0001", "33.3333"]
#: How a quote may round its taxes: each line as Stripe does, each line after its discount, each rate at the end, or all
#: at once; and any of them cut off, where half away from zero is usual.
WAYS = ("per item", "per line", "per rate", "at once")
CUT_OFF = tuple(f"{way}, cut off" for way in WAYS)


class Rate(NamedTuple):
    """A percentage, and its number among the equal percentages on one line, which add up."""

    percentage: Decimal
    number: int

    def on(self, amount: int) -> Fraction:
        """The exact tax on an amount."""
        return Fraction(self.percentage) * amount / 100


@dataclass(frozen=True, slots=True)
class Item:
    """An expected line of the invoice, in minor units."""

    key: str
    amount: int
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class RandomQuote:
    """A quote document and its expected figures, in minor units."""

    document: dict[str, Any]
    currency: str
    items: tuple[Item, ...]
    net: int
    tax: int
    #: The tax under each way of rounding.
    taxes: Mapping[str, int]

    @property
    def total(self) -> int:
        return self.net + self.tax

    @property
    def step(self) -> int:
        return CURRENCIES[self.currency][1]

    @property
    def explained(self) -> Fraction:
        """The difference that rounding can explain: half a unit for each line and rate, and for each rate, if it is rounded."""
        exact = [(rate, rate.on(item.amount)) for item in self.items for rate in item.rates]
        sums: dict[Rate, Fraction] = {}
        for rate, tax in exact:
            sums[rate] = sums.get(rate, Fraction(0)) + tax
        fractions = [tax for tax in (*(tax for _, tax in exact), *sums.values()) if tax % self.step]
        return Fraction(len(fractions) * self.step, 2)

    @property
    def line_documents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document["pricing_table"]["sections"][0]["phases"][0]["line_items"]
        return found

    def with_figures(self, *, net: int = 0, tax: int = 0, total: int = 0) -> dict[str, Any]:
        """The document with its totals changed by so many minor units."""
        figures = {
            "net_amount": major(self.net + net, self.currency),
            "tax_amount": major(self.tax + tax, self.currency),
            "total_amount": major(self.total + total, self.currency),
        }
        return {**self.document, "summary": {"one_off": figures}}


def major(minor: int, currency: str) -> str:
    """Minor units in the form of the document."""
    places = CURRENCIES[currency][0]
    sign, digits = "-" if minor < 0 else "", str(abs(minor)).rjust(places + 1, "0")
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def rounded(exact: Fraction, step: int = 1, half: Fraction = Fraction(1, 2)) -> int:
    """Round half away from zero to a multiple of ``step``; with ``half`` 0, round towards zero."""
    whole = floor(abs(exact) / step + half) * step
    return whole if exact >= 0 else -whole


def shares(total: int, weights: Sequence[int], step: int) -> list[int]:
    """Divide a total by weights. The largest remainders get the rest, and of equal ones the earlier."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = [floor(share / step) * step for share in exact]
    while sum(parts) < total:
        most = max(range(len(parts)), key=lambda n: (exact[n] - parts[n], -n))
        parts[most] += step
    return parts


# -- lines --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    document: dict[str, Any]
    gross: int
    discount: int
    rates: tuple[Rate, ...]
    fixed: tuple[int, ...]


_four_decimals = st.integers(0, 1_000_000).map(lambda n: str(Decimal(n).scaleb(-4)))
_rates = st.lists(st.one_of(st.sampled_from(COMMON_RATES), st.just("9"), _four_decimals), max_size=3)
_quantity = st.integers(0, 20_000).map(lambda n: Decimal(n).scaleb(-3))


def _numbered(percentages: Sequence[str]) -> tuple[Rate, ...]:
    """Number the percentages, because two equal ones are two taxes (Indian CGST 9 % and SGST 9 %)."""
    found = [Decimal(percentage).normalize() for percentage in percentages]
    return tuple(Rate(rate, found[:position].count(rate)) for position, rate in enumerate(found))


def _tax(rate: Rate) -> dict[str, Any]:
    name = f"{rate.percentage:f}_{rate.number}"
    return {"id": f"tax_{name}", "name": f"T{name}", "rate": f"{rate.percentage:f}", "country": "FR"}


def _fixed_tax(amount: int, currency: str) -> dict[str, Any]:
    return {"id": "eco", "name": "Eco contribution", "is_percentage": False, "amount": major(amount, currency)}


@st.composite
def _lines(draw: st.DrawFn, number: int, currency: str) -> _Line:
    places, step = CURRENCIES[currency]
    model = draw(st.sampled_from(["flat", "per_unit", "volume", "graduated", "free", "priced"]))
    quantity = draw(_quantity)
    price: Decimal | None = None
    if model == "free":
        gross = 0
    elif model == "priced":
        # The line has no gross and no net, only a quantity and a price that may be finer than a minor unit.
        price = Decimal(draw(st.integers(0, 50_000))).scaleb(-places if step == 1 else step // 100 - places)
        price = price.scaleb(draw(st.sampled_from([0, 0, -2])))
        gross = rounded(Fraction(price) * Fraction(quantity) * 10**places, step)
    else:
        gross = draw(st.integers(0, 300_000 // step)) * step
        price = Decimal(draw(st.integers(0, 9_999))) if model != "flat" else Decimal(major(gross, currency))
    discount, given = draw(_discounts(gross, currency))
    rates = _numbered(draw(_rates))
    fixed = draw(st.lists(st.integers(1, 500).map(lambda n: n * step), max_size=1)) if number == 0 else []
    document: dict[str, Any] = {
        "id": f"l{number}",
        "product": {"name": f"Product {number}", "unit_of_measure": "unit"},
        "quantity": str(quantity),
        "pricing": {
            "model": {"free": "flat", "priced": "per_unit"}.get(model, model),
            "list_price": None if price is None else f"{price:f}",
        },
        "discount": given,
        "taxes": [_tax(rate) for rate in rates] + [_fixed_tax(amount, currency) for amount in fixed],
    }
    if model != "priced":
        names = {"gross": gross, "discount": discount, "net": gross - discount}
        document["amounts"] = {name: major(amount, currency) for name, amount in names.items()}
    return _Line(document, gross, discount, rates, tuple(fixed))


@st.composite
def _discounts(draw: st.DrawFn, gross: int, currency: str) -> tuple[int, dict[str, Any] | None]:
    step = CURRENCIES[currency][1]
    kind = draw(st.sampled_from(["none", "percentage", "amount"]))
    if kind == "percentage":
        percent = Decimal(draw(st.one_of(st.integers(0, 10_000), st.just(10_000)))).scaleb(-2)
        discount = rounded(Fraction(percent) * gross / 100, step)
        return discount, {"type": "percentage", "value": str(percent)}
    if kind == "amount":
        discount = draw(st.integers(0, gross // step)) * step
        return discount, {"type": "amount", "value": major(discount, currency)}
    return 0, None


# -- quotes -------------------------------------------------------------------------------------------


@st.composite
def random_quotes(draw: st.DrawFn, *, ways: Sequence[str] = WAYS) -> RandomQuote:
    """A quote whose totals are rounded in one of these ways."""
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    step = CURRENCIES[currency][1]
    lines = [draw(_lines(number, currency)) for number in range(draw(st.integers(1, 5)))]
    nets: dict[frozenset[Rate], int] = {}
    order: dict[frozenset[Rate], tuple[Rate, ...]] = {}
    for line in lines:
        taxes = frozenset(line.rates)
        nets[taxes] = nets.get(taxes, 0) + line.gross - line.discount
        order.setdefault(taxes, line.rates)
    groups = {taxes: net for taxes, net in nets.items() if net > 0}
    most = sum(groups.values()) // step
    wanted = draw(st.integers(1, most)) * step if most and draw(st.booleans()) else 0
    parts = dict(zip(groups, shares(wanted, list(groups.values()), step), strict=True)) if wanted else {}
    reductions = [(order[taxes], share) for taxes, share in parts.items() if share]
    items = [item for line in lines for item in _items(line)]
    items += [Item(f"discount:{n}", -share, rates) for n, (rates, share) in enumerate(reductions, start=1)]
    net = sum(line.gross - line.discount for line in lines) - wanted
    fixed = sum(sum(line.fixed) for line in lines)
    taxes = {way: _taxes(lines, reductions, step, way) + fixed for way in (*WAYS, *CUT_OFF)}
    tax = taxes[draw(st.sampled_from(ways))]
    document = a_quote(
        *(line.document for line in lines),
        currency=currency,
        installments=draw(_percentages()),
        discounts=_two_discounts(wanted, step, currency),
        summary=None,
    )
    found = RandomQuote(document, currency, tuple(items), net, tax, taxes)
    return replace(found, document=found.with_figures())


def _items(line: _Line) -> list[Item]:
    key = line.document["id"]
    found = [Item(key, line.gross, line.rates)]
    if line.discount:
        found.append(Item(f"{key}:discount", -line.discount, line.rates))
    return found + [Item(f"{key}:tax:{n}", amount, ()) for n, amount in enumerate(line.fixed, start=1)]


def _two_discounts(wanted: int, step: int, currency: str) -> list[dict[str, Any]]:
    """Two discounts of the whole quote, which add up; one if the amount is too small for two."""
    halves = [wanted - wanted // step // 2 * step, wanted // step // 2 * step]
    amounts = [major(half, currency) for half in halves if half]
    return [{"id": f"d{n}", "type": "amount", "value": a, "amount": a} for n, a in enumerate(amounts)]


def _taxes(lines: Sequence[_Line], reductions: Sequence[tuple[tuple[Rate, ...], int]], step: int, way: str) -> int:
    """The sum of the percentage taxes under a way of rounding."""
    way, _, cut_off = way.partition(", ")
    half = Fraction(0) if cut_off else Fraction(1, 2)
    if way == "per item":
        parts = [(line.gross, line.rates) for line in lines] + [(-line.discount, line.rates) for line in lines]
    else:
        parts = [(line.gross - line.discount, line.rates) for line in lines]
    parts += [(-share, rates) for rates, share in reductions]
    exact = [(rate, rate.on(amount)) for amount, rates in parts for rate in rates]
    if way in {"per item", "per line"}:
        return sum(rounded(tax, step, half) for _, tax in exact)
    totals: dict[Any, Fraction] = {}
    for rate, tax in exact:
        summed = rate if way == "per rate" else ""
        totals[summed] = totals.get(summed, Fraction(0)) + tax
    return sum(rounded(tax, step, half) for tax in totals.values())


@st.composite
def _percentages(draw: st.DrawFn) -> list[str]:
    """Installments that add up to exactly 100, including thirds and zeros."""
    given = [[], ["100"], ["50", "50"], ["33.33", "33.33", "33.34"], ["0", "100"], ["0.01", "99.99"], ["25"] * 4]
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=5)))
    edges = zip([0, *cuts], [*cuts, 10_000], strict=True)
    drawn = [str(Decimal(end - start).scaleb(-2)) for start, end in edges]
    return draw(st.sampled_from([*given, drawn, drawn, drawn]))
