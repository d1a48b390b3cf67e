"""One invoice at Stripe: fetched by its id, or found by the quote that it was made for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from qwoty_integrations_host import Attempt, NeedsAttention

from .gateway import Gateway
from .record import invoice_seen
from .work import Work


def retrieve_invoice(stripe: Gateway, attempt: Attempt, invoice_id: str) -> dict[str, Any]:
    """Fetch an invoice. Raises: StripeRefused when this key does not see it."""
    return stripe.read(attempt, lambda v1: v1.invoices.retrieve(invoice_id))


def invoice_lines(stripe: Gateway, attempt: Attempt, invoice_id: str) -> Iterator[dict[str, Any]]:
    """Fetch the lines of an invoice, page by page."""
    return stripe.pages(attempt, lambda v1, p: v1.invoices.line_items.list(invoice_id, params=p), {})


def find_by_metadata(work: Work, attempt: Attempt, quote_id: str, customer: str) -> dict[str, Any] | None:
    """Return the quote's invoice from the customer's invoices: the answer that created it may have been lost."""
    ours = {"qwoty_workspace": work.ctx.workspace, "qwoty_quote_id": quote_id}
    listed = work.stripe.pages(attempt, lambda v1, p: v1.invoices.list(params=p), {"customer": customer})
    return next(
        (
            invoice
            for invoice in listed
            if ours.items() <= dict(invoice.get("metadata") or {}).items() and invoice["status"] != "void"
        ),
        None,
    )


def require_status(
    work: Work, attempt: Attempt, quote_id: str, invoice_id: str, wanted: Collection[str]
) -> dict[str, Any]:
    """Fetch the invoice before a step is repeated: somebody may have voided it meanwhile.

    Raises: NeedsAttention when its status is not one of the ``wanted`` ones.
    """
    invoice = retrieve_invoice(work.stripe, attempt, invoice_id)
    work.ctx.records.update(quote_id, lambda record: invoice_seen(record, invoice, work.stripe.account))
    if invoice["status"] not in wanted:
        raise NeedsAttention(
            f"Invoice {invoice_id} is {invoice['status']} by now; nothing was sent.",
            hint="Somebody changed it in Stripe. Look at it in the Dashboard.",
            code="invoice_not_open",
        )
    return invoice


def taxes_told(known: Mapping[str, Any]) -> str:
    """Return the name of the way in which an invoice's taxes were sent; earlier releases always sent Tax Rates."""
    return str(known.get("taxes", "rates"))
