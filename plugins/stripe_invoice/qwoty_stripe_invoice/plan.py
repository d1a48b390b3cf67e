"""The plan: the invoice as it will be, computed from the quote alone. Pure: no network, no clock, no settings.

Everything is in minor units. Sources: Qwoty page sections 6 and 7, Stripe page sections 8, 9 and 17.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from qwoty_integrations_host import LineItem, NeedsAttention, Quote, Section

from . import words
from .money import (
    LEAST_PAYMENT,
    decimals,
    exact_tax,
    multiple,
    rounded_to_coin,
    rounded_to_minor,
    shown,
    split,
    tax_on,
    to_major,
    to_minor,
)
from .taxes import PlannedRate, RateKey, plan_rate, told_apart

#: ``standard`` is the word of Qwoty's API, ``product`` that of its integration pages.
_BILLABLE, _NOT_INVOICED = {"product", "standard"}, {"plan"}
#: Stripe: at most 250 items on an invoice, 5000 characters in a description, 5 rates on a line.
_MOST_ITEMS, _MOST_CHARACTERS, _MOST_RATES = 250, 5000, 5
_MOST_MINOR = 99_999_999


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One item of the invoice. ``key`` is its ``qwoty_line``, unique on the invoice; ``amount`` in minor units."""

    key: str
    description: str
    amount: int
    rates: tuple[RateKey, ...] = ()
    #: A fixed tax is nothing that was sold: no global discount is spread over it.
    is_tax: bool = False


class Signed(NamedTuple):
    """The quote's own figures, ``summary.one_off``, in minor units; its tax may be finer than the currency."""

    net: int
    tax: Decimal
    total: int


class Aside(NamedTuple):
    """What the quote's totals may hold beside the lines: a plan section, or a quote-wide discount left out of them.

    In minor units; ``tax`` is not rounded. Nothing is charged by it, it only explains.
    """

    name: str
    net: int
    tax: Decimal


@dataclass(frozen=True, slots=True)
class InvoicePlan:
    """The whole invoice. ``signed`` is what the customer signed; the others are what Stripe should compute."""

    currency: str
    lines: tuple[PlanLine, ...]
    rates: Mapping[RateKey, PlannedRate]
    signed: Signed
    notes: tuple[str, ...]
    asides: tuple[Aside, ...] = ()

    @property
    def signed_total(self) -> int:
        return self.signed.total

    @property
    def is_too_small(self) -> bool:
        """Whether Stripe could not charge it: it would call the invoice paid (Stripe page, section 10)."""
        return 0 < self.signed.total < LEAST_PAYMENT.get(self.currency, 0)

    @property
    def adds_up(self) -> bool:
        """Whether the quote's own figures agree with each other."""
        # A tax that is finer than the currency leaves less than a coin; anything else is a contradiction.
        return abs(self.signed.net + self.signed.tax - self.signed.total) < multiple(self.currency)

    @property
    def fixed_tax(self) -> int:
        """Taxes of a fixed amount, which are lines of their own."""
        return sum(line.amount for line in self.lines if line.is_tax)

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def tax(self) -> int:
        return sum(tax_on(line.amount, rate.percentage) for line in self.lines for rate in line.rates)

    @property
    def total(self) -> int:
        return self.subtotal + self.tax


@dataclass(frozen=True, slots=True)
class NothingToInvoice:
    """Why there is rightly no invoice."""

    reason: str


def make_plan(quote: Quote) -> InvoicePlan | NothingToInvoice:
    """Plan the invoice of a quote. Raises: NeedsAttention when a person has to correct the quote first."""
    notes: list[str] = []
    billable = [section for section in quote.sections if _is_billable(section, notes)]
    items = [item for section in billable for item in section.line_items]
    if not items:
        return NothingToInvoice(" ".join(["Nothing to invoice: the quote has no product lines.", *notes]))
    taxes = _rates_of(items, quote, notes)
    lines = [line for item, rates in zip(items, taxes, strict=True) for line in _lines_of(item, quote, rates)]
    reductions = _global_discount(quote, lines, notes)
    lines += reductions
    if quote.prices_hidden:
        notes.append("The quote hides its prices; the invoice shows them.")
    signed = _signed(quote, lines, notes)
    asides = [*_plan_sections(quote), *_discounts_apart(quote, reductions)]
    plan = InvoicePlan(quote.currency, tuple(lines), _joined(taxes), signed, tuple(dict.fromkeys(notes)), tuple(asides))
    _refuse_impossible(plan)
    return plan


def _is_billable(section: Section, notes: list[str]) -> bool:
    if section.type in _BILLABLE:
        return True
    name = _name(section)
    if section.type in _NOT_INVOICED:
        notes.append(f"Section {name!r} is a plan; plans are not invoiced by this integration.")
        return False
    raise NeedsAttention(
        f"Section {name!r} has the unknown type {section.type!r}.",
        hint="Only product (standard) and plan sections are known; nothing was invoiced.",
        code="section_type_unknown",
    )


def _name(section: Section) -> str:
    return section.name or section.id or section.type


# -- lines ------------------------------------------------------------------------------------------


def _lines_of(item: LineItem, quote: Quote, rates: Sequence[PlannedRate]) -> Iterable[PlanLine]:
    gross, discount = _gross_and_discount(item, quote.currency)
    if discount < 0 or discount > max(gross, 0):
        raise NeedsAttention(
            f"The discount on {item.product.name!r} ({shown(discount, quote.currency)}) is above its line "
            f"({shown(gross, quote.currency)}).",
            hint="Correct the quote in Qwoty.",
            code="discount_above_line",
        )
    keys = tuple(dict.fromkeys(rate.key for rate in rates))
    if len(keys) > _MOST_RATES:
        raise NeedsAttention(
            f"{item.product.name!r} has {len(keys)} taxes; Stripe takes {_MOST_RATES} on a line.",
            code="too_many_taxes",
        )
    yield PlanLine(item.id, _description(item, quote.currency), gross, keys)
    if discount:
        yield PlanLine(f"{item.id}:discount", _discount_description(item, quote.language), -discount, keys)
    yield from _fixed_taxes(item, quote.currency)


def _gross_and_discount(item: LineItem, currency: str) -> tuple[int, int]:
    """The platform's own figures win; computed only where quantity times price is certain to be the price."""
    name = item.product.name
    if item.amounts:
        return to_minor(item.amounts.gross, currency, name), to_minor(item.amounts.discount, currency, name)
    price, model = item.pricing.list_price, item.pricing.model
    if price is None or model not in {"per_unit", "flat"}:
        raise NeedsAttention(
            f"The amounts of {name!r} are missing, and its pricing model {model!r} does not tell them.",
            hint="The platform has to send gross, discount and net of this line.",
            code="amounts_missing",
        )
    gross = rounded_to_minor(price * (item.quantity if model == "per_unit" else 1), currency)
    return gross, _discount(item, gross, currency)


def _discount(item: LineItem, gross: int, currency: str) -> int:
    given = item.discount
    if given is None:
        return 0
    if given.amount is not None:
        return to_minor(given.amount, currency, f"Discount on {item.product.name}")
    if given.type == "percentage" and given.value is not None:
        return rounded_to_minor(to_major(gross, currency) * given.value / 100, currency)
    return to_minor(given.value or Decimal(0), currency, f"Discount on {item.product.name}")


def _rates_of(items: Sequence[LineItem], quote: Quote, notes: list[str]) -> list[tuple[PlannedRate, ...]]:
    """The rates of each line's percentage taxes."""
    seller = quote.business_unit.address if quote.business_unit else None
    found = []
    for item in items:
        planned = [plan_rate(tax, seller.country_code if seller else None) for tax in item.taxes if tax.is_percentage]
        notes.extend(note for _, note in planned if note)
        found.append([rate for rate, _ in planned])
    return told_apart(found)


def _joined(lines: Iterable[Iterable[PlannedRate]]) -> dict[RateKey, PlannedRate]:
    """Every rate once, with all the quote's taxes behind it."""
    rates: dict[RateKey, PlannedRate] = {}
    for rate in chain.from_iterable(lines):
        rates[rate.key] = rates[rate.key].joined(rate) if rate.key in rates else rate
    return rates


def _fixed_taxes(item: LineItem, currency: str) -> Iterable[PlanLine]:
    """A tax of a fixed amount cannot be a Stripe Tax Rate: it becomes an untaxed line of its own."""
    for number, tax in enumerate((tax for tax in item.taxes if not tax.is_percentage), start=1):
        name = tax.name or tax.api_name or "Tax"
        if tax.amount is None:
            raise NeedsAttention(
                f"Tax {name!r} is a fixed amount, but the amount is missing.",
                hint="The platform has to send it.",
                code="tax_unclear",
            )
        yield PlanLine(f"{item.id}:tax:{number}", _cut(name), to_minor(tax.amount, currency, name), is_tax=True)


def _global_discount(quote: Quote, lines: Sequence[PlanLine], notes: list[str]) -> list[PlanLine]:
    """One negative item when all lines share one set of taxes, else one per set (docs/adr/0006)."""
    total = _all_discounts(quote)
    if not total:
        return []
    nets: dict[frozenset[RateKey], int] = {}
    order: dict[frozenset[RateKey], tuple[RateKey, ...]] = {}
    for line in lines:
        if not line.is_tax:
            taxes = frozenset(line.rates)
            nets[taxes] = nets.get(taxes, 0) + line.amount
            order.setdefault(taxes, line.rates)
    groups = {order[taxes]: net for taxes, net in nets.items() if net > 0}
    if total > sum(groups.values()):
        raise NeedsAttention(
            f"The quote's discounts ({shown(total, quote.currency)}) are above its lines.",
            hint="Correct the quote in Qwoty.",
            code="discount_above_total",
        )
    if len(groups) > 1:
        notes.append(
            f"The lines have {len(groups)} different sets of taxes, so the global discount is one item per set: "
            "a single item would reduce the wrong tax."
        )
    label = _discount_label(quote)
    shares = zip(groups, split(total, list(groups.values()), quote.currency), strict=True)
    return [
        PlanLine(f"discount:{number}", label, -share, rates)
        for number, (rates, share) in enumerate(((rates, share) for rates, share in shares if share), start=1)
    ]


def _all_discounts(quote: Quote) -> int:
    return sum(to_minor(d.amount or Decimal(0), quote.currency, d.label or "Discount") for d in quote.discounts)


def _discount_label(quote: Quote) -> str:
    say = words.of(words.INVOICE, quote.language)
    labels = ", ".join(d.label for d in quote.discounts if d.label)
    return _cut(say["discount_on"].format(what=labels) if labels else say["discount"])


def _description(item: LineItem, currency: str) -> str:
    """Name, quantity, unit and unit price, as far as they say something."""
    unit = item.product.unit_of_measure or ""
    amount = f"{item.quantity.normalize():f} {unit}".strip()
    if item.pricing.model == "per_unit" and item.pricing.list_price is not None:
        return _cut(item.product.name, f" ({amount} × {item.pricing.list_price:f} {currency})")
    return _cut(item.product.name, "" if item.quantity == 1 else f" ({amount})")


def _discount_description(item: LineItem, language: str) -> str:
    given = item.discount
    tail = ""
    if given and given.type == "percentage" and given.value is not None:
        tail = f" ({given.value.normalize():f}%)"
    name = f"{item.product.name} – {given.label}" if given and given.label else item.product.name
    return _cut(words.of(words.INVOICE, language)["discount_on"].format(what=name), tail)


def _cut(text: str, tail: str = "") -> str:
    """Shorten to what Stripe takes, at a word; the tail stays whole."""
    room = _MOST_CHARACTERS - len(tail)
    return (text if len(text) <= room else text[: room - 1].rsplit(" ", 1)[0] + "…") + tail


# -- totals -----------------------------------------------------------------------------------------


def _signed(quote: Quote, lines: Sequence[PlanLine], notes: list[str]) -> Signed:
    money = quote.currency
    if quote.totals:
        net = to_minor(quote.totals.net_amount, money, "The quote's net")
        total = to_minor(quote.totals.total_amount, money, "The quote's total")
        tax = quote.totals.tax_amount.scaleb(decimals(money))
        return Signed(net, tax if tax % 1 else Decimal(int(tax)), total)
    notes.append("The quote came without totals; they were computed from its lines.")
    nets: dict[RateKey, int] = {}
    for line in lines:
        for rate in line.rates:
            nets[rate] = nets.get(rate, 0) + line.amount
    taxes = (rounded_to_coin(exact_tax(net, rate.percentage), money) for rate, net in nets.items())
    computed = sum(taxes) + sum(line.amount for line in lines if line.is_tax)
    net = sum(line.amount for line in lines if not line.is_tax)
    return Signed(net, Decimal(computed), net + computed)


def _plan_sections(quote: Quote) -> Iterable[Aside]:
    """The plan sections, as far as their lines tell what they come to."""
    for section in quote.sections:
        if section.type in _NOT_INVOICED:
            worth = [_worth(item, quote.currency) for item in section.line_items]
            net, tax = sum(net for net, _ in worth), sum((tax for _, tax in worth), Decimal(0))
            if net:
                yield Aside(f"the plan section {_name(section)!r} (not invoiced)", net, tax)


def _worth(item: LineItem, currency: str) -> tuple[int, Decimal]:
    """Net and tax of a line that is not invoiced: whatever is unclear about it must stop nobody."""
    try:
        gross, discount = _gross_and_discount(item, currency)
        percent = sum((plan_rate(tax, None)[0].key.percentage for tax in item.taxes if tax.is_percentage), Decimal(0))
        fixed = sum(line.amount for line in _fixed_taxes(item, currency))
    except NeedsAttention:
        return 0, Decimal(0)
    return gross - discount, exact_tax(gross - discount, percent) + fixed


def _discounts_apart(quote: Quote, reductions: Sequence[PlanLine]) -> Iterable[Aside]:
    """Each quote-wide discount with its share of the tax that all of them take off."""
    whole = _all_discounts(quote)
    taxes = (exact_tax(-line.amount, rate.percentage) for line in reductions for rate in line.rates)
    tax = sum(taxes, Decimal(0))
    for discount in quote.discounts:
        amount = to_minor(discount.amount or Decimal(0), quote.currency, "Discount")
        if amount:
            label = f" {discount.label!r}" if discount.label else ""
            yield Aside(f"the quote-wide discount{label}", amount, tax * amount / whole)


def _refuse_impossible(plan: InvoicePlan) -> None:
    if plan.signed_total < 0:
        raise NeedsAttention(
            f"The quote's total is negative ({shown(plan.signed_total, plan.currency)}).",
            hint="A credit note is not an invoice: handle this quote by hand.",
            code="total_negative",
        )
    if max(plan.signed_total, plan.total) > _MOST_MINOR:
        raise NeedsAttention(
            f"The quote's total ({shown(plan.signed_total, plan.currency)}) is above what Stripe takes.",
            code="amount_too_large",
        )
    if len({line.key for line in plan.lines}) < len(plan.lines):
        raise NeedsAttention(
            "Two items of the invoice would have the same key, because a line's id looks like one of ours.",
            hint="Line ids must not end in ':discount' or ':tax:1', nor look like 'discount:1'.",
            code="line_ids_clash",
        )
    # A total that differs may need the rounding line as well.
    items = len(plan.lines) + (plan.total != plan.signed_total)
    with_rounding = ", the rounding line included" if items > len(plan.lines) else ""
    if items > _MOST_ITEMS:
        raise NeedsAttention(
            f"The invoice would have {items} items{with_rounding}; Stripe takes {_MOST_ITEMS}.",
            hint="Split the quote.",
            code="too_many_lines",
        )
