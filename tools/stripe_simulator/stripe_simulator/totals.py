"""The totals of an invoice, computed again whenever its lines change."""

from __future__ import annotations

from stripe_simulator import tax_amounts
from stripe_simulator.state import Call, Item, Json, items_of
from stripe_simulator.tax_rates import amount_with, summed, taxes_of


def taxes_on(call: Call, item: Item, invoice: Json) -> list[Json]:
    """Given amounts stand; a line's own rates replace the invoice's default ones; an exempt customer pays none."""
    exempt = invoice["customer_tax_exempt"] in ("exempt", "reverse")
    if exempt and call.config.tax_exempt_zeroes_manual_rates:
        return []
    if item.tax_amounts:
        return tax_amounts.taxes_of(call.state, item)
    default = [rate["id"] for rate in invoice["default_tax_rates"]]
    rate_ids = default if item.tax_rates is None else item.tax_rates
    return taxes_of(call.state, item.amount, rate_ids, call.config.rounding)


def refresh(call: Call, invoice: Json) -> None:
    """Sum up a draft: tax per line and per rate is rounded first and added afterwards."""
    items = items_of(call.state, invoice)
    taxes = [tax for item in items for tax in taxes_on(call, item, invoice)]
    subtotal = sum(item.amount for item in items)
    on_top, included = amount_with(taxes, "exclusive"), amount_with(taxes, "inclusive")
    invoice["subtotal"] = subtotal
    invoice["subtotal_excluding_tax"] = subtotal - included
    invoice["total"] = subtotal + on_top
    invoice["total_excluding_tax"] = subtotal - included
    invoice["total_taxes"] = summed(taxes)
    set_due(invoice, max(invoice["total"], 0))


def set_due(invoice: Json, amount_due: int) -> None:
    invoice["amount_due"] = amount_due
    invoice["amount_remaining"] = amount_due - invoice["amount_paid"]
