"""What Stripe said and we never heard: undelivered events where the key may read them, else a look at what is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any

from qwoty_integrations_host import (
    Attempt,
    CredentialsError,
    HookContext,
    InstallmentRecord,
    NeedsAttention,
    QuoteRecord,
    WebhookEvent,
)

from .endpoint import EVENTS
from .endpoint_state import KeptEndpoint
from .gateway import Gateway, StripeRefused
from .invoices import retrieve_invoice
from .money import to_minor
from .whose import gateway_of, quote_of, thing_of

#: How much one upkeep looks at; the next one goes on there.
EVENTS_A_RUN = 500
INVOICES_A_RUN, INVOICES_BESIDE_EVENTS = 100, 20
_INVOICES_A_STEP = 20
#: Stripe lists the events of thirty days.
_OLDEST = 30 * 24 * 3600
#: Looked at twice, since Stripe's clock is not ours: an event that is known is nothing new.
_OVERLAP = 3600
#: What is needed of an event's object; the state is fetched afresh by whoever acts on it.
_NEEDED = (
    "id object metadata status payment_status payment_intent client_reference_id invoice payment currency amount "
    "amount_total amount_refunded"
).split()
_CURSOR = "missed_invoices"


# -- events -----------------------------------------------------------------------------------------------


def look_at_events(ctx: HookContext, stripe: Gateway) -> Mapping[str, Any]:
    """Find events of our quotes that were not delivered since the last look.

    Gives ``readable`` (whether the key may), ``events``, and ``next``, which is for ``events_seen``.
    """
    found: Mapping[str, Any] = ctx.step(
        f"missed_events:{stripe.account}", lambda attempt: _undelivered(ctx, stripe, attempt)
    )
    return found


def events_seen(ctx: HookContext, account: str, following: Mapping[str, Any]) -> None:
    """Let the next look begin where this one ended; only once everything found is safe in finished steps."""
    ctx.step(f"missed_events.seen:{account}", lambda _: _seen_until(ctx, account, following))


def _seen_until(ctx: HookContext, account: str, following: Mapping[str, Any]) -> None:
    ctx.state.set(f"missed_events:{account}", dict(following))
    if following["gap"] and following["before"] is None:
        KeptEndpoint(ctx, account).forget_gap()


def _undelivered(ctx: HookContext, stripe: Gateway, attempt: Attempt) -> dict[str, Any]:
    now = int(ctx.clock.now().timestamp())
    last: dict[str, Any] = {"since": now - _OLDEST, "before": None, "then": now}
    last |= ctx.state.get(f"missed_events:{stripe.account}") or {}
    created = {"gte": last["since"] - _OVERLAP, **({"lte": last["before"]} if last["before"] else {})}
    gap = KeptEndpoint(ctx, stripe.account).had_gap
    # Stripe calls delivered what no endpoint was there for.
    undelivered = {} if gap else {"delivery_success": False}
    params = {"types": list(EVENTS), "created": created, **undelivered}
    pages = stripe.pages(attempt, lambda v1, p: v1.events.list(params=p), params)
    try:
        events = list(islice(pages, EVENTS_A_RUN))
    except CredentialsError as error:
        if error.code != "permission_missing":
            raise
        return {"readable": False, "events": [], "next": None}
    then = last["then"] if last["before"] else now
    done = {"since": then, "before": None, "then": now, "gap": gap}
    if len(events) == EVENTS_A_RUN:
        done = {**last, "before": events[-1]["created"], "then": then, "gap": gap}
    whose = ((event, quote_of(ctx, event)) for event in events)
    ours = [{"quote_id": quote_id, "event": _slim(event)} for event, quote_id in whose if quote_id]
    return {"readable": True, "events": ours, "next": done}


def _slim(event: Mapping[str, Any]) -> dict[str, Any]:
    thing = thing_of(event)
    needed = {name: thing[name] for name in _NEEDED if name in thing}
    return {**{name: event[name] for name in ("id", "type", "livemode")}, "data": {"object": needed}}


def as_delivered(account: str, found: Mapping[str, Any]) -> WebhookEvent:
    """What ``authenticate_webhook`` would have given for it."""
    event = found["event"]
    return WebhookEvent(event["id"], event["type"], event, found["quote_id"], account=account)


# -- open invoices ----------------------------------------------------------------------------------------


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
    except CredentialsError as error:
        if error.code != "permission_missing":
            raise
    return None


def _found(thing: Mapping[str, Any], word: str, kind: str) -> dict[str, Any]:
    """An event that nobody delivered; the same finding has the same id."""
    needed = {name: thing[name] for name in _NEEDED if name in thing}
    return {"id": f"found:{thing['id']}:{word}", "type": kind, "data": {"object": needed}}


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
    known = to_minor(record.amount_paid or Decimal(0), record.currency, "What was paid")
    if invoice["status"] == "open" and invoice["amount_paid"] > known:
        return f"paid:{invoice['amount_paid']}", "invoice_payment.paid"
    return None
