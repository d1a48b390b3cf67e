"""Explain in sentences why the invoice's figures differ from the quote's, as far as the figures prove it. Pure.

Where Stripe rounds: docs/notes/stripe.md#rounding-of-taxes. The quote's own figures are its ``summary.one_off``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations

from .money import multiple, rounded_to_coin, shown
from .plan_types import Aside, InvoicePlan, PlanLine
from .signed_tax import explained

#: The most lines that are explained; more would say nothing new.
_MOST_LINES = 6
#: With more plan sections and discounts than this, only each alone and all together are tried.
_MOST_ASIDES = 8


def explain(plan: InvoicePlan, *, subtotal: int, total: int) -> Iterator[str]:
    """Explain each figure of Stripe, in minor units, that differs from the quote's."""
    money, signed = plan.currency, plan.signed
    net = plan.sold(subtotal)
    tax = total - net - signed.cash
    if not signed.adds_up:
        whole = shown(signed.net + signed.tax, money)
        yield (
            f"The quote contradicts itself: its net of {shown(signed.net, money)} and its tax of "
            f"{shown(signed.tax, money)} come to {whole}, its total says {shown(signed.total, money)}."
        )
    if net != subtotal - signed.cash and net == signed.net:
        yield (
            f"Taxes of a fixed amount, {shown(plan.fixed_tax, money)}, are lines of their own in Stripe: they stand "
            "in its subtotal, on the quote in the tax."
        )
    found: Sequence[Aside] = ()
    if net != signed.net:
        yield f"Net: the quote says {shown(signed.net, money)}, the lines come to {shown(net, money)}."
        found, sentence = _behind_the_net(plan, signed.net - net)
        yield sentence
    if tax != signed.tax:
        yield f"Tax: the quote says {shown(signed.tax, money)}, line by line it comes to {shown(tax, money)}."
        yield from _behind_the_tax(plan, signed.tax, tax, found)
    if not signed.adds_up and total != signed.total:
        yield f"Total: the quote says {shown(signed.total, money)}, the lines come to {shown(total, money)}."


# -- net ----------------------------------------------------------------------------------------------


def _behind_the_net(plan: InvoicePlan, gap: int) -> tuple[Sequence[Aside], str]:
    """Return the plan sections and discounts that sum to the difference, and a sentence about them.

    If several choices of them sum to the difference, return none of them; the sentence then names the choices.
    """
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
    money, gap, bound = plan.currency, signed - tax, Decimal(plan.rounding_bound) / 2
    # Fixed taxes that the quote counts as tax, though they are lines at Stripe.
    fixed = plan.subtotal - plan.signed.cash - plan.sold(plan.subtotal)
    if tax != plan.tax + fixed:
        yield f"Planned was a tax of {shown(plan.tax + fixed, money)}: Stripe computes another one."
    if found:
        aside = sum((aside.tax for aside in found), Decimal(0))
        is_it = abs(gap - aside) <= bound + multiple(money)
        of_it = "the tax on that" if is_it else f"not the tax on that ({shown(rounded_to_coin(aside, money), money)})"
        yield f"The difference of {shown(abs(gap), money)} is {of_it}."
        return
    rounding = explained(plan, int(signed) - fixed) if signed % 1 == 0 else None
    if rounding is None and abs(gap) > bound:
        if not plan.rates:
            yield "No line has a tax rate."
        elif not bound:
            yield "No way of rounding gives it."
        else:
            yield f"Rounding explains no more than {shown(bound, money)}."
        yield from _tax_left_out(plan, gap, fixed)
        return
    if rounding is not None:
        way, amount = rounding[0], shown(signed - fixed, money)
        fine = f", to {shown(1, money)}" if way.step > 1 else ""
        if way.cuts_off:
            yield f"Cut off {way.words} it is {amount}, as on the quote; Stripe rounds it on every line{fine}."
        else:
            yield f"Rounded {way.words} it is {amount}, as on the quote; Stripe rounds it on every line{fine}."
    yield from _line_by_line(plan)


def _tax_left_out(plan: InvoicePlan, gap: Decimal, fixed: int) -> Iterator[str]:
    """Name a tax that equals the difference: the quote's totals may have left it out."""
    sums = {
        rate.title: sum(tax.amount for line in plan.lines for tax in line.taxes if tax.rate == key)
        for key, rate in plan.rates.items()
    }
    sums |= {"the taxes of a fixed amount": fixed, "all tax": plan.tax + fixed}
    name = next((name for name, amount in sums.items() if amount and -amount == gap), None)
    if name:
        yield f"The difference of {shown(-gap, plan.currency)} is just {name}, as if the quote's totals lacked it."


def _line_by_line(plan: InvoicePlan) -> Iterator[str]:
    """Name the lines whose tax Stripe rounds."""
    lines = [sentence for line in plan.lines for sentence in _line(plan, line)]
    yield from lines[:_MOST_LINES]
    if len(lines) > _MOST_LINES:
        yield f"And so on for {len(lines) - _MOST_LINES} more."


def _line(plan: InvoicePlan, line: PlanLine) -> Iterator[str]:
    money = plan.currency
    for tax in line.taxes:
        if tax.exact != tax.amount:
            of_line = f"{_short(line.description)}: {plan.rates[tax.rate].title} of {shown(line.amount, money)}"
            yield f"{of_line} is {shown(tax.exact, money)}, rounded to {shown(tax.amount, money)}."


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39].rstrip() + "…")
