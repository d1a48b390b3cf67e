"""The signed figures in minor units, and line amounts rounded to match them. Pure.

CPQs write figures that are finer than the currency, or a total that is rounded to a coin.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from qwoty_integrations_host import Quote

from .money import apportion, coin, exact_tax, in_minor, multiple, rounded_to, rounded_to_coin, to_minor
from .plan_types import PlanLine, Signed
from .taxes import RateKey


def signed_figures(quote: Quote) -> Signed | None:
    """Return the signed figures; None if the quote has none.

    If net and tax are finer than the currency, they are rounded so that they sum to the total. Raises: NeedsAttention
    for a total that is finer than its currency.
    """
    totals, currency = quote.totals, quote.currency
    if totals is None:
        return None
    total = to_minor(totals.total_amount, currency, "The quote's total")
    net, tax = in_minor(totals.net_amount, currency), in_minor(totals.tax_amount, currency)
    unit, cash = _unit(currency), 0
    gap = total - net - tax
    if abs(gap) >= unit:
        step = coin(currency)
        if total % step or abs(gap) * 2 > step:
            return Signed(rounded_to(net, unit), tax, total, adds_up=False)
        cash = total - rounded_to(net + tax, unit)
    net_part, tax_part = apportion(total - cash, [net, tax], unit)
    return Signed(net_part, Decimal(tax_part), total, cash)


def computed(lines: Sequence[PlanLine], currency: str) -> Signed:
    """Compute the figures of a quote that has none: the net of its lines, and the tax, rounded once for each rate."""
    bases: dict[RateKey, int] = {}
    for line in lines:
        for tax in line.taxes:
            bases[tax.rate] = bases.get(tax.rate, 0) + tax.base
    taxes = sum(rounded_to_coin(exact_tax(base, rate.percentage), currency) for rate, base in bases.items())
    taxes += sum(line.amount for line in lines if line.kind == "tax")
    net = sum(line.amount for line in lines if line.kind != "tax")
    return Signed(net, Decimal(taxes), net + taxes, given=False)


def rounded_to_net(
    amounts: Sequence[Decimal], nets: Sequence[int], currency: str, *, computed: Collection[int] = (), parts: int = 0
) -> list[int]:
    """Round exact amounts, in minor units, so that they sum to one of ``nets``, if rounding explains the difference.

    First, each amount is rounded half up. If that does not give a net, but the amounts miss one by less than a unit for
    each amount that was rounded, the difference goes to the amounts with the largest remainders. If that fails as well,
    the amounts that the quote does not state (``computed``, by position) are rounded to coins in the same manner. The
    quote may have rounded an amount on ``parts`` lines: the allowed difference grows by one unit for each.
    """
    unit, coins = _unit(currency), coin(currency)
    rounded = [rounded_to(amount, unit) for amount in amounts]
    if sum(rounded) in nets:
        return rounded
    finer = [number for number, amount in enumerate(amounts) if amount % unit]
    for step, open_ones in ((unit, finer), (coins, [number for number in computed if amounts[number] % coins])):
        exact = [amounts[number] for number in open_ones]
        for net in nets:
            left = net - sum(int(amount) for number, amount in enumerate(amounts) if number not in open_ones)
            off = abs(left - sum(exact, Decimal(0)))
            if exact and left % step == 0 and off < step * (len(exact) + parts):
                found = dict(zip(open_ones, apportion(left, exact, step), strict=True))
                return [found.get(number, int(amount)) for number, amount in enumerate(amounts)]
    return rounded


def _unit(currency: str) -> int:
    """Return the currency's finest amount in minor units: 1 fils of a dinar, though Stripe charges multiples of 10."""
    return 1 if multiple(currency) == 10 else multiple(currency)
