"""The parts of a plan: the invoice's lines, its taxes, and the signed figures. Pure; all in minor units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from .money import LEAST_PAYMENT, multiple, tax_on
from .taxes import PlannedRate, RateKey


class LineTax(NamedTuple):
    """The tax of one rate on one line: ``amount`` is the tax on ``base``."""

    rate: RateKey
    base: int
    amount: int

    @property
    def exact(self) -> Decimal:
        """The tax before it is rounded."""
        return self.base * self.rate.percentage / 100


#: The kinds of lines that discounts on the whole quote lower.
NET_KINDS = frozenset({"product", "discount"})


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One item of the invoice. ``key`` is its ``qwoty_line``, unique on the invoice; ``amount`` in minor units."""

    key: str
    description: str
    amount: int
    taxes: tuple[LineTax, ...] = ()
    #: ``product``; ``discount`` of the product before it; ``tax``: a tax of a fixed amount; ``whole``: a discount on
    #: the whole quote; ``cash``: the difference when the total is rounded to a coin.
    kind: str = "product"

    @property
    def rates(self) -> tuple[RateKey, ...]:
        return tuple(tax.rate for tax in self.taxes)


@dataclass(frozen=True, slots=True)
class ExactLine:
    """A line before it is rounded: ``amount`` in minor units, as exact as in the quote."""

    key: str
    description: str
    amount: Decimal
    rates: tuple[RateKey, ...] = ()
    kind: str = "product"
    #: Whether the amount was computed here, because the quote does not have it.
    is_computed: bool = False

    def rounded(self, amount: int) -> PlanLine:
        taxes = (LineTax(rate, amount, tax_on(amount, rate.percentage)) for rate in self.rates)
        return PlanLine(self.key, self.description, amount, tuple(taxes), self.kind)


class Signed(NamedTuple):
    """The figures that the customer signed: the quote's ``summary.one_off``, in minor units.

    If the quote came without them, they are computed from its lines and ``given`` is false. If net and tax do not sum
    to the total, ``adds_up`` is false and ``tax`` is the quote's, not rounded.
    """

    net: int
    tax: Decimal
    total: int
    #: The difference that comes from rounding the total to a coin in use.
    cash: int = 0
    adds_up: bool = True
    given: bool = True


class Aside(NamedTuple):
    """A plan section that the quote's totals may include, or a quote-wide discount that they may leave out.

    It only explains differences and is never charged. In minor units; ``tax`` is not rounded.
    """

    name: str
    net: int
    tax: Decimal


@dataclass(frozen=True, slots=True)
class InvoicePlan:
    """The whole invoice. ``signed`` has the signed figures; the rest is what Stripe should compute."""

    currency: str
    lines: tuple[PlanLine, ...]
    rates: Mapping[RateKey, PlannedRate]
    signed: Signed
    notes: tuple[str, ...]
    asides: tuple[Aside, ...] = ()
    #: The same invoice with the signed tax sent to Stripe as amounts; None if nothing explains the signed tax.
    exact: InvoicePlan | None = None
    #: Whether Tax Rates give the signed tax, with each discount as one item.
    rates_suffice: bool = True
    #: Whether its taxes are sent to Stripe as amounts instead of Tax Rates.
    has_amounts: bool = False
    #: Whether amounts of the quote were finer than its currency.
    is_rounded: bool = False

    @property
    def signed_total(self) -> int:
        return self.signed.total

    @property
    def items(self) -> int:
        """The number of items of the invoice; a rounding line counts if the total differs from the signed total."""
        return len(self.lines) + (self.total != self.signed.total)

    @property
    def is_too_small(self) -> bool:
        """Whether Stripe would mark it paid instead of charging it (docs/notes/stripe.md#states-of-an-invoice)."""
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
        """The largest difference that rounding can explain, counted in *half* minor units.

        Each rounding can cause one half: that of each tax on a line, and that of each rate's sum. Taxes that are whole
        amounts need no rounding and do not count, unless amounts of the quote were rounded: then all taxes count. In a
        currency whose amounts are multiples of several minor units, each rounding counts that many times.
        """
        unit = multiple(self.currency)
        taxes = [tax for line in self.lines for tax in line.taxes if tax.rate.percentage]
        sums: dict[RateKey, Decimal] = {}
        for tax in taxes:
            sums[tax.rate] = sums.get(tax.rate, Decimal(0)) + tax.exact
        exact = [*(tax.exact for tax in taxes), *sums.values()]
        return unit * sum(1 for amount in exact if amount % unit or (self.is_rounded and amount))

    def sold(self, subtotal: int) -> int:
        """Convert a subtotal at Stripe to the quote's net.

        At Stripe, taxes of a fixed amount are lines, so they are part of the subtotal. It is not documented whether a
        quote counts them as net or as tax, so both are accepted.
        """
        net = subtotal - self.signed.cash
        return net if self.signed.net == net else net - self.fixed_tax


@dataclass(frozen=True, slots=True)
class NothingToInvoice:
    """The reason why the quote needs no invoice."""

    reason: str
