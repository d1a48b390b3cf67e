"""Amounts of discounts, and how discounts on the whole quote become lines. Pure; minor units.

See docs/notes/stripe.md#discounts-over-several-taxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from qwoty_integrations_host import Discount, NeedsAttention, Quote

from .descriptions import cut, discount_label
from .money import in_minor, shown, split, tax_on
from .plan_types import NET_KINDS, ExactLine, LineTax, PlanLine, Signed
from .taxes import RateKey

_WHOLE = "A discount on the whole quote"


def discount_of(given: Discount, of: Decimal, currency: str, what: str) -> Decimal:
    """Return the amount of a discount on ``of``, in minor units; a percentage is not rounded yet.

    Raises: NeedsAttention for an unknown type.
    """
    if given.amount is not None:
        return in_minor(given.amount, currency)
    if given.value is None:
        return Decimal(0)
    if given.type == "percentage":
        return of * given.value / 100
    if given.type == "amount":
        return in_minor(given.value, currency)
    # Only an earlier release accepted such a quote. Do not guess whether the value is money or a percentage.
    raise NeedsAttention(
        f"{what} has the unknown type {given.type!r}.",
        hint="A discount is a percentage or an amount: correct the quote in Qwoty and accept it again.",
        code="discount_type_unknown",
    )


def discounts_of(quote: Quote, lines: Sequence[ExactLine], signed: Signed | None) -> list[Decimal]:
    """Return the amount of each quote-wide discount, in minor units.

    A percentage applies to the sum of the lines after their own discounts. Several percentages either all apply to this
    sum, or each applies to what the one before leaves: the reading that comes nearer to the signed net is used.
    """
    net = sum((line.amount for line in lines if line.kind in NET_KINDS), Decimal(0))
    beside = [discount_of(each, net, quote.currency, _WHOLE) for each in quote.discounts]
    after: list[Decimal] = []
    for each in quote.discounts:
        after.append(discount_of(each, net - sum(after), quote.currency, _WHOLE))
    if signed is None:
        return beside
    return min((beside, after), key=lambda found: abs(net - sum(found) - signed.net))


def global_discount(
    quote: Quote, lines: Sequence[PlanLine], total: int, *, is_spread_over_all: bool = False
) -> list[PlanLine]:
    """Return one negative line if all lines share one set of taxes, else one for each set (docs/adr/0006).

    The discount is divided among the sets with a positive net. With ``is_spread_over_all``, sets of trade-ins get a
    share as well; it is negative.
    """
    if not total:
        return []
    nets: dict[frozenset[RateKey], int] = {}
    order: dict[frozenset[RateKey], tuple[RateKey, ...]] = {}
    for line in lines:
        if line.kind in NET_KINDS:
            taxes = frozenset(line.rates)
            nets[taxes] = nets.get(taxes, 0) + line.amount
            order.setdefault(taxes, line.rates)
    groups = {order[taxes]: net for taxes, net in nets.items() if net > 0 or (net and is_spread_over_all)}
    if total > sum(groups.values()):
        raise NeedsAttention(
            f"The quote's discounts ({shown(total, quote.currency)}) are above its lines.",
            hint="Correct the quote in Qwoty and accept it again.",
            code="discount_above_total",
        )
    label = discount_label(quote)
    shares = zip(groups, split(total, list(groups.values()), quote.currency), strict=True)
    return [
        ExactLine(f"discount:{number}", label, Decimal(-share), rates, "whole").rounded(-share)
        for number, (rates, share) in enumerate(((rates, share) for rates, share in shares if share), start=1)
    ]


def as_one(reductions: Sequence[PlanLine]) -> list[PlanLine]:
    """Return the global discount as a single line, which lowers each rate's base by the share of that rate's lines."""
    if len(reductions) < 2:
        return list(reductions)
    bases: dict[RateKey, int] = {}
    for line in reductions:
        for tax in line.taxes:
            bases[tax.rate] = bases.get(tax.rate, 0) + tax.base
    taxes = tuple(LineTax(rate, base, tax_on(base, rate.percentage)) for rate, base in bases.items())
    return [replace(reductions[0], amount=sum(line.amount for line in reductions), taxes=taxes)]


def folded(lines: Sequence[PlanLine], currency: str) -> list[PlanLine]:
    """Merge each line's discount into the line, to stay below the limit of lines. The line's text names it."""
    found: list[PlanLine] = []
    for line in lines:
        found.append(_less(found.pop(), line, currency) if line.kind == "discount" else line)
    return found


def _less(line: PlanLine, discount: PlanLine, currency: str) -> PlanLine:
    text = cut(line.description + "; " + discount.description, f" {shown(discount.amount, currency)}")
    return ExactLine(line.key, text, Decimal(0), line.rates).rounded(line.amount + discount.amount)
