"""In which ways the taxes of an invoice may be told to Stripe, the best first. Pure.

``rates``: by Tax Rates, which Stripe computes with. ``exact``: as the amounts that were signed. ``fallback``: by Tax
Rates where Stripe did not take the amounts; then a rounding line makes the total equal (docs/adr/0062).
"""

from __future__ import annotations

from typing import NamedTuple

from .plan import MOST_ITEMS, too_many_items
from .planned import InvoicePlan


class Way(NamedTuple):
    """A plan, and how its taxes are told."""

    name: str
    plan: InvoicePlan


def ways(plan: InvoicePlan, *, exact_tax: bool) -> list[Way]:
    """The ways to try, one after the other. Raises: NeedsAttention when the invoice has room in none of them."""
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
    """The way that is tried first. Raises: NeedsAttention."""
    return ways(plan, exact_tax=exact_tax)[0]


def as_made(plan: InvoicePlan, name: str) -> Way:
    """The way in which an invoice that is final was made."""
    return Way(name, plan.exact if name == "exact" and plan.exact else plan)
