"""Open invoices and their links, looked at afresh: what nobody told us of, whether or not the key may read events."""

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

from .gateway import Gateway, StripeRefused
from .invoices import retrieve_invoice
from .money import to_minor
from .whose import about, gateway_of

#: How many quotes one upkeep looks at; the next one goes on there.
INVOICES_A_RUN, INVOICES_BESIDE_EVENTS = 100, 20
_INVOICES_A_STEP = 20
_CURSOR = "missed_invoices"


def look_at_open_invoices(ctx: HookContext, most: int, *, told: set[str | None]) -> tuple[list[WebhookEvent], str]:
    """Look whether open invoices and their links were paid, or closed, without our knowing.

    Quotes of which events ``told`` are left out. Gives what nobody told us as events, and where the next look goes on:
    for ``invoices_seen``.
    """
    after, awaiting = ctx.step("open_invoices", lambda _: _next_quotes(ctx, most))
    quotes = [quote_id for quote_id in awaiting if quote_id not in told]
    found: list[WebhookEvent] = []
    for start in range(0, len(quotes), _INVOICES_A_STEP):
        part = quotes[start : start + _INVOICES_A_STEP]
        news = ctx.step(f"open_invoices:{start}", partial(_news_of, ctx, part))
        found += [WebhookEvent(n["id"], n["type"], n, n["quote_id"], account=n["account"]) for n in news]
    return found, after


def invoices_seen(ctx: HookContext, after: str) -> None:
    """Let the next look go on where this one ended."""
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
        stripe = gateway_of(ctx, record.invoice.id)
    except NeedsAttention:
        return  # the key was taken out of the settings
    facts = {"quote_id": quote_id, "account": stripe.account, "livemode": stripe.live, "found": True}
    for part in record.installments:
        if part.session_id and part.status in {"sent", "processing"}:
            session = _seen(partial(_session, stripe, attempt, part.session_id))
            if session and (word := _session_news(part, session)):
                kind = "expired" if word == "expired" else "completed"
                yield {**facts, **_found(session, word, f"checkout.session.{kind}")}
    invoice = _seen(partial(retrieve_invoice, stripe, attempt, record.invoice.id))
    if invoice and (news := _invoice_news(record, invoice)):
        yield {**facts, **_found(invoice, *news)}


def _session(stripe: Gateway, attempt: Attempt, session_id: str) -> Mapping[str, Any]:
    return stripe.read(attempt, lambda v1: v1.checkout.sessions.retrieve(session_id))


def _seen(look: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What Stripe shows; None for what it does not know, or does not show to this key."""
    try:
        return look()
    except StripeRefused as error:
        if not error.missing:
            raise
    except PermissionMissing:
        pass
    return None


def _found(thing: Mapping[str, Any], word: str, kind: str) -> dict[str, Any]:
    """An event that nobody delivered; the same finding has the same id."""
    return {"id": f"found:{thing['id']}:{word}", "type": kind, **about(thing)}


def _session_news(part: InstallmentRecord, session: Mapping[str, Any]) -> str:
    """What a session says that the record does not; empty for nothing new."""
    if session["payment_status"] == "paid":
        return "paid"
    if session["status"] == "expired":
        return "expired"
    return "processing" if session["status"] == "complete" and part.status == "sent" else ""


def _invoice_news(record: QuoteRecord, invoice: Mapping[str, Any]) -> tuple[str, str] | None:
    """What the invoice says that the record does not: a word for it, and the event that would have told."""
    told = {"paid": "invoice.paid", "void": "invoice.voided", "uncollectible": "invoice.marked_uncollectible"}
    if invoice["status"] in told:
        return invoice["status"], told[invoice["status"]]
    if invoice["status"] == "open" and not record.is_final:
        return "open", "invoice.finalized"
    known = to_minor(record.amount_paid or Decimal(0), record.currency, "What was paid")
    if invoice["status"] == "open" and invoice["amount_paid"] > known:
        return f"paid:{invoice['amount_paid']}", "invoice_payment.paid"
    return None
