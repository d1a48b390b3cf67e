"""Customers."""

from __future__ import annotations

from typing import Any

from stripe_simulator import drafts, search
from stripe_simulator.errors import bad_request, missing_in_path
from stripe_simulator.events import emit
from stripe_simulator.ids import new_id, new_invoice_prefix
from stripe_simulator.lists import matching, page
from stripe_simulator.metadata import check_length, merged
from stripe_simulator.state import Call, Json

LIMITS = {
    "name": 256,
    "email": 512,
    "phone": 20,
    "description": 5000,
    "business_name": 150,
    "individual_name": 150,
}
SETTABLE = (
    *LIMITS,
    "balance",
    "tax_exempt",
    "invoice_prefix",
    "next_invoice_sequence",
    "preferred_locales",
    "shipping",
)
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def create(call: Call) -> Json:
    customer: Json = {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "business_name": None,
        "created": call.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "individual_name": None,
        "invoice_prefix": new_invoice_prefix(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": call.state.livemode,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    _apply(customer, call.params)
    call.state.customers[customer["id"]] = customer
    search.remember(call, customer)
    emit(call, "customer.created", customer)
    return customer


def retrieve(call: Call) -> Json:
    return call.in_path("customers", "customer")


def update(call: Call) -> Json:
    customer = _living(call)
    _apply(customer, call.params)
    # A draft shows its customer's present data until it is final.
    for invoice in call.state.invoices.values():
        if invoice["status"] == "draft" and invoice["customer"] == customer["id"]:
            drafts.copy_customer(invoice, customer)
    changed(call, customer)
    return customer


def changed(call: Call, customer: Json) -> None:
    """Update the search index and record an event after a change of a customer."""
    search.remember(call, customer)
    emit(call, "customer.updated", customer)


def delete(call: Call) -> Json:
    customer = _living(call)
    answer = {"id": customer["id"], "object": "customer", "deleted": True}
    emit(call, "customer.deleted", customer)
    call.state.customers[customer["id"]] = answer
    search.forget(call, customer["id"])
    return answer


def list_customers(call: Call) -> Json:
    living = (customer for customer in call.state.customers.values() if not customer.get("deleted"))
    return page(matching(living, call.params, "email"), call.params, call.path)


def _living(call: Call) -> Json:
    customer = call.in_path("customers", "customer")
    if customer.get("deleted"):
        raise missing_in_path("customer", call.id)
    return customer


def _apply(customer: Json, params: Json) -> None:
    _check(params)
    new_metadata = merged(customer["metadata"], params.get("metadata"))
    for name in SETTABLE:
        if name in params:
            customer[name] = _emptied(params[name])
    if "address" in params:
        customer["address"] = _address(params["address"], customer["address"])
    if "invoice_settings" in params:
        customer["invoice_settings"] |= {k: _emptied(v) for k, v in params["invoice_settings"].items()}
    customer["metadata"] = new_metadata


def _check(params: Json) -> None:
    check_length(params, LIMITS)
    email = params.get("email")
    if email and "@" not in email:
        raise bad_request(f"Invalid email address: {email}", param="email", code="email_invalid")
    address = params.get("address") or {}
    country = address.get("country")
    if country and not (len(country) == 2 and country.isalpha()):
        raise bad_request(
            f"Country '{country}' is unknown. Try using a 2-character alphanumeric country code instead.",
            param="address[country]",
            code="country_code_invalid",
        )
    prefix = params.get("invoice_prefix")
    if prefix and not (len(prefix) <= 12 and prefix.isalnum() and prefix.upper() == prefix):
        raise bad_request("An invoice prefix has 1 to 12 upper-case letters or digits.", param="invoice_prefix")


def _emptied(value: Any) -> Any:
    return None if value == "" else value


def _address(given: Any, current: Json | None) -> Json | None:
    if given == "":
        return None
    before = current or dict.fromkeys(ADDRESS)
    return {name: _emptied(given.get(name, before[name])) for name in ADDRESS}
