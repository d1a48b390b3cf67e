"""The quotes that are measured: any number of lines, four installments, figures that Stripe computes the same."""

from __future__ import annotations

from typing import Any

KEY = "sk_test_51BenchmarkKey0001"
DRAFT: dict[str, Any] = {"workspace_api_token": KEY, "invoice_status": "draft"}
LINK: dict[str, Any] = {"workspace_api_token": KEY, "invoice_status": "open", "send_payment_link": True}
_VAT = {
    "id": "tax_vat_20",
    "api_name": "vat_fr_200",
    "name": "VAT 20%",
    "rate": "20",
    "is_percentage": True,
    "amount": None,
    "country": "FR",
    "external_ids": {"accounting": None},
}


def a_quote(quote_id: str, *, lines: int = 20, contact: str = "c-1") -> dict[str, Any]:
    """An accepted quote of lines at 100.00 EUR with 20 % VAT, to be paid in four parts."""
    net, tax = 100 * lines, 20 * lines
    parts = [{"percentage": "25", "term": "due_now", "order_number": number} for number in range(1, 5)]
    return {
        "id": quote_id,
        "number": f"N-{quote_id}",
        "status": "accepted",
        "accepted_at": "2026-03-10T09:15:00Z",
        "currency": "EUR",
        "language": "en",
        "business_unit": {"id": "bu_1", "name": "Seller SAS"},
        "customer": {
            "id": f"of-{contact}",
            "type": "company",
            "name": "Buyer SARL",
            "billing_address": {"line1": "2 rue B", "city": "Lyon", "postal_code": "69001", "country_code": "FR"},
            "contacts": [_person(contact)],
        },
        "pricing_table": {
            "sections": [
                {"id": "s1", "type": "product", "phases": [{"line_items": [_line(n) for n in range(1, lines + 1)]}]}
            ]
        },
        "discounts": [],
        "payment_terms": {"name": "four parts", "installments": parts},
        "summary": {
            "one_off": {"net_amount": f"{net}.00", "tax_amount": f"{tax}.00", "total_amount": f"{net + tax}.00"}
        },
    }


def _person(contact: str) -> dict[str, Any]:
    return {
        "id": contact,
        "first_name": "Ana",
        "last_name": "Diaz",
        "email": f"{contact}@buyer.example",
        "role": ["billing"],
    }


def _line(number: int) -> dict[str, Any]:
    return {
        "id": f"line_{number:03d}",
        "product": {"product_id": f"prod_{number}", "name": f"Consulting, part {number}", "unit_of_measure": "unit"},
        "quantity": "1",
        "pricing": {"model": "flat", "list_price": "100.00", "currency": None},
        "amounts": {"gross": "100.00", "discount": "0.00", "net": "100.00"},
        "discount": None,
        "taxes": [_VAT],
    }
