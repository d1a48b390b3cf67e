"""The ways to send an invoice's taxes to Stripe, the best first. Pure.

``rates`` sends Tax Rates, from which Stripe computes the tax. ``exact`` sends the signed tax as amounts. ``fallback``
sends Tax Rates after Stripe has refused the amounts; then a rounding line makes the total equal (docs/adr/0062).
"""

from __future__ import annotations

from typing import NamedTuple

from .plan import MOST_ITEMS, too_many_items
from .plan_types import InvoicePlan


class Way(NamedTuple):
    """A plan, and the name of the way in which its taxes are sent."""

    name: str
    plan: InvoicePlan


def ways(plan: InvoicePlan, *, exact_tax: bool) -> list[Way]:
    """Return the ways to try, in order. Raises: NeedsAttention if the plan has too many items in each of them."""
    rates, exact = Way("rates", plan), plan.exact if exact_tax else None
    if exact is None:
        found = [rates]
    else:
        amounts = [Way("exact", exact), Way("fallback", plan)]
        found = [rates, *amounts] if plan.rates_suffice else amounts
    fitting = [way for way in found if way.plan.items <= MOST_ITEMS]
    if not fitting:
        raise too_many_items(plan)
    return fitting


def first_way(plan: InvoicePlan, *, exact_tax: bool) -> Way:
    """Return the way that is tried first. Raises: NeedsAttention as ``ways``."""
    return ways(plan, exact_tax=exact_tax)[0]


def as_made(plan: InvoicePlan, name: str) -> Way:
    """Return the way with this name, for an invoice that was made in this way."""
    return Way(name, plan.exact if name == "exact" and plan.exact else plan)
