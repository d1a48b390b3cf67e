"""Attaching Checkout payments to their invoice, each exactly once (Stripe page, section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import Attempt, CredentialsError, HookContext, NeedsAttention, QuoteRecord

from .gateway import Gateway, StripeRefused
from .invoices import retrieve_invoice
from .ledger import invoice_seen, payment_failed, payment_seen, session_seen


def look_at_session(
    ctx: HookContext, stripe: Gateway, quote_id: str, event: Mapping[str, Any], *, name: str = "session"
) -> dict[str, Any]:
    """Fetch a session afresh, put its state into the record, and give what decides.

    Webhooks come late, twice and out of order: the event's own copy is used only if the key may not read sessions.
    """
    facts: dict[str, Any] = ctx.step(
        f"{name}:{event['id']}", lambda attempt: _look(ctx, stripe, quote_id, event, attempt)
    )
    return facts


def _look(
    ctx: HookContext, stripe: Gateway, quote_id: str, event: Mapping[str, Any], attempt: Attempt
) -> dict[str, Any]:
    try:
        session: Mapping[str, Any] = stripe.read(attempt, lambda v1: v1.checkout.sessions.retrieve(event["id"]))
    except CredentialsError as error:
        if error.code != "permission_missing":
            raise
        if "payment_status" not in event:
            # Nobody told and the key may not look: what is on record stands.
            return {"id": event["id"], "number": installment_of(event), "payment_status": None}
        session = event
    number = installment_of(session)
    if session["payment_status"] != "paid":
        ctx.records.update(quote_id, lambda r: session_seen(there(r, session), number, session))
    names = ("id", "status", "payment_status", "payment_intent", "amount_total", "currency")
    facts = {name: session.get(name) for name in names}
    return {**facts, "number": number, "invoice_id": _invoice_id(ctx, quote_id, session)}


def _invoice_id(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> str | None:
    """The session names its invoice, so that a payment that comes before our own answer was stored finds it."""
    record = ctx.records.get(quote_id)
    known = record.invoice.id if record and record.invoice else None
    return session.get("client_reference_id") or known


def attach_payment(ctx: HookContext, stripe: Gateway, quote_id: str, session: Mapping[str, Any]) -> QuoteRecord:
    """Credit a paid session to its invoice, once, and give the record. Raises: NeedsAttention when Stripe refuses."""
    ctx.step(
        f"attach:{session['payment_intent']}",
        lambda attempt: _attach(ctx, stripe, quote_id, session, attempt),
    )
    return there(ctx.records.get(quote_id), session)


def _attach(ctx: HookContext, stripe: Gateway, quote_id: str, session: Mapping[str, Any], attempt: Attempt) -> None:
    invoice_id, payment = str(session["invoice_id"]), str(session["payment_intent"])
    invoice = None
    if not _is_attached(stripe, attempt, invoice_id, payment):
        try:
            invoice = stripe.write(
                attempt,
                "att",
                f"{invoice_id}:{payment}",
                {"payment_intent": payment},
                lambda v1, p, o: v1.invoices.attach_payment(invoice_id, params=p, options=o),
            )
        except StripeRefused as error:
            if not _is_attached(stripe, attempt, invoice_id, payment):
                raise _unattachable(ctx, stripe, quote_id, invoice_id, payment, attempt) from error
    shown = invoice or retrieve_invoice(stripe, attempt, invoice_id)
    ctx.records.update(
        quote_id,
        lambda r: payment_seen(invoice_seen(r, shown, stripe.account), session["number"], session),
    )


def _is_attached(stripe: Gateway, attempt: Attempt, invoice_id: str, payment: str) -> bool:
    wanted = {"invoice": invoice_id, "payment": {"type": "payment_intent", "payment_intent": payment}}
    found = stripe.pages(attempt, lambda v1, p: v1.invoice_payments.list(params=p), wanted)
    return any(one["payment"].get("payment_intent") == payment for one in found)


def _unattachable(
    ctx: HookContext, stripe: Gateway, quote_id: str, invoice_id: str, payment: str, attempt: Attempt
) -> NeedsAttention:
    invoice = retrieve_invoice(stripe, attempt, invoice_id)
    ctx.records.update(quote_id, lambda r: invoice_seen(r, invoice, stripe.account))
    return NeedsAttention(
        f"The customer paid ({payment}), but Stripe does not credit it to invoice {invoice_id}, "
        f"which is {invoice['status']}.",
        hint="Look at both in the Stripe Dashboard: attach the payment there, or refund it.",
        code="payment_not_attached",
    )


def look_at_invoice(ctx: HookContext, stripe: Gateway, quote_id: str, invoice_id: str) -> QuoteRecord:
    """Fetch the invoice afresh and put its state into the record."""

    def look(attempt: Attempt) -> None:
        invoice = retrieve_invoice(stripe, attempt, invoice_id)
        ctx.records.update(quote_id, lambda r: invoice_seen(r, invoice, stripe.account))

    ctx.step(f"invoice:{invoice_id}", look)
    record = ctx.records.get(quote_id)
    assert record is not None, "the step above wrote it"
    return record


def note_failed_payment(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> None:
    """A delayed payment failed: the installment can be asked for again."""
    ctx.step(
        f"failed:{session['id']}",
        lambda _: (
            ctx.records.update(quote_id, lambda r: payment_failed(there(r, session), session["number"], session))
            and None
        ),
    )


def installment_of(session: Mapping[str, Any]) -> int:
    """The installment that a session is for, from its metadata."""
    text = (session.get("metadata") or {}).get("qwoty_installment", "")
    return int(text) if text.isdigit() else 0


def there(record: QuoteRecord | None, session: Mapping[str, Any]) -> QuoteRecord:
    """The record, or a new one when the payment arrives before our own answer was stored."""
    return record or QuoteRecord(currency=str(session.get("currency") or "").upper())
