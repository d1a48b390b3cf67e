"""Descriptions of the invoice's lines, in the customer's language. Pure."""

from __future__ import annotations

from qwoty_integrations_host import LineItem, Quote

from . import wording

#: Stripe: at most 5000 characters in a description.
_MOST_CHARACTERS = 5000


def line_description(item: LineItem, currency: str) -> str:
    """Return name, quantity, unit and unit price, without the parts that tell the customer nothing."""
    unit = item.product.unit_of_measure or ""
    amount = f"{item.quantity.normalize():f} {unit}".strip()
    if item.pricing.model == "per_unit" and item.pricing.list_price is not None:
        return cut(item.product.name, f" ({amount} × {item.pricing.list_price:f} {currency})")
    return cut(item.product.name, "" if item.quantity == 1 else f" ({amount})")


def discount_label(quote: Quote) -> str:
    say = wording.in_language(wording.INVOICE, quote.language)
    labels = ", ".join(d.label for d in quote.discounts if d.label)
    return cut(say["discount_on"].format(what=labels) if labels else say["discount"])


def discount_description(item: LineItem, language: str) -> str:
    given = item.discount
    tail = ""
    if given and given.type == "percentage" and given.value is not None:
        tail = f" ({given.value.normalize():f}%)"
    name = f"{item.product.name} – {given.label}" if given and given.label else item.product.name
    return cut(wording.in_language(wording.INVOICE, language)["discount_on"].format(what=name), tail)


def cut(text: str, tail: str = "") -> str:
    """Shorten ``text`` at a word so that with ``tail`` it fits Stripe's limit."""
    room = _MOST_CHARACTERS - len(tail)
    return (text if len(text) <= room else text[: room - 1].rsplit(" ", 1)[0] + "…") + tail
