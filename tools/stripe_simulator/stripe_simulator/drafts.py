"""Drafts of invoices: the empty object, its customer, and its parameters."""

from __future__ import annotations

import copy
from typing import Any

from stripe_simulator.errors import bad_request
from stripe_simulator.ids import new_id
from stripe_simulator.metadata import check_length, merged
from stripe_simulator.money import checked_currency
from stripe_simulator.state import Call, Json, items_of
from stripe_simulator.tax_rates import usable

LIMITS = {"description": 1500, "footer": 5000, "number": 26, "statement_descriptor": 22}
DAY = 86_400


def blank_invoice(call: Call, customer: Json) -> Json:
    now = call.now()
    return {
        "id": new_id("in"),
        "object": "invoice",
        "account_country": "FR",
        "account_name": "Stripe simulator",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": now,
        "currency": "",
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": call.state.livemode,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def customer_id(params: Json) -> str:
    if not params.get("customer"):
        raise bad_request("Missing required param: customer.", code="parameter_missing", param="customer")
    return str(params["customer"])


def currency_of(call: Call, customer: Json) -> str:
    currency = checked_currency(call.params.get("currency") or customer["currency"] or call.config.default_currency)
    if call.config.refuse_other_currency_than_customers and customer["currency"] not in (None, currency):
        raise bad_request(
            "You cannot combine currencies on a single customer. "
            f"This customer has had an invoice with currency {customer['currency']}.",
            param="currency",
        )
    return currency


def copy_customer(invoice: Json, customer: Json) -> None:
    for name in ("address", "email", "name", "phone", "shipping", "tax_exempt"):
        invoice[f"customer_{name}"] = copy.deepcopy(customer[name])


def require_email(customer: Json) -> None:
    if not customer["email"]:
        raise bad_request(
            "Missing email. In order to create invoices that are sent to the customer, "
            "the customer must have a valid email."
        )


def apply(call: Call, invoice: Json) -> None:
    """Apply the parameters of create or update to a draft; if one is refused, nothing changes."""
    params = call.params
    _check(params, params.get("collection_method") or invoice["collection_method"])
    new_metadata = merged(invoice["metadata"], params.get("metadata"))
    default_rates = usable(call, params.get("default_tax_rates") or [], param="default_tax_rates")
    if default_rates and any(item.tax_amounts for item in items_of(call.state, invoice)):
        raise bad_request("You cannot set default tax rates if a line item has tax amounts.", param="default_tax_rates")
    for name in ("auto_advance", "collection_method", "description", "footer", "effective_at", "statement_descriptor"):
        if name in params:
            invoice[name] = None if params[name] == "" else params[name]
    if "custom_fields" in params:
        invoice["custom_fields"] = params["custom_fields"] or None
    if "rendering" in params:
        invoice["rendering"] = _rendering(params["rendering"])
    if "default_tax_rates" in params:
        invoice["default_tax_rates"] = [call.state.tax_rates[rate_id] for rate_id in default_rates]
    if params.get("number"):
        invoice["number"] = params["number"]
    _set_due_date(call, invoice)
    invoice["metadata"] = new_metadata


def _check(params: Json, collection_method: str) -> None:
    check_length(params, LIMITS)
    for name in ("days_until_due", "due_date"):
        if params.get(name) and collection_method != "send_invoice":
            raise bad_request(f"{name} is only valid with collection_method=send_invoice.", param=name)
    if "days_until_due" in params and "due_date" in params:
        raise bad_request("You may only specify one of: days_until_due, due_date.", param="due_date")
    if params.get("automatic_tax", {}).get("enabled"):
        raise bad_request("The simulator does not model automatic tax.", param="automatic_tax[enabled]")
    _check_custom_fields(params.get("custom_fields") or [])
    _check_discounts(params.get("discounts") or [])


def _check_custom_fields(given: list[Json]) -> None:
    if len(given) > 4:
        raise bad_request("At most 4 custom fields.", param="custom_fields")
    for number, custom in enumerate(given):
        for name, limit in (("name", 40), ("value", 140)):
            if len(custom[name]) > limit:
                raise bad_request(f"At most {limit} characters.", param=f"custom_fields[{number}][{name}]")


def _check_discounts(given: list[Json]) -> None:
    for number, discount in enumerate(given):
        name, value = next(iter(discount.items()))
        raise bad_request(f"No such {name}: '{value}'", code="resource_missing", param=f"discounts[{number}][{name}]")


def _rendering(given: Any) -> Json | None:
    if given == "":
        return None
    pdf = given.get("pdf", {})
    return {
        "amount_tax_display": given.get("amount_tax_display") or None,
        "pdf": {"page_size": pdf.get("page_size", "auto")},
        "template": given.get("template"),
        "template_version": given.get("template_version") or None,
    }


def _set_due_date(call: Call, invoice: Json) -> None:
    if "due_date" in call.params:
        invoice["due_date"] = call.params["due_date"]
        call.state.days_until_due.pop(invoice["id"], None)
    if "days_until_due" in call.params:
        call.state.days_until_due[invoice["id"]] = call.params["days_until_due"]
        invoice["due_date"] = invoice["created"] + call.params["days_until_due"] * DAY
