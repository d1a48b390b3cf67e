"""Fetches, expires and finds the Checkout sessions of a quote (docs/notes/stripe.md#checkout-links)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, PermissionMissing

from .record import record_or_new, session_seen
from .stripe_errors import StripeRefused
from .work import Work


def look_at_session(work: Work, quote_id: str, event: Mapping[str, Any], *, name: str = "session") -> dict[str, Any]:
    """Fetch a session, put its state into the record, and return the facts to decide on.

    Webhooks come late, twice and out of order: the event's own copy is used only if the key may not read sessions.
    """
    facts: dict[str, Any] = work.ctx.step(
        f"{name}:{event['id']}", lambda attempt: _look(work, quote_id, event, attempt)
    )
    return facts


def _look(work: Work, quote_id: str, event: Mapping[str, Any], attempt: Attempt) -> dict[str, Any]:
    try:
        session: Mapping[str, Any] = work.stripe.read(attempt, lambda v1: v1.checkout.sessions.retrieve(event["id"]))
    except PermissionMissing:
        if not _tells_enough(event):
            # Neither the event nor the key tells the session's state, so the record does not change.
            return {"id": event["id"], "number": installment_of(event), "payment_status": None}
        session = event
    number = installment_of(session)
    if session.get("payment_intent"):
        remember_payment(work.ctx, quote_id, session["payment_intent"])
    if session["payment_status"] != "paid":
        work.ctx.records.update(quote_id, lambda r: session_seen(record_or_new(r, session), number, session))
    names = ("id", "status", "payment_status", "payment_intent", "amount_total", "currency")
    facts = {name: session.get(name) for name in names}
    return {**facts, "number": number, "invoice_id": _invoice_id(work.ctx, quote_id, session)}


def _tells_enough(event: Mapping[str, Any]) -> bool:
    """Whether the event's own copy has the payment's state, and for a paid session also its id and amount."""
    if event.get("payment_status") == "paid":
        return None not in (event.get("payment_intent"), event.get("amount_total"), event.get("currency"))
    return "payment_status" in event


def _invoice_id(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> str | None:
    """Return the invoice that the session names; a payment may arrive before the record has the invoice."""
    record = ctx.records.get(quote_id)
    known = record.invoice.id if record and record.invoice else None
    return session.get("client_reference_id") or known


def expire_link(work: Work, quote_id: str, number: int, session_id: str) -> str:
    """Expire an open link and return its status then; ``complete`` means that the customer has paid by it."""
    status: str = work.ctx.step(
        f"link.expire:{session_id}", lambda attempt: expire_session(work, quote_id, number, session_id, attempt)
    )
    return status


def expire_session(work: Work, quote_id: str, number: int, session_id: str, attempt: Attempt) -> str:
    """Do the work of ``expire_link`` inside a step."""
    try:
        session = work.stripe.write(
            attempt,
            "cs-expire",
            session_id,
            {},
            lambda v1, p, o: v1.checkout.sessions.expire(session_id, params=p, options=o),
        )
    except StripeRefused:
        # No longer open: it expired by itself, or the customer has paid.
        session = work.stripe.read(attempt, lambda v1: v1.checkout.sessions.retrieve(session_id))
        if session["status"] == "open":
            raise
    if session["status"] != "complete":
        work.ctx.records.update(quote_id, lambda r: session_seen(record_or_new(r, session), number, session))
    return str(session["status"])


def links_left(work: Work, quote_id: str, attempt: Attempt) -> list[tuple[int, str]]:
    """Return the links that may still be open, with their installments: those at Stripe and those on record."""
    record = work.ctx.records.get(quote_id)
    known = {
        part.session_id: part.number
        for part in (record.installments if record else ())
        if part.session_id and part.payment_id is None and part.status in {"paid", "sent", "closed"}
    }
    return [(number, one) for one, number in (open_links(work, quote_id, attempt) | known).items()]


def open_links(work: Work, quote_id: str, attempt: Attempt) -> dict[str, int]:
    """Return the installment of each session that is open at Stripe, including those whose answer was lost."""
    record = work.ctx.records.get(quote_id)
    if record is None or record.invoice is None or not record.installments:
        return {}
    wanted = {"customer": record.invoice.customer_id, "status": "open"}
    mine = {"qwoty_workspace": work.ctx.workspace, "qwoty_quote_id": quote_id}
    try:
        there = list(work.stripe.pages(attempt, lambda v1, p: v1.checkout.sessions.list(params=p), wanted))
    except PermissionMissing:
        return {}  # without permission to read sessions, only the links on record are known
    return {one["id"]: installment_of(one) for one in there if mine.items() <= dict(one.get("metadata") or {}).items()}


def remember_payment(ctx: HookContext, quote_id: str, payment: str) -> None:
    """Save which quote a payment belongs to, since a refund names only the payment. Call it inside a step."""
    ctx.state.set(f"payment:{payment}", {"quote_id": quote_id})


def installment_of(session: Mapping[str, Any]) -> int:
    """Return the installment of a session, from its metadata; 0 if it names none."""
    text = (session.get("metadata") or {}).get("qwoty_installment", "")
    return int(text) if text.isascii() and text.isdigit() else 0
