"""The sums of an invoice, worked out anew whenever its lines change."""

from __future__ import annotations

from stripe_simulator.state import Call, Item, Json
from stripe_simulator.tax_rates import amount_with, summed, taxes_of


def rates_of(call: Call, item: Item, invoice: Json) -> list[str]:
    """A line's own rates replace the invoice's default ones; an exempt customer pays none."""
    exempt = invoice["customer_tax_exempt"] in ("exempt", "reverse")
    if exempt and call.config.tax_exempt_zeroes_manual_rates:
        return []
    if item.tax_rates is not None:
        return item.tax_rates
    return [rate["id"] for rate in invoice["default_tax_rates"]]


def refresh(call: Call, invoice: Json) -> None:
    """Sum up a draft: tax per line and per rate is rounded first and added afterwards."""
    items = [call.state.items[item_id] for item_id in call.state.invoice_items[invoice["id"]]]
    taxes = [
        tax
        for item in items
        for tax in taxes_of(call.state, item.amount, rates_of(call, item, invoice), call.config.rounding)
    ]
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
