"""The methods to send an invoice's taxes to Stripe, the best first. Pure.

``rates`` sends Tax Rates, from which Stripe computes the tax. ``exact`` sends the signed tax as amounts. ``fallback``
sends Tax Rates after Stripe has refused the amounts; then a rounding line makes the total equal (docs/adr/0062).
"""

from __future__ import annotations

from typing import NamedTuple

from .plan import MOST_ITEMS, too_many_items
from .plan_types import InvoicePlan


class TaxMethod(NamedTuple):
    """A plan, and the name of the method by which its taxes are sent."""

    name: str
    plan: InvoicePlan


def tax_methods(plan: InvoicePlan, *, exact_tax: bool) -> list[TaxMethod]:
    """Return the methods to try, in order. Raises: NeedsAttention if the plan has too many items for each."""
    rates, exact = TaxMethod("rates", plan), plan.exact if exact_tax else None
    if exact is None:
        found = [rates]
    else:
        amounts = [TaxMethod("exact", exact), TaxMethod("fallback", plan)]
        found = [rates, *amounts] if plan.rates_suffice else amounts
    fitting = [method for method in found if method.plan.items <= MOST_ITEMS]
    if not fitting:
        raise too_many_items(plan)
    return fitting


def first_method(plan: InvoicePlan, *, exact_tax: bool) -> TaxMethod:
    """Return the method that is tried first. Raises: NeedsAttention as ``tax_methods``."""
    return tax_methods(plan, exact_tax=exact_tax)[0]


def as_made(plan: InvoicePlan, name: str) -> TaxMethod:
    """Return the method with this name, for an invoice that was made by it."""
    return TaxMethod(name, plan.exact if name == "exact" and plan.exact else plan)
