"""Checkout sessions: looked at afresh, closed, and whose they are (Stripe page, section 12)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, PermissionMissing, QuoteRecord

from .gateway import Gateway, StripeRefused
from .ledger import session_seen


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
    except PermissionMissing:
        if not _tells_enough(event):
            # Nobody told and the key may not look: what is on record stands.
            return {"id": event["id"], "number": installment_of(event), "payment_status": None}
        session = event
    number = installment_of(session)
    if session.get("payment_intent"):
        remember_payment(ctx, quote_id, session["payment_intent"])
    if session["payment_status"] != "paid":
        ctx.records.update(quote_id, lambda r: session_seen(there(r, session), number, session))
    names = ("id", "status", "payment_status", "payment_intent", "amount_total", "currency")
    facts = {name: session.get(name) for name in names}
    return {**facts, "number": number, "invoice_id": _invoice_id(ctx, quote_id, session)}


def _tells_enough(event: Mapping[str, Any]) -> bool:
    """Whether an event's own copy tells how a payment stands: one that was made comes with its id and its amount."""
    if event.get("payment_status") == "paid":
        return None not in (event.get("payment_intent"), event.get("amount_total"), event.get("currency"))
    return "payment_status" in event


def _invoice_id(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> str | None:
    """The session names its invoice, so that a payment that comes before our own answer was stored finds it."""
    record = ctx.records.get(quote_id)
    known = record.invoice.id if record and record.invoice else None
    return session.get("client_reference_id") or known


def expire_link(ctx: HookContext, stripe: Gateway, quote_id: str, number: int, session_id: str) -> str:
    """Close an open link and give its status then; ``complete``: the customer was faster."""
    status: str = ctx.step(
        f"link.expire:{session_id}", lambda attempt: _expire(ctx, stripe, quote_id, number, session_id, attempt)
    )
    return status


def _expire(ctx: HookContext, stripe: Gateway, quote_id: str, number: int, session_id: str, attempt: Attempt) -> str:
    try:
        session = stripe.write(
            attempt,
            "cs-expire",
            session_id,
            {},
            lambda v1, p, o: v1.checkout.sessions.expire(session_id, params=p, options=o),
        )
    except StripeRefused:
        # Not open any more: it expired by itself, or the customer was faster.
        session = stripe.read(attempt, lambda v1: v1.checkout.sessions.retrieve(session_id))
        if session["status"] == "open":
            raise
    if session["status"] != "complete":
        ctx.records.update(quote_id, lambda r: session_seen(there(r, session), number, session))
    return str(session["status"])


def close_links(ctx: HookContext, stripe: Gateway, quote_id: str) -> list[str]:
    """Close every link that would still take money for an invoice of which nothing is left to pay; say which."""
    links = ctx.step("links.left", partial(_links_left, ctx, stripe, quote_id))
    ended = [(number, expire_link(ctx, stripe, quote_id, number, session_id)) for number, session_id in links]
    return [f"The payment link of installment {number} was closed." for number, end in ended if end == "expired"]


def _links_left(ctx: HookContext, stripe: Gateway, quote_id: str, attempt: Attempt) -> list[tuple[int, str]]:
    """The links that may still be open: of installments that were paid by another way, or not at all."""
    record = ctx.records.get(quote_id)
    known = {
        part.session_id: part.number
        for part in (record.installments if record else ())
        if part.session_id and part.payment_id is None and part.status in {"paid", "sent", "closed"}
    }
    return [(number, one) for one, number in (open_links(ctx, stripe, quote_id, attempt) | known).items()]


def open_links(ctx: HookContext, stripe: Gateway, quote_id: str, attempt: Attempt) -> dict[str, int]:
    """The installments of the quote's links that are open at Stripe, by session: also of one whose answer was lost."""
    record = ctx.records.get(quote_id)
    if record is None or record.invoice is None or not record.installments:
        return {}
    wanted = {"customer": record.invoice.customer_id, "status": "open"}
    mine = {"qwoty_workspace": ctx.workspace, "qwoty_quote_id": quote_id}
    try:
        there = list(stripe.pages(attempt, lambda v1, p: v1.checkout.sessions.list(params=p), wanted))
    except PermissionMissing:
        return {}  # reading sessions is not among the permissions that are asked for: the record has to do
    return {one["id"]: installment_of(one) for one in there if mine.items() <= dict(one.get("metadata") or {}).items()}


def remember_payment(ctx: HookContext, quote_id: str, payment: str) -> None:
    """Keep whose payment it is: a refund names nothing but the payment. Call it inside a step."""
    ctx.state.set(f"payment:{payment}", {"quote_id": quote_id})


def installment_of(session: Mapping[str, Any]) -> int:
    """The installment that a session is for, from its metadata."""
    text = (session.get("metadata") or {}).get("qwoty_installment", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def there(record: QuoteRecord | None, session: Mapping[str, Any]) -> QuoteRecord:
    """The record, or a new one when the payment arrives before our own answer was stored."""
    return record or QuoteRecord(currency=str(session.get("currency") or "").upper())
