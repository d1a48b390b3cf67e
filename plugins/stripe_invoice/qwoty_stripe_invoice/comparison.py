"""Compare Stripe's figures with the plan and the signed quote, before the invoice becomes final. Pure.

The figures are equal, or differ by rounding, or a person has to look at them (docs/notes/stripe.md#rounding-of-taxes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .explain import explain
from .money import shown
from .plan_types import InvoicePlan, PlanLine
from .signed_tax import is_rounding
from .taxes import RateKey

#: The ``qwoty_line`` of the rounding line; no planned line may have it.
ROUNDING_KEY = "rounding"
#: Stripe's ``tax_exempt`` values of customers who pay no tax.
_EXEMPT = {"exempt", "reverse"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the comparison: ``equal``, ``rounding`` or ``different``, with ``sentences`` that say why.

    ``amount`` is the amount to add to the total to make it equal, in minor units.
    """

    kind: str
    amount: int = 0
    sentences: tuple[str, ...] = ()
    #: Whether the customer is tax-exempt at Stripe, so that there is no tax in whichever way the taxes are sent.
    is_exempt: bool = False


def compare(plan: InvoicePlan, *, subtotal: int, total: int, tax_exempt: str | None = None) -> Verdict:
    """Compare a subtotal and a total, in minor units, with the plan; they may come from Stripe or from the plan itself.

    ``tax_exempt`` is that field of the Stripe customer (``none``, ``exempt`` or ``reverse``); None if it is not known.
    """
    gap = plan.signed.total - total
    sentences = tuple(explain(plan, subtotal=subtotal, total=total))
    exempted = tax_exempt in _EXEMPT and total == subtotal and plan.tax != 0
    if exempted:
        sentences = (f"The customer is tax-exempt in Stripe ({tax_exempt}), so no tax is added there.", *sentences)
    if exempted or not plan.signed.adds_up or plan.sold(subtotal) != plan.signed.net:
        return Verdict("different", gap, sentences, is_exempt=exempted)
    if not gap:
        return Verdict("equal", sentences=sentences)
    # A rounding line may have any amount: only the total has to be chargeable, and the signed total is.
    return Verdict("rounding" if is_rounding(plan, total) else "different", gap, sentences)


def line_differences(
    plan: InvoicePlan, lines: Iterable[Mapping[str, Any]], rates: Mapping[RateKey, str], *, taxes: bool = True
) -> list[str]:
    """Say how the draft's lines differ from the planned ones: somebody may have changed them by hand.

    ``rates``: the Tax Rate ids that were resolved for the plan. With ``taxes=False`` taxes are not compared.
    """
    planned = {line.key: line for line in plan.lines}
    found: list[str] = []
    for line in lines:
        key = _key(line)
        if key == ROUNDING_KEY:
            continue
        mine = planned.pop(key, None)
        if mine is None:
            found.append(f"Not ours: {_name(line)} over {shown(line['amount'], plan.currency)}.")
        elif mine.amount != line["amount"]:
            wanted, there = shown(mine.amount, plan.currency), shown(line["amount"], plan.currency)
            found.append(f"Changed: {_name(line)} is {there}, planned was {wanted}.")
        elif taxes and _has_other_taxes(plan, mine, line, rates):
            found.append(f"Changed: {_name(line)} has other taxes than planned.")
    found += [f"Missing: {line.description!r} over {shown(line.amount, plan.currency)}." for line in planned.values()]
    return found


def rounding_of(lines: Iterable[Mapping[str, Any]]) -> int:
    """Return the amount of our rounding line, in minor units; 0 without one."""
    return sum(line["amount"] for line in lines if _key(line) == ROUNDING_KEY)


def in_planned_order(plan: InvoicePlan, lines: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the lines that Stripe shows with the draft, ten at most, are in the quote's order."""
    position = {line.key: number for number, line in enumerate(plan.lines)}
    found = [position[_key(line)] for line in lines if _key(line) in position]
    return found == sorted(found)


def _key(line: Mapping[str, Any]) -> str:
    return str((line.get("metadata") or {}).get("qwoty_line", ""))


def _has_other_taxes(
    plan: InvoicePlan, planned: PlanLine, line: Mapping[str, Any], rates: Mapping[RateKey, str]
) -> bool:
    there = line["taxes"] or ()
    if plan.has_amounts:  # Stripe made Tax Rates of its own for them, so only the amounts can be compared
        return sorted(tax["amount"] for tax in there) != sorted(tax.amount for tax in planned.taxes)
    # Do not report missing taxes here. An exempt customer has no taxes; for any other customer, the total is different.
    found = {tax["tax_rate_details"]["tax_rate"] for tax in there if tax.get("tax_rate_details")}
    return bool(found - {rates[rate] for rate in planned.rates})


def _name(line: Mapping[str, Any]) -> str:
    return repr((line.get("description") or "a line")[:80])
