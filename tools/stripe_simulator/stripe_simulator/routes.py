"""All routes, with handler, SDK type of the parameters, and permission."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stripe_simulator import (
    checkout,
    customers,
    endpoints,
    events,
    invoices,
    items,
    payments,
    search,
    tax_rates,
)
from stripe_simulator.state import Call, Json


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Callable[[Call], Json]
    params: str
    permission: str
    # the collection of the object in the path, for the switch "existence before permission"
    collection: str


def _attach_payment(call: Call) -> Json:
    return payments.attach(call, invoices.shown)


def account(call: Call) -> Json:
    return {
        "id": call.state.account,
        "object": "account",
        "country": "FR",
        "default_currency": "eur",
        "type": "standard",
    }


_TABLE = [
    ("POST", "/v1/customers", customers.create, "CustomerCreateParams", "customer_write"),
    ("GET", "/v1/customers", customers.list_customers, "CustomerListParams", "customer_read"),
    ("GET", "/v1/customers/search", search.search_customers, "CustomerSearchParams", "customer_read"),
    ("GET", "/v1/customers/{id}", customers.retrieve, "CustomerRetrieveParams", "customer_read"),
    ("POST", "/v1/customers/{id}", customers.update, "CustomerUpdateParams", "customer_write"),
    ("DELETE", "/v1/customers/{id}", customers.delete, "CustomerDeleteParams", "customer_write"),
    ("POST", "/v1/tax_rates", tax_rates.create, "TaxRateCreateParams", "tax_rate_write"),
    ("GET", "/v1/tax_rates", tax_rates.list_rates, "TaxRateListParams", "tax_rate_read"),
    ("GET", "/v1/tax_rates/{id}", tax_rates.retrieve, "TaxRateRetrieveParams", "tax_rate_read"),
    ("POST", "/v1/tax_rates/{id}", tax_rates.update, "TaxRateUpdateParams", "tax_rate_write"),
    ("POST", "/v1/invoices", invoices.create, "InvoiceCreateParams", "invoice_write"),
    ("GET", "/v1/invoices", invoices.list_invoices, "InvoiceListParams", "invoice_read"),
    ("GET", "/v1/invoices/{id}", invoices.retrieve, "InvoiceRetrieveParams", "invoice_read"),
    ("POST", "/v1/invoices/{id}", invoices.update, "InvoiceUpdateParams", "invoice_write"),
    ("DELETE", "/v1/invoices/{id}", invoices.delete, "InvoiceDeleteParams", "invoice_write"),
    ("GET", "/v1/invoices/{id}/lines", invoices.list_lines, "InvoiceLineItemListParams", "invoice_read"),
    ("POST", "/v1/invoices/{id}/add_lines", invoices.add_lines, "InvoiceAddLinesParams", "invoice_write"),
    ("POST", "/v1/invoices/{id}/finalize", invoices.finalize, "InvoiceFinalizeInvoiceParams", "invoice_write"),
    ("POST", "/v1/invoices/{id}/send", invoices.send, "InvoiceSendInvoiceParams", "invoice_write"),
    ("POST", "/v1/invoices/{id}/void", invoices.void, "InvoiceVoidInvoiceParams", "invoice_write"),
    (
        "POST",
        "/v1/invoices/{id}/mark_uncollectible",
        invoices.mark_uncollectible,
        "InvoiceMarkUncollectibleParams",
        "invoice_write",
    ),
    ("POST", "/v1/invoices/{id}/attach_payment", _attach_payment, "InvoiceAttachPaymentParams", "invoice_write"),
    ("POST", "/v1/invoiceitems", items.create, "InvoiceItemCreateParams", "invoice_item_write"),
    ("GET", "/v1/invoiceitems", items.list_items, "InvoiceItemListParams", "invoice_item_read"),
    ("GET", "/v1/invoiceitems/{id}", items.retrieve, "InvoiceItemRetrieveParams", "invoice_item_read"),
    ("POST", "/v1/invoiceitems/{id}", items.update, "InvoiceItemUpdateParams", "invoice_item_write"),
    ("DELETE", "/v1/invoiceitems/{id}", items.delete, "InvoiceItemDeleteParams", "invoice_item_write"),
    ("GET", "/v1/invoice_payments", payments.list_payments, "InvoicePaymentListParams", "invoice_read"),
    ("GET", "/v1/invoice_payments/{id}", payments.retrieve, "InvoicePaymentRetrieveParams", "invoice_read"),
    ("POST", "/v1/checkout/sessions", checkout.create, "checkout.SessionCreateParams", "checkout_session_write"),
    ("GET", "/v1/checkout/sessions", checkout.list_sessions, "checkout.SessionListParams", "checkout_session_read"),
    (
        "GET",
        "/v1/checkout/sessions/{id}",
        checkout.retrieve,
        "checkout.SessionRetrieveParams",
        "checkout_session_read",
    ),
    (
        "POST",
        "/v1/checkout/sessions/{id}/expire",
        checkout.expire,
        "checkout.SessionExpireParams",
        "checkout_session_write",
    ),
    ("GET", "/v1/payment_intents/{id}", payments.retrieve_intent, "PaymentIntentRetrieveParams", "payment_intent_read"),
    ("POST", "/v1/webhook_endpoints", endpoints.create, "WebhookEndpointCreateParams", "webhook_write"),
    ("GET", "/v1/webhook_endpoints", endpoints.list_endpoints, "WebhookEndpointListParams", "webhook_read"),
    ("GET", "/v1/webhook_endpoints/{id}", endpoints.retrieve, "WebhookEndpointRetrieveParams", "webhook_read"),
    ("POST", "/v1/webhook_endpoints/{id}", endpoints.update, "WebhookEndpointUpdateParams", "webhook_write"),
    ("DELETE", "/v1/webhook_endpoints/{id}", endpoints.delete, "WebhookEndpointDeleteParams", "webhook_write"),
    ("GET", "/v1/events", events.list_events, "EventListParams", "event_read"),
    ("GET", "/v1/events/{id}", events.retrieve, "EventRetrieveParams", "event_read"),
    ("GET", "/v1/account", account, "AccountRetrieveCurrentParams", "connected_account_read"),
]

_COLLECTIONS = {
    "customers": "customers",
    "tax_rates": "tax_rates",
    "invoices": "invoices",
    "invoiceitems": "items",
    "invoice_payments": "invoice_payments",
    "checkout/sessions": "sessions",
    "payment_intents": "payment_intents",
    "webhook_endpoints": "endpoints",
    "events": "events",
}


def _route(method: str, path: str, handler: Callable[[Call], Json], params: str, permission: str) -> Route:
    resource = path.removeprefix("/v1/").split("/{id}")[0]
    pattern = re.compile("^" + path.replace("{id}", "(?P<id>[^/]+)") + "$")
    return Route(method, pattern, handler, params, permission, _COLLECTIONS.get(resource, ""))


ROUTES = [_route(*row) for row in _TABLE]


def find(method: str, path: str) -> tuple[Route, str] | None:
    """Return the route of a request, and the id in its path, "" without one; None for an unknown route."""
    for route in ROUTES:
        match = route.pattern.match(path)
        if match is not None and route.method == method:
            return route, match.groupdict().get("id", "")
    return None
