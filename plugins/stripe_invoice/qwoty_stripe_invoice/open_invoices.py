"""Fetch open invoices and their links, to find payments that no webhook has reported. Works without reading events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from qwoty_integrations_host import (
    Attempt,
    HookContext,
    InstallmentRecord,
    NeedsAttention,
    PermissionMissing,
    QuoteRecord,
    WebhookEvent,
)

from .event_routing import trimmed
from .gateway import Gateway
from .invoices import retrieve_invoice
from .money import to_minor
from .stripe_errors import StripeRefused
from .work import Work

#: The most quotes that one upkeep checks, without and with readable events; the next one goes on from there.
INVOICES_A_RUN, INVOICES_BESIDE_EVENTS = 100, 20
_INVOICES_A_STEP = 20
_CURSOR = "missed_invoices"


def look_at_open_invoices(ctx: HookContext, most: int, *, told: set[str | None]) -> tuple[list[WebhookEvent], str]:
    """Find open invoices and links that were paid or closed although no webhook said so.

    Skip the quotes in ``told``, because their events are already found. Return the findings as events, and the place
    where the next look goes on, which is the argument of ``invoices_seen``.
    """
    after, awaiting = ctx.step("open_invoices", lambda _: _next_quotes(ctx, most))
    quotes = [quote_id for quote_id in awaiting if quote_id not in told]
    events: list[WebhookEvent] = []
    for start in range(0, len(quotes), _INVOICES_A_STEP):
        part = quotes[start : start + _INVOICES_A_STEP]
        news = ctx.step(f"open_invoices:{start}", partial(_news_of, ctx, part))
        events += [WebhookEvent(n["id"], n["type"], n, n["quote_id"], account=n["account"]) for n in news]
    return events, after


def invoices_seen(ctx: HookContext, after: str) -> None:
    """Save where the next look goes on."""
    ctx.step("open_invoices.seen", lambda _: ctx.state.set(_CURSOR, after))


def _next_quotes(ctx: HookContext, most: int) -> tuple[str, list[str]]:
    quotes = ctx.records.awaiting_payment(after=ctx.state.get(_CURSOR) or "", limit=most)
    return (quotes[-1] if quotes[most - 1 :] else ""), quotes


def _news_of(ctx: HookContext, quotes: list[str], attempt: Attempt) -> list[dict[str, Any]]:
    return [news for quote_id in quotes for news in _news(ctx, quote_id, attempt)]


def _news(ctx: HookContext, quote_id: str, attempt: Attempt) -> Iterator[dict[str, Any]]:
    record = ctx.records.get(quote_id)
    if record is None or record.invoice is None or not record.awaits_payment:
        return
    try:
        stripe = Work.for_invoice(ctx, record.invoice.id).stripe
    except NeedsAttention:
        return  # the key was taken out of the settings
    facts = {"quote_id": quote_id, "account": stripe.account, "livemode": stripe.live, "found": True}
    for part in record.installments:
        if part.session_id and part.status in {"sent", "processing"}:
            session = _seen(partial(_session, stripe, attempt, part.session_id))
            if session and (state := _session_news(part, session)):
                kind = "expired" if state == "expired" else "completed"
                yield {**facts, **_synthetic_event(session, state, f"checkout.session.{kind}")}
    invoice = _seen(partial(retrieve_invoice, stripe, attempt, record.invoice.id))
    if invoice and (news := _invoice_news(record, invoice)):
        yield {**facts, **_synthetic_event(invoice, *news)}


def _session(stripe: Gateway, attempt: Attempt, session_id: str) -> Mapping[str, Any]:
    return stripe.read(attempt, lambda v1: v1.checkout.sessions.retrieve(session_id))


def _seen(look: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return what Stripe shows; None if the object is unknown, or this key may not read it."""
    try:
        return look()
    except StripeRefused as error:
        if not error.missing:
            raise
    except PermissionMissing:
        pass
    return None


def _synthetic_event(thing: Mapping[str, Any], state: str, kind: str) -> dict[str, Any]:
    """Return a synthetic event; the same finding always gets the same id."""
    return {"id": f"found:{thing['id']}:{state}", "type": kind, **trimmed(thing)}


def _session_news(part: InstallmentRecord, session: Mapping[str, Any]) -> str:
    """Return the session's new state in a word; empty if the record has it already."""
    if session["payment_status"] == "paid":
        return "paid"
    if session["status"] == "expired":
        return "expired"
    return "processing" if session["status"] == "complete" and part.status == "sent" else ""


def _invoice_news(record: QuoteRecord, invoice: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the invoice's new state in a word, and its event type; None if the record has it already."""
    told = {"paid": "invoice.paid", "void": "invoice.voided", "uncollectible": "invoice.marked_uncollectible"}
    if invoice["status"] in told:
        return invoice["status"], told[invoice["status"]]
    if invoice["status"] == "open" and not record.is_final:
        return "open", "invoice.finalized"
    known = to_minor(record.amount_paid or Decimal(0), record.currency, "What was paid")
    if invoice["status"] == "open" and invoice["amount_paid"] > known:
        return f"paid:{invoice['amount_paid']}", "invoice_payment.paid"
    return None
