"""Spread the signed tax over the invoice's lines if the quote rounds its taxes in another way than Stripe. Pure.

Stripe rounds every rate on every line (docs/notes/stripe.md#rounding-of-taxes). A CPQ may round once for each rate,
round down, or round to a coin. These ways are tried: the one that gives the signed tax also gives each rate's part.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import NamedTuple

from .money import apportion, coin, multiple, rounded_to
from .plan_types import InvoicePlan, LineTax, PlanLine
from .taxes import RateKey


class Cell(NamedTuple):
    """The exact tax of one rate on one line; cells may be grouped by line or rate before they are rounded."""

    line: str
    rate: RateKey
    exact: Decimal


class Rounding(NamedTuple):
    """A way to round taxes: which cells are summed, how the sum is rounded, and to which step (minor units)."""

    words: str
    cells: Callable[[Sequence[PlanLine]], Sequence[Cell]]
    group: Callable[[Cell], Hashable]
    mode: str
    step: int

    @property
    def cuts_off(self) -> bool:
        return self.mode == ROUND_DOWN

    def per_rate(self, lines: Sequence[PlanLine], total: int) -> dict[RateKey, int] | None:
        """Return each rate's tax; None if the taxes do not sum to ``total``."""
        sums: dict[Hashable, Decimal] = {}
        rate_of: dict[Hashable, RateKey] = {}
        for cell in self.cells(lines):
            group = self.group(cell)
            sums[group] = sums.get(group, Decimal(0)) + cell.exact
            rate_of[group] = cell.rate
        rounded = {group: rounded_to(exact, self.step, self.mode) for group, exact in sums.items()}
        if sum(rounded.values()) != total:
            return None
        if "" in rounded:  # one sum of all rates
            return shared_by_rate(lines, total, self.step)
        found: dict[RateKey, int] = {}
        for group, amount in rounded.items():
            found[rate_of[group]] = found.get(rate_of[group], 0) + amount
        return found


def _items(lines: Sequence[PlanLine]) -> list[Cell]:
    return [Cell(line.key, tax.rate, tax.exact) for line in lines for tax in line.taxes]


def _after_all_discounts(lines: Sequence[PlanLine]) -> list[Cell]:
    """Return the lines' cells, each lowered by its share of the quote-wide discount.

    Lines with the same taxes share their part of the discount in proportion to their net.
    """
    nets: dict[frozenset[RateKey], int] = {}
    taken: dict[frozenset[RateKey], int] = {}
    for line in lines:
        sums = taken if line.kind == "whole" else nets
        sums[frozenset(line.rates)] = sums.get(frozenset(line.rates), 0) + line.amount
    return [
        cell._replace(exact=cell.exact * (1 + Decimal(taken.get(taxes, 0)) / nets[taxes]))
        for line in lines
        if line.kind != "whole" and nets[taxes := frozenset(line.rates)]
        for cell in _items([line])
    ]


def _by_line(cell: Cell) -> Hashable:
    return cell.line.removesuffix(":discount"), cell.rate


#: The sums that a quote may round. The first one that gives the signed tax is taken.
_GROUPS: tuple[tuple[str, Callable[[Sequence[PlanLine]], Sequence[Cell]], Callable[[Cell], Hashable]], ...] = (
    ("once for each rate", _items, lambda cell: cell.rate),
    ("once for each line after its discount", _items, _by_line),
    ("once for everything", _items, lambda _: ""),
    ("on every item", _items, lambda cell: (cell.line, cell.rate)),
    ("once for each line after all discounts", _after_all_discounts, _by_line),
)


def roundings(currency: str) -> Iterator[Rounding]:
    """Yield the ways in which quotes in a currency may round their taxes, the most usual first."""
    for step in dict.fromkeys((multiple(currency), coin(currency))):
        for mode in (ROUND_HALF_UP, ROUND_DOWN):
            for words, cells, group in _GROUPS:
                yield Rounding(words, cells, group, mode, step)


def explained(plan: InvoicePlan, total: int) -> tuple[Rounding, dict[RateKey, int]] | None:
    """Return the way of rounding that makes the plan's taxes sum to ``total`` (minor units), and each rate's part."""
    for rounding in roundings(plan.currency):
        parts = rounding.per_rate(plan.lines, total)
        if parts is not None:
            return rounding, parts
    return None


def is_rounding(plan: InvoicePlan, total: int) -> bool:
    """Whether rounding explains the difference of a total at Stripe, in minor units, from the signed one."""
    off = abs(plan.signed.total - total) * 2
    if off <= plan.rounding_bound:
        return True
    signed_tax = plan.signed.total - plan.subtotal
    return abs(plan.total - total) * 2 <= plan.rounding_bound and explained(plan, signed_tax) is not None


def exactly(plan: InvoicePlan, lines: Sequence[PlanLine]) -> InvoicePlan | None:
    """Return the plan with its signed tax as amounts, shared over ``lines`` by largest remainder.

    ``lines`` are the plan's lines, with one item for the global discount. Return None if the signed figures do not add
    up, if their net is not that of the lines, or if rounding does not explain why the taxes differ.
    """
    signed_tax = plan.signed.total - plan.subtotal
    if not plan.signed.given or not plan.signed.adds_up or plan.sold(plan.subtotal) != plan.signed.net:
        return None
    if not plan.rates or not is_rounding(plan, plan.total):
        return None
    found = explained(plan, signed_tax)
    parts = found[1] if found else shared_by_rate(plan.lines, signed_tax, _step(signed_tax, plan.currency))
    # A rate without any tax has no part, but a discount over several rates may include this rate.
    shares = {tax.rate: parts.get(tax.rate, 0) for tax in _taxes(lines)}
    amounts = {
        rate: iter(
            apportion(part, [tax.exact for tax in _taxes(lines) if tax.rate == rate], _step(part, plan.currency))
        )
        for rate, part in shares.items()
    }
    told = tuple(
        replace(line, taxes=tuple(tax._replace(amount=next(amounts[tax.rate])) for tax in line.taxes)) for line in lines
    )
    return replace(plan, lines=told, has_amounts=True)


def shared_by_rate(lines: Sequence[PlanLine], total: int, step: int) -> dict[RateKey, int]:
    """Divide the tax of all rates together among the rates, in proportion to each rate's exact tax."""
    sums: dict[RateKey, Decimal] = {}
    for tax in _taxes(lines):
        sums[tax.rate] = sums.get(tax.rate, Decimal(0)) + tax.exact
    return dict(zip(sums, apportion(total, list(sums.values()), step), strict=True))


def _step(total: int, currency: str) -> int:
    step = multiple(currency)
    return step if total % step == 0 else 1


def _taxes(lines: Sequence[PlanLine]) -> Iterator[LineTax]:
    return (tax for line in lines for tax in line.taxes)
