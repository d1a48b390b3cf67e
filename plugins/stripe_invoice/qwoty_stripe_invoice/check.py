"""The comparison before anything is final: Stripe's figures against the plan and the signed quote. Pure.

Source: Stripe page, section 8 (total check), decided there: equal, or rounding, or a person has to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .money import multiple, shown
from .plan import InvoicePlan

#: The ``qwoty_line`` of the line that makes the total equal; no planned line may have it.
ROUNDING_KEY = "rounding"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``equal``, ``rounding`` (``amount``, in minor units, makes the total equal) or ``different``; why, in words."""

    kind: str
    amount: int = 0
    sentences: tuple[str, ...] = ()


def compare(plan: InvoicePlan, *, subtotal: int, total: int) -> Verdict:
    """Judge figures in minor units, of Stripe's draft or of the plan itself."""
    gap = plan.signed_total - total
    only_tax = plan.adds_up and _nets_agree(plan, subtotal)
    if only_tax and not gap:
        return Verdict("equal")
    sentences = tuple(_explain(plan, subtotal, total))
    if only_tax and abs(gap) * 2 <= _bound(plan) and gap % multiple(plan.currency) == 0:
        return Verdict("rounding", gap, sentences)
    return Verdict("different", gap, sentences)


def _bound(plan: InvoicePlan) -> int:
    """What rounding can explain, in half minor units: one per line and rate, and one per rate.

    A quote rounds to amounts that its currency has, which may be a multiple of the minor unit.
    """
    return (sum(len(line.rates) for line in plan.lines) + len(plan.rates)) * multiple(plan.currency)


def _net(plan: InvoicePlan, subtotal: int) -> int:
    """What was sold: the fixed taxes are lines at Stripe, but tax on the quote."""
    return subtotal - plan.fixed_tax


def _nets_agree(plan: InvoicePlan, subtotal: int) -> bool:
    # A quote without totals was computed from its own lines: then the plan's net is the signed one.
    signed = plan.signed_net if plan.signed_net is not None else _net(plan, plan.subtotal)
    # Whether a quote counts its fixed taxes as goods is not documented: either way the same is sold and taxed.
    return signed in {_net(plan, subtotal), subtotal}


def _explain(plan: InvoicePlan, subtotal: int, total: int) -> Iterable[str]:
    """Say which figures differ and, where it is certain, why; nothing is split by guess."""
    money = plan.currency
    net = _net(plan, subtotal)
    if not plan.adds_up:
        yield "The quote contradicts itself: its net and its tax do not sum to its total."
    if plan.signed_net is not None and net != plan.signed_net:
        gap = plan.signed_net - net
        yield f"Net: the quote says {shown(plan.signed_net, money)}, the lines come to {shown(net, money)}."
        yield _why_nets_differ(plan, gap)
    signed_tax = plan.signed_total - plan.signed_net if plan.signed_net is not None else None
    tax = total - net
    if signed_tax is not None and tax != signed_tax:
        yield f"Tax: the quote says {shown(signed_tax, money)}, line by line it comes to {shown(tax, money)}."


def _why_nets_differ(plan: InvoicePlan, gap: int) -> str:
    money = plan.currency
    if plan.left_out and gap == plan.left_out:
        return f"The plan sections, which are not invoiced, come to just the difference ({shown(gap, money)})."
    if plan.discounts and gap == plan.discounts:
        return f"The quote-wide discounts come to just the difference ({shown(gap, money)})."
    if plan.left_out and plan.discounts and gap == plan.left_out + plan.discounts:
        return "The plan sections and the quote-wide discounts together come to just the difference."
    return f"Neither plan sections nor quote-wide discounts explain the difference of {shown(gap, money)}."


def line_differences(plan: InvoicePlan, lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say how the draft's lines differ from the planned ones: somebody may have changed them by hand."""
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
    found += [f"Missing: {line.description!r} over {shown(line.amount, plan.currency)}." for line in planned.values()]
    return found


def rounding_of(lines: Iterable[Mapping[str, Any]]) -> int:
    """What our rounding line comes to, in minor units; 0 without one."""
    return sum(line["amount"] for line in lines if _key(line) == ROUNDING_KEY)


def in_planned_order(plan: InvoicePlan, lines: Iterable[Mapping[str, Any]]) -> bool:
    """Whether these lines of the draft (Stripe shows the first ten with it) stand in the quote's order."""
    position = {line.key: number for number, line in enumerate(plan.lines)}
    found = [position[_key(line)] for line in lines if _key(line) in position]
    return found == sorted(found)


def _key(line: Mapping[str, Any]) -> str:
    return str((line.get("metadata") or {}).get("qwoty_line", ""))


def _name(line: Mapping[str, Any]) -> str:
    return repr((line.get("description") or "a line")[:80])
