"""The plan: the invoice as it will be, computed from the quote alone. Pure: no network, no clock, no settings.

Everything is in minor units. Stripe's limits: docs/notes/stripe.md#lines-of-an-invoice, #tax-rates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain

from qwoty_integrations_host import LineItem, NeedsAttention, Quote, Section

from . import wording
from .descriptions import cut, discount_description, line_description
from .discounts import as_one, discount_of, discounts_of, folded, global_discount
from .money import exact_tax, in_minor, largest, rounded_to_coin, rounded_to_minor, shown
from .plan_types import NET_KINDS, Aside, ExactLine, InvoicePlan, NothingToInvoice, PlanLine, Signed
from .signed_figures import computed, rounded_to_net, signed_figures
from .signed_tax import exactly
from .taxes import PlannedRate, RateKey, plan_rate, told_apart

#: Qwoty's API says ``standard``, its integration pages say ``product``.
_BILLABLE, _NOT_INVOICED = {"product", "standard"}, {"plan"}
#: Stripe: at most 250 items on an invoice, 5 rates on a line, 20 tax amounts.
MOST_ITEMS, _MOST_RATES, _MOST_TAX_AMOUNTS = 250, 5, 20
#: The keys of our own items; a line of the quote may have such an id.
_OURS = re.compile(r"rounding|cash|discount:\d+|.*:(discount|tax:\d+)", re.DOTALL)


def make_plan(quote: Quote) -> InvoicePlan | NothingToInvoice:
    """Plan the invoice of a quote. Raises: NeedsAttention when a person has to correct the quote first."""
    notes: list[str] = []
    billable = [section for section in quote.sections if section.line_items and _is_billable(section, notes)]
    items = [item for section in billable for item in section.line_items if _is_chosen(item, notes)]
    if not items:
        return NothingToInvoice(" ".join(["Nothing to invoice: the quote has no product lines.", *notes]))
    taxes = _rates_of(items, quote, notes)
    keys = _keys([item.id for item in items])
    exact = [line for item, rates in zip(items, taxes, strict=True) for line in _lines_of(item, keys, quote, rates)]
    signed = signed_figures(quote)
    discounts = discounts_of(quote, exact, signed)
    lines, discount = _rounded(exact, sum(discounts, Decimal(0)), signed, quote)
    if is_rounded := _are_finer(items, quote):
        money = quote.currency
        notes.append(f"Some amounts of the quote are finer than {money} has: they were rounded to come to its net.")
    if quote.prices_hidden:
        notes.append("The quote hides its prices; the invoice shows them.")
    asides = [*_plan_sections(quote), *_discounts_apart(quote, lines, discounts)]

    def assembled(lines: Sequence[PlanLine], *more: str, is_spread_over_all: bool = False) -> InvoicePlan:
        reductions = global_discount(quote, lines, discount, is_spread_over_all=is_spread_over_all)
        figures = signed or computed([*lines, *reductions], quote.currency)
        cash = _cash_rounding(figures, quote.language)
        said = tuple(dict.fromkeys([*notes, *more, *_why_cash(cash)]))
        plan = InvoicePlan(
            quote.currency,
            (*lines, *reductions, *cash),
            _joined(taxes),
            figures,
            said,
            tuple(asides),
            is_rounded=is_rounded,
        )
        plan = _with_signed_tax(plan, (*lines, *as_one(reductions), *cash), len(reductions))
        fits = plan.exact or plan.total == figures.total
        if (
            fits
            or is_spread_over_all
            or not 0 < discount <= sum(line.amount for line in lines if line.kind in NET_KINDS)
        ):
            return plan
        # If a percentage applies to everything, it also lowers the credit for a trade-in.
        other = assembled(lines, *more, is_spread_over_all=True)
        return other if other.exact else plan

    plan = assembled(lines)
    if plan.items > MOST_ITEMS and any(line.kind == "discount" for line in lines):
        without = f"An invoice has room for {MOST_ITEMS} items: the discounts on lines are no items of their own."
        plan = assembled(folded(lines, quote.currency), without)
    _refuse_impossible(plan)
    return plan


def _with_signed_tax(plan: InvoicePlan, lines: Sequence[PlanLine], reductions: int) -> InvoicePlan:
    """Return the plan with its ``exact`` variant, whose taxes are amounts; each has its own notes."""
    exact = exactly(plan, lines)
    if exact is not None:
        exact = _within_limits(replace(exact, notes=(*exact.notes, *_why_exact(plan, reductions))))
    suffices, notes = plan.total == plan.signed.total and reductions <= 1, plan.notes
    if reductions > 1:
        per_set = f"The lines have {reductions} different sets of taxes, so the global discount is one item per set: "
        notes += (per_set + "a single item would reduce the wrong tax.",)
    return replace(plan, notes=notes, exact=exact, rates_suffice=suffices)


def _why_exact(plan: InvoicePlan, reductions: int) -> Iterable[str]:
    money, signed = plan.currency, plan.signed.total - plan.subtotal
    if plan.tax != signed:
        yield (
            f"The tax is the signed one, {shown(signed, money)}: it is given to Stripe as amounts, since by Stripe's "
            f"rounding on every line it would be {shown(plan.tax, money)}."
        )
    if reductions > 1:
        yield "The lines have different taxes: what the global discount takes off each is given to Stripe as an amount."


def _within_limits(exact: InvoicePlan) -> InvoicePlan | None:
    fits = len(exact.lines) <= MOST_ITEMS and all(len(line.taxes) <= _MOST_TAX_AMOUNTS for line in exact.lines)
    return exact if fits else None


def _is_chosen(item: LineItem, notes: list[str]) -> bool:
    if not item.is_chosen:
        notes.append(f"{item.product.name!r} is optional and was not selected: it is not invoiced.")
    return item.is_chosen


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


def _keys(ids: Sequence[str]) -> dict[str, str]:
    """Return a key for each line: its id, with ``:line`` appended if one of our own items could have that key."""
    keys: dict[str, str] = {}
    for line_id in ids:
        key = line_id
        while _OURS.fullmatch(key) or key in keys.values() or (key != line_id and key in ids):
            key += ":line"
        keys[line_id] = key
    return keys


def _lines_of(
    item: LineItem, keys: Mapping[str, str], quote: Quote, rates: Sequence[PlannedRate]
) -> Iterable[ExactLine]:
    key = keys[item.id]
    gross, discount = _gross_and_discount(item, quote.currency)
    # A trade-in is a negative line, and its discount is negative, too.
    if not min(gross, Decimal(0)) <= discount <= max(gross, Decimal(0)):
        is_no = "above its line" if discount > 0 else "no discount on its line"
        raise NeedsAttention(
            f"The discount on {item.product.name!r} ({shown(discount, quote.currency)}) is {is_no} "
            f"({shown(gross, quote.currency)}).",
            hint="Correct the quote in Qwoty and accept it again.",
            code="discount_above_line",
        )
    found = tuple(dict.fromkeys(rate.key for rate in rates))
    if len(found) > _MOST_RATES:
        raise NeedsAttention(
            f"{item.product.name!r} has {len(found)} taxes; Stripe takes {_MOST_RATES} on a line.",
            hint="Correct the quote in Qwoty and accept it again, or invoice it by hand.",
            code="too_many_taxes",
        )
    yield ExactLine(key, line_description(item, quote.currency), gross, found)
    if discount:
        text, is_computed = discount_description(item, quote.language), item.amounts is None
        yield ExactLine(f"{key}:discount", text, -discount, found, "discount", is_computed)
    yield from _fixed_taxes(item, key, quote.currency)


def _gross_and_discount(item: LineItem, currency: str) -> tuple[Decimal, Decimal]:
    """Return the platform's own figures; compute them only if quantity times price is certain to be right."""
    name = item.product.name
    if item.amounts:
        return in_minor(item.amounts.gross, currency), in_minor(item.amounts.discount, currency)
    price, model = item.pricing.list_price, item.pricing.model
    if price is None or model not in {"per_unit", "flat"}:
        raise NeedsAttention(
            f"The amounts of {name!r} are missing, and its pricing model {model!r} does not tell them.",
            hint="The platform has to send gross, discount and net of this line.",
            code="amounts_missing",
        )
    gross = Decimal(rounded_to_minor(price * (item.quantity if model == "per_unit" else 1), currency))
    given = item.discount
    return gross, Decimal(0) if given is None else discount_of(given, gross, currency, f"The discount on {name!r}")


def _rates_of(items: Sequence[LineItem], quote: Quote, notes: list[str]) -> list[tuple[PlannedRate, ...]]:
    """Return the rates of each line's percentage taxes."""
    seller = quote.business_unit.address if quote.business_unit else None
    found = []
    for item in items:
        planned = [plan_rate(tax, seller.country_code if seller else None) for tax in item.taxes if tax.is_percentage]
        notes.extend(note for _, note in planned if note)
        found.append([rate for rate, _ in planned])
    return told_apart(found)


def _joined(lines: Iterable[Iterable[PlannedRate]]) -> dict[RateKey, PlannedRate]:
    """Return every rate once, with all the taxes of the quote that use it."""
    rates: dict[RateKey, PlannedRate] = {}
    for rate in chain.from_iterable(lines):
        rates[rate.key] = rates[rate.key].joined(rate) if rate.key in rates else rate
    return rates


def _fixed_taxes(item: LineItem, key: str, currency: str) -> Iterable[ExactLine]:
    """Return an untaxed line for each tax of a fixed amount, which cannot be a Stripe Tax Rate."""
    for number, tax in enumerate((tax for tax in item.taxes if not tax.is_percentage), start=1):
        name = tax.name or tax.api_name or "Tax"
        if tax.amount is None:
            raise NeedsAttention(
                f"Tax {name!r} is a fixed amount, but the amount is missing.",
                hint="The platform has to send it.",
                code="tax_unclear",
            )
        yield ExactLine(f"{key}:tax:{number}", cut(name), in_minor(tax.amount, currency), kind="tax")


def _rounded(
    exact: Sequence[ExactLine], discount: Decimal, signed: Signed | None, quote: Quote
) -> tuple[list[PlanLine], int]:
    """Return the lines and the global discount in whole minor units, rounded so that they sum to the signed net."""
    currency = quote.currency
    fixed = {line.key: rounded_to_net([line.amount], [], currency)[0] for line in exact if line.kind == "tax"}
    sold = [line for line in exact if line.kind in NET_KINDS]
    given = [*(line.amount for line in sold), -discount]
    nets = [] if signed is None else [signed.net, signed.net - sum(fixed.values())]
    computed = [number for number, line in enumerate(sold) if line.is_computed]
    # A quote-wide percentage may have been rounded on every line.
    parts = len(sold) if any(each.amount is None for each in quote.discounts) else 0
    if parts:
        computed.append(len(sold))
    *rounded, reduction = rounded_to_net(given, nets, currency, computed=computed, parts=parts)
    amounts = iter(rounded)
    lines = [line.rounded(fixed[line.key] if line.kind == "tax" else next(amounts)) for line in exact]
    # A percentage may round to nothing.
    lines = [line for line in lines if line.amount or line.kind != "discount"]
    return lines, -reduction


def _are_finer(items: Sequence[LineItem], quote: Quote) -> bool:
    """Whether the quote has amounts that are finer than its currency; amounts computed here do not count."""
    amounts = [each.amount for each in quote.discounts if each.amount is not None]
    amounts += [amount for item in items if item.amounts for amount in (item.amounts.gross, item.amounts.discount)]
    return any(in_minor(amount, quote.currency) % 1 for amount in amounts)


def _cash_rounding(signed: Signed, language: str) -> list[PlanLine]:
    """Return the untaxed line of a total that is rounded to a coin in use."""
    label = wording.in_language(wording.INVOICE, language)["cash_rounding"]
    return [PlanLine("cash", label, signed.cash, kind="cash")] if signed.cash else []


def _why_cash(cash: Sequence[PlanLine]) -> Iterable[str]:
    if cash:
        yield "The signed total is rounded to a coin in use: the difference is an untaxed line."


# -- what else the totals may include ----------------------------------------------------------------


def _plan_sections(quote: Quote) -> Iterable[Aside]:
    """Return the plan sections whose net can be read from their lines."""
    for section in quote.sections:
        if section.type in _NOT_INVOICED:
            worth = [_worth(item, quote.currency) for item in section.line_items]
            net, tax = sum(net for net, _ in worth), sum((tax for _, tax in worth), Decimal(0))
            if net:
                yield Aside(f"the plan section {_name(section)!r} (not invoiced)", net, tax)


def _worth(item: LineItem, currency: str) -> tuple[int, Decimal]:
    """Return net and tax of a line that is not invoiced. If they are unclear, return 0 so that the quote goes on."""
    try:
        gross, discount = _gross_and_discount(item, currency)
        percent = sum((plan_rate(tax, None)[0].key.percentage for tax in item.taxes if tax.is_percentage), Decimal(0))
        fixed = sum((line.amount for line in _fixed_taxes(item, item.id, currency)), Decimal(0))
    except NeedsAttention:
        return 0, Decimal(0)
    net = rounded_to_coin(gross - discount, currency)
    return net, exact_tax(net, percent) + fixed


def _discounts_apart(quote: Quote, lines: Sequence[PlanLine], amounts: Sequence[Decimal]) -> Iterable[Aside]:
    """Return each quote-wide discount, and the tax on the part of the net that it takes off."""
    whole = sum(line.amount for line in lines if line.kind in NET_KINDS)
    tax = sum((tax.exact for line in lines for tax in line.taxes), Decimal(0))
    for discount, amount in zip(quote.discounts, amounts, strict=True):
        if amount and whole:
            label = f" {discount.label!r}" if discount.label else ""
            coins = rounded_to_coin(amount, quote.currency)
            yield Aside(f"the quote-wide discount{label}", coins, tax * coins / whole)


# -- what cannot be an invoice ----------------------------------------------------------------------


def _refuse_impossible(plan: InvoicePlan) -> None:
    if plan.signed_total < 0:
        raise NeedsAttention(
            f"The quote's total is negative ({shown(plan.signed_total, plan.currency)}).",
            hint="A credit note is not an invoice: handle this quote by hand.",
            code="total_negative",
        )
    if max(plan.signed_total, plan.total) > largest(plan.currency):
        raise NeedsAttention(
            f"The quote's total ({shown(plan.signed_total, plan.currency)}) is above what Stripe takes.",
            hint="Split the quote, or invoice it by hand.",
            code="amount_too_large",
        )
    if plan.items > MOST_ITEMS and plan.exact is None:
        raise too_many_items(plan)


def too_many_items(plan: InvoicePlan) -> NeedsAttention:
    """Return the error of a plan with more items than an invoice may have."""
    items = plan.items if len(plan.lines) == MOST_ITEMS else len(plan.lines)
    with_rounding = ", the rounding line included" if items > len(plan.lines) else ""
    return NeedsAttention(
        f"The invoice would have {items} items{with_rounding}; Stripe takes {MOST_ITEMS}.",
        hint="Split the quote in Qwoty and accept its parts.",
        code="too_many_lines",
    )
