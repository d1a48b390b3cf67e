"""What a user would pick instead: a straightforward stripe-python script that makes one item per call.

It is quick to write and has no memory: run twice it invoices twice, and a crash leaves what it had made. It is here to
be measured beside the host.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import stripe


def invoice_quote(client: stripe.StripeClient, quote: dict[str, Any], *, finalize: bool) -> str:
    """Customer, tax rate, invoice, one item per line; with ``finalize`` also a payment link. Gives the invoice's id."""
    v1 = client.v1
    person = quote["customer"]["contacts"][0]
    known = v1.customers.list(params={"email": person["email"], "limit": 1}).data
    customer = (
        known[0] if known else v1.customers.create(params={"email": person["email"], "name": person["last_name"]})
    )
    rates = v1.tax_rates.list(params={"active": True, "limit": 100}).data
    rate = next((r for r in rates if r.percentage == 20.0), None) or v1.tax_rates.create(
        params={"display_name": "VAT", "inclusive": False, "percentage": 20.0}
    )
    invoice = v1.invoices.create(
        params={
            "customer": customer.id,
            "currency": "eur",
            "collection_method": "send_invoice",
            "days_until_due": 30,
            "auto_advance": False,
        }
    )
    for line in quote["pricing_table"]["sections"][0]["phases"][0]["line_items"]:
        v1.invoice_items.create(
            params={
                "customer": customer.id,
                "invoice": invoice.id,
                "amount": int(Decimal(line["amounts"]["net"]) * 100),
                "currency": "eur",
                "description": line["product"]["name"],
                "tax_rates": [rate.id],
            }
        )
    if finalize:
        final = v1.invoices.finalize_invoice(invoice.id)
        _link(client, customer.id, final, share=4)
    return str(invoice.id)


def _link(client: stripe.StripeClient, customer: str, invoice: stripe.Invoice, *, share: int) -> None:
    price = {
        "currency": "eur",
        "unit_amount": invoice.total // share,
        "product_data": {"name": f"{invoice.number} 1/4"},
    }
    client.v1.checkout.sessions.create(
        params={  # type: ignore[arg-type, typeddict-item]
            "mode": "payment",
            "customer": customer,
            "line_items": [{"quantity": 1, "price_data": price}],
            "success_url": "https://shop.example/paid",
        }
    )


def a_client(key: str, url: str) -> stripe.StripeClient:
    """A client as the SDK's page shows it, pointed at ``url``; it trusts the simulator's certificate."""
    stripe.ca_bundle_path = os.environ.get("SSL_CERT_FILE", stripe.ca_bundle_path)
    return stripe.StripeClient(key, base_addresses={"api": url})
