"""Builders of quotes, in which a test sets only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ..contract.quote import Quote
from ..contract.quote_document import load_quote


def vat(rate: str = "20", country: str = "FR", **changes: Any) -> dict[str, Any]:
    tenths = int(Decimal(rate) * 10)
    api_name = f"vat_{country.lower()}_{tenths}"
    tax = {
        "id": f"tax_{api_name}",
        "api_name": api_name,
        "name": f"VAT {rate}%",
        "rate": rate,
        "is_percentage": True,
        "amount": None,
        "country": country,
        "external_ids": {"accounting": None},
    }
    return {**tax, **changes}


def a_line(
    id: str = "l1",  # noqa: A002 - the document's own word
    net: str = "100.00",
    *,
    discount: str = "0.00",
    taxes: list[dict[str, Any]] | None = None,
    name: str = "Consulting",
    **changes: Any,
) -> dict[str, Any]:
    gross = str(Decimal(net) + Decimal(discount))
    line = {
        "id": id,
        "product": {"product_id": f"prod_{id}", "name": name, "unit_of_measure": "unit"},
        "quantity": "1",
        "pricing": {"model": "flat", "list_price": gross, "currency": None},
        "amounts": {"gross": gross, "discount": discount, "net": net},
        "discount": {"type": "amount", "value": discount, "amount": discount} if Decimal(discount) else None,
        "taxes": [vat()] if taxes is None else taxes,
    }
    return {**line, **changes}


def a_quote(
    *lines: dict[str, Any],
    id: str = "q-7",  # noqa: A002 - the document's own word
    currency: str = "EUR",
    total: str | None = None,
    installments: int | list[str] = 0,
    discount: str | None = None,
    contact: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Return a quote with these lines; its tax is computed like Stripe (per line, per rate) unless ``total`` is set."""
    line_items = list(lines) or [a_line()]
    person = {
        "id": "c-1",
        "first_name": "Ana",
        "last_name": "Diaz",
        "email": "ana@buyer.example",
        "role": ["billing"],
    }
    percentages = _equal(installments) if isinstance(installments, int) else installments
    parts = [{"percentage": p, "term": "due_now", "order_number": n} for n, p in enumerate(percentages, 1)]
    net, tax = _totals(line_items, discount)
    tax = tax if total is None else Decimal(total) - net
    quote = {
        "id": id,
        "number": f"N-{id}",
        "status": "accepted",
        "accepted_at": "2026-03-10T09:15:00Z",
        "currency": currency,
        "language": "en",
        "business_unit": {"id": "bu_1", "name": "Seller SAS"},
        "customer": {
            "id": "cust-1",
            "type": "company",
            "name": "Buyer SARL",
            "billing_address": {
                "line1": "2 rue B",
                "city": "Lyon",
                "postal_code": "69001",
                "country_code": "FR",
            },
            "contacts": [{**person, **(contact or {})}],
        },
        "pricing_table": {"sections": [{"id": "s1", "type": "product", "phases": [{"line_items": line_items}]}]},
        "discounts": [{"id": "d1", "label": None, "type": "amount", "value": discount, "amount": discount}]
        if discount
        else [],
        "payment_terms": {"name": "terms", "installments": parts} if parts else None,
        "summary": {"one_off": {"net_amount": str(net), "tax_amount": str(tax), "total_amount": str(net + tax)}},
    }
    return {**quote, **changes}


def _equal(count: int) -> list[str]:
    if not count:
        return []
    share = (Decimal(100) / count).quantize(Decimal("0.01"))
    return [str(share)] * (count - 1) + [str(100 - share * (count - 1))]


def _totals(lines: list[dict[str, Any]], discount: str | None) -> tuple[Decimal, Decimal]:
    net = tax = Decimal(0)
    for line in lines:
        amounts = line.get("amounts") or {"gross": "0", "discount": "0"}
        for part in (Decimal(amounts["gross"]), -Decimal(amounts["discount"])):
            net += part
            tax += sum((_tax(part, t) for t in line["taxes"]), Decimal(0))
    if discount:
        net -= Decimal(discount)
        tax += sum((_tax(-Decimal(discount), t) for t in lines[0]["taxes"]), Decimal(0))
    return net, tax


def _tax(amount: Decimal, tax: dict[str, Any]) -> Decimal:
    if not tax.get("is_percentage", True):
        return Decimal(tax.get("amount") or 0)
    return (amount * Decimal(tax["rate"] or 0) / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


def loaded(document: dict[str, Any], workspace: str = "ws-1") -> Quote:
    """Return the canonical quote, as a plugin receives it."""
    return load_quote(document, workspace_id=workspace, received_at=datetime(2026, 3, 10, tzinfo=UTC))
