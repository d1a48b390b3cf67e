"""Why the invoice and the quote's own figures differ, in sentences: what the figures prove, nothing by guess. Pure.

Source: Stripe page, section 8 (where Stripe rounds), and Qwoty page, section 8 (``summary.one_off``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from decimal import Decimal
from itertools import combinations

from .money import exact_tax, multiple, rounded_to_coin, shown, tax_on
from .plan import Aside, InvoicePlan, PlanLine
from .taxes import RateKey

#: More lines than these say nothing new.
_MOST_LINES = 6
#: Above this many plan sections and discounts only each alone and all together are tried.
_MOST_ASIDES = 8
#: Where else than on every line a quote may round its tax: what is summed up before it is rounded.
_WAYS: dict[str, Callable[[PlanLine, RateKey], Hashable]] = {
    "once for each rate": lambda _, rate: rate,
    "once for each line after its discount": lambda line, rate: (line.key.removesuffix(":discount"), rate),
    "once for everything": lambda *_: "",
}


def rounding_bound(plan: InvoicePlan) -> int:
    """What rounding can explain, in *half* minor units: one per line and rate, and one per rate.

    A quote rounds to amounts that its currency has, which may be a multiple of the minor unit.
    """
    return (sum(len(line.rates) for line in plan.lines) + len(plan.rates)) * multiple(plan.currency)


def sold(plan: InvoicePlan, subtotal: int) -> int:
    """The net in the quote's sense: fixed taxes are lines at Stripe, but tax on the quote, unless it counts them in.

    Which of the two a quote does is not documented; either way the same is sold and taxed.
    """
    return subtotal if plan.signed.net == subtotal else subtotal - plan.fixed_tax


def explain(plan: InvoicePlan, *, subtotal: int, total: int) -> Iterator[str]:
    """Explain each figure of Stripe (minor units) that is not the quote's."""
    money, signed = plan.currency, plan.signed
    net = sold(plan, subtotal)
    tax = total - net
    if not plan.adds_up:
        whole = shown(signed.net + signed.tax, money)
        yield (
            f"The quote contradicts itself: its net of {shown(signed.net, money)} and its tax of "
            f"{shown(signed.tax, money)} come to {whole}, its total says {shown(signed.total, money)}."
        )
    if net != subtotal and net == signed.net:
        yield (
            f"Taxes of a fixed amount, {shown(plan.fixed_tax, money)}, are lines of their own in Stripe: they stand "
            "in its subtotal, on the quote in the tax."
        )
    found: Sequence[Aside] = ()
    if net != signed.net:
        yield f"Net: the quote says {shown(signed.net, money)}, the lines come to {shown(net, money)}."
        found, sentence = _behind_the_net(plan, signed.net - net)
        yield sentence
    # Of a quote that adds up this is its tax, rounded to what its currency has.
    signed_tax = Decimal(signed.total - signed.net) if plan.adds_up else signed.tax
    if tax != signed_tax:
        yield f"Tax: the quote says {shown(signed_tax, money)}, line by line it comes to {shown(tax, money)}."
        yield from _behind_the_tax(plan, signed_tax, tax, found)
    if not plan.adds_up and total != signed.total:
        yield f"Total: the quote says {shown(signed.total, money)}, the lines come to {shown(total, money)}."


# -- net ----------------------------------------------------------------------------------------------


def _behind_the_net(plan: InvoicePlan, gap: int) -> tuple[Sequence[Aside], str]:
    """Which plan sections and discounts come to just the difference, if that is certain; and what to say."""
    amount = shown(abs(gap), plan.currency)
    asides = list(plan.asides)
    if plan.fixed_tax:
        asides.append(Aside("the taxes of a fixed amount", plan.fixed_tax, Decimal(-plan.fixed_tax)))
    few = len(asides) <= _MOST_ASIDES
    for size in range(1, len(asides) + 1) if few else (1, len(asides)):
        found = [some for some in combinations(asides, size) if sum(aside.net for aside in some) == gap]
        if len(found) == 1:
            return found[0], f"The difference of {amount} is just {_and(found[0])}."
        if found:
            each = "; or ".join(_and(some) for some in found)
            return (), f"The difference of {amount} may be one of several things, and nothing tells which: {each}."
    return (), f"Neither plan sections nor quote-wide discounts explain the difference of {amount}."


def _and(asides: Sequence[Aside]) -> str:
    return " and ".join(aside.name for aside in asides) + (" together" if len(asides) > 1 else "")


# -- tax ----------------------------------------------------------------------------------------------


def _behind_the_tax(plan: InvoicePlan, signed: Decimal, tax: int, found: Sequence[Aside]) -> Iterator[str]:
    money, gap, bound = plan.currency, signed - tax, Decimal(rounding_bound(plan)) / 2
    # What the quote counts as tax, though it is a line at Stripe.
    fixed = plan.subtotal - sold(plan, plan.subtotal)
    if tax != plan.tax + fixed:
        yield f"Planned was a tax of {shown(plan.tax + fixed, money)}: Stripe computes another one."
    if found:
        aside = sum((aside.tax for aside in found), Decimal(0))
        is_it = abs(gap - aside) <= bound + multiple(money)
        of_it = "the tax on that" if is_it else f"not the tax on that ({shown(rounded_to_coin(aside, money), money)})"
        yield f"The difference of {shown(abs(gap), money)} is {of_it}."
    elif abs(gap) > bound:
        yield f"Rounding explains no more than {shown(bound, money)}." if plan.rates else "No line has a tax rate."
        yield from _tax_left_out(plan, gap, fixed)
    else:
        yield from _rounding(plan, signed - fixed)
        if gap % multiple(money):
            yield f"No rounding line can be {shown(gap, money)}: {money} has no such amount."


def _tax_left_out(plan: InvoicePlan, gap: Decimal, fixed: int) -> Iterator[str]:
    """Which tax comes to just the difference, as if the quote's totals did not have it."""
    sums = {
        rate.title: sum(tax_on(line.amount, key.percentage) for line in plan.lines if key in line.rates)
        for key, rate in plan.rates.items()
    }
    sums |= {"the taxes of a fixed amount": fixed, "all tax": plan.tax + fixed}
    name = next((name for name, amount in sums.items() if amount and -amount == gap), None)
    if name:
        yield f"The difference of {shown(-gap, plan.currency)} is just {name}, as if the quote's totals lacked it."


def _rounding(plan: InvoicePlan, signed: Decimal) -> Iterator[str]:
    """Where the quote rounds its percentage taxes, if one way gives just their sum; and which lines Stripe rounds."""
    money = plan.currency
    for way, summed_up in _WAYS.items():
        sums: dict[Hashable, Decimal] = {}
        for line in plan.lines:
            for rate in line.rates:
                part = summed_up(line, rate)
                sums[part] = sums.get(part, Decimal(0)) + exact_tax(line.amount, rate.percentage)
        if sum(rounded_to_coin(exact, money) for exact in sums.values()) == signed:
            fine = f", to {shown(1, money)}" if multiple(money) > 1 else ""
            yield f"Rounded {way} it is {shown(signed, money)}, as on the quote; Stripe rounds it on every line{fine}."
            break
    lines = [sentence for line in plan.lines for sentence in _line(plan, line)]
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"And so on for {len(lines) - _MOST_LINES} more."


def _line(plan: InvoicePlan, line: PlanLine) -> Iterator[str]:
    money = plan.currency
    for key in line.rates:
        exact, rounded = exact_tax(line.amount, key.percentage), tax_on(line.amount, key.percentage)
        if exact != rounded:
            of_line = f"{_short(line.description)}: {plan.rates[key].title} of {shown(line.amount, money)}"
            yield f"{of_line} is {shown(exact, money)}, rounded to {shown(rounded, money)}."


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39].rstrip() + "…")
