"""What a plan consists of: the invoice's lines, its taxes, and what the customer signed. Pure; all in minor units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from .money import LEAST_PAYMENT, multiple, tax_on
from .taxes import PlannedRate, RateKey


class LineTax(NamedTuple):
    """A rate's tax on one line: on ``base`` it comes to ``amount``."""

    rate: RateKey
    base: int
    amount: int

    @property
    def exact(self) -> Decimal:
        """What the percentage comes to before it is rounded."""
        return self.base * self.rate.percentage / 100


#: The kinds of lines that discounts on the whole quote are taken off.
NET_KINDS = frozenset({"product", "discount"})


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One item of the invoice. ``key`` is its ``qwoty_line``, unique on the invoice; ``amount`` in minor units."""

    key: str
    description: str
    amount: int
    taxes: tuple[LineTax, ...] = ()
    #: ``product``; ``discount`` of the product before it; ``tax``: a fixed one; ``whole``: a discount on the whole
    #: quote; ``cash``: what rounding the total to a coin comes to.
    kind: str = "product"

    @property
    def rates(self) -> tuple[RateKey, ...]:
        return tuple(tax.rate for tax in self.taxes)


@dataclass(frozen=True, slots=True)
class ExactLine:
    """A line before it is rounded: ``amount`` in minor units, as exact as the quote says it."""

    key: str
    description: str
    amount: Decimal
    rates: tuple[RateKey, ...] = ()
    kind: str = "product"
    #: Whether it was worked out here: the quote does not say what it comes to.
    is_computed: bool = False

    def rounded(self, amount: int) -> PlanLine:
        taxes = (LineTax(rate, amount, tax_on(amount, rate.percentage)) for rate in self.rates)
        return PlanLine(self.key, self.description, amount, tuple(taxes), self.kind)


class Signed(NamedTuple):
    """The quote's own figures, ``summary.one_off``, in minor units: what the customer signed.

    Not ``given``: the quote came without them, and these are computed from its lines. Where its net and tax do not
    come to its total, ``adds_up`` is false and ``tax`` is as the quote says it.
    """

    net: int
    tax: Decimal
    total: int
    #: What the total differs by because it is rounded to a coin in use.
    cash: int = 0
    adds_up: bool = True
    given: bool = True


class Aside(NamedTuple):
    """What the quote's totals may hold beside the lines: a plan section, or a quote-wide discount left out of them.

    In minor units; ``tax`` is not rounded. Nothing is charged by it, it only explains.
    """

    name: str
    net: int
    tax: Decimal


@dataclass(frozen=True, slots=True)
class InvoicePlan:
    """The whole invoice. ``signed`` is what the customer signed; the rest is what Stripe should come to."""

    currency: str
    lines: tuple[PlanLine, ...]
    rates: Mapping[RateKey, PlannedRate]
    signed: Signed
    notes: tuple[str, ...]
    asides: tuple[Aside, ...] = ()
    #: The same invoice with its signed tax told to Stripe as amounts; None where the signed tax is not explained.
    exact: InvoicePlan | None = None
    #: Whether Tax Rates alone come to the signed tax, each discount one item.
    rates_suffice: bool = True
    #: Whether its taxes are told to Stripe as amounts, and not by Tax Rates.
    has_amounts: bool = False
    #: Whether amounts of the quote were finer than its currency.
    is_rounded: bool = False

    @property
    def signed_total(self) -> int:
        return self.signed.total

    @property
    def items(self) -> int:
        """How many items the invoice needs with Tax Rates: a total that differs needs the rounding line as well."""
        return len(self.lines) + (self.total != self.signed.total)

    @property
    def is_too_small(self) -> bool:
        """Whether Stripe could not charge it: it would call the invoice paid (Stripe page, section 10)."""
        return 0 < self.signed.total < LEAST_PAYMENT.get(self.currency, 0)

    @property
    def fixed_tax(self) -> int:
        """Taxes of a fixed amount, which are lines of their own."""
        return sum(line.amount for line in self.lines if line.kind == "tax")

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def tax(self) -> int:
        return sum(tax.amount for line in self.lines for tax in line.taxes)

    @property
    def total(self) -> int:
        return self.subtotal + self.tax

    @property
    def rounding_bound(self) -> int:
        """What rounding can explain, in *half* minor units: one per line and rate, and one per rate.

        Only where something has to be rounded: a tax that is a whole amount by itself is nobody's to change. Of amounts
        that were rounded themselves, every tax may have been. A quote rounds to amounts that its currency has, which
        may be a multiple of the minor unit.
        """
        unit = multiple(self.currency)
        taxes = [tax for line in self.lines for tax in line.taxes if tax.rate.percentage]
        sums: dict[RateKey, Decimal] = {}
        for tax in taxes:
            sums[tax.rate] = sums.get(tax.rate, Decimal(0)) + tax.exact
        exact = [*(tax.exact for tax in taxes), *sums.values()]
        return unit * sum(1 for amount in exact if amount % unit or (self.is_rounded and amount))

    def sold(self, subtotal: int) -> int:
        """The net in the quote's sense of a subtotal at Stripe.

        Fixed taxes are lines at Stripe, but tax on the quote, unless it counts them in. Which of the two a quote does
        is not documented; either way the same is sold and taxed.
        """
        net = subtotal - self.signed.cash
        return net if self.signed.net == net else net - self.fixed_tax


@dataclass(frozen=True, slots=True)
class NothingToInvoice:
    """Why there is rightly no invoice."""

    reason: str
