"""The signed tax, shared over the invoice's lines: where a quote rounds its taxes otherwise than Stripe. Pure.

Stripe rounds every rate on every line (Stripe page, section 8); a CPQ may round once for each rate, cut off, or round
to a coin. Whatever explains the signed tax also says how much of it is which rate's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import NamedTuple

from .money import apportion, coin, multiple, rounded_to
from .planned import InvoicePlan, LineTax, PlanLine
from .taxes import RateKey


class Cell(NamedTuple):
    """The exact tax of a rate on a line, and by which names it may be summed up with others."""

    line: str
    rate: RateKey
    exact: Decimal


class Rounding(NamedTuple):
    """A way to round taxes: what is summed up first, how the sum is rounded, and to what (minor units)."""

    words: str
    cells: Callable[[Sequence[PlanLine]], Sequence[Cell]]
    group: Callable[[Cell], Hashable]
    mode: str
    step: int

    @property
    def cuts_off(self) -> bool:
        return self.mode == ROUND_DOWN

    def per_rate(self, lines: Sequence[PlanLine], total: int) -> dict[RateKey, int] | None:
        """What each rate's tax comes to; None unless all of them come to ``total``."""
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
    """Each line with its share of the discount on the whole quote, by its net among the lines of the same taxes."""
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


#: What a quote may sum up before it rounds. The first that explains the signed tax counts.
_GROUPS: tuple[tuple[str, Callable[[Sequence[PlanLine]], Sequence[Cell]], Callable[[Cell], Hashable]], ...] = (
    ("once for each rate", _items, lambda cell: cell.rate),
    ("once for each line after its discount", _items, _by_line),
    ("once for everything", _items, lambda _: ""),
    ("on every item", _items, lambda cell: (cell.line, cell.rate)),
    ("once for each line after all discounts", _after_all_discounts, _by_line),
)


def roundings(currency: str) -> Iterator[Rounding]:
    """The ways in which quotes in a currency round their taxes, the most usual first: to its amounts, or to a coin."""
    for step in dict.fromkeys((multiple(currency), coin(currency))):
        for mode in (ROUND_HALF_UP, ROUND_DOWN):
            for words, cells, group in _GROUPS:
                yield Rounding(words, cells, group, mode, step)


def explained(plan: InvoicePlan, total: int) -> tuple[Rounding, dict[RateKey, int]] | None:
    """Which way of rounding the plan's percentage taxes gives just ``total`` (minor units), and each rate's part."""
    for rounding in roundings(plan.currency):
        parts = rounding.per_rate(plan.lines, total)
        if parts is not None:
            return rounding, parts
    return None


def is_rounding(plan: InvoicePlan, total: int) -> bool:
    """Whether a total at Stripe, in minor units, differs from the signed one by no more than rounding explains."""
    off = abs(plan.signed.total - total) * 2
    if off <= plan.rounding_bound:
        return True
    signed_tax = plan.signed.total - plan.subtotal
    return abs(plan.total - total) * 2 <= plan.rounding_bound and explained(plan, signed_tax) is not None


def exactly(plan: InvoicePlan, lines: Sequence[PlanLine]) -> InvoicePlan | None:
    """The invoice with its signed tax as amounts, shared over ``lines`` by largest remainder.

    ``lines`` are the plan's, with one item for the global discount. None unless the quote adds up, its net is the
    lines', and its tax is theirs but for rounding.
    """
    signed_tax = plan.signed.total - plan.subtotal
    if not plan.signed.given or not plan.signed.adds_up or plan.sold(plan.subtotal) != plan.signed.net:
        return None
    if not plan.rates or not is_rounding(plan, plan.total):
        return None
    found = explained(plan, signed_tax)
    parts = found[1] if found else shared_by_rate(plan.lines, signed_tax, _step(signed_tax, plan.currency))
    # A rate that comes to nothing has no part; a discount over several rates may name it all the same.
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
    """A tax that is told for all rates together, shared by what each rate's percentage comes to."""
    sums: dict[RateKey, Decimal] = {}
    for tax in _taxes(lines):
        sums[tax.rate] = sums.get(tax.rate, Decimal(0)) + tax.exact
    return dict(zip(sums, apportion(total, list(sums.values()), step), strict=True))


def _step(total: int, currency: str) -> int:
    step = multiple(currency)
    return step if total % step == 0 else 1


def _taxes(lines: Sequence[PlanLine]) -> Iterator[LineTax]:
    return (tax for line in lines for tax in line.taxes)
