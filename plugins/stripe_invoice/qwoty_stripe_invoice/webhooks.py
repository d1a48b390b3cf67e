"""Stripe's webhooks: verify them at intake, then fetch the object that they name and act on its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import (
    HookContext,
    Outcome,
    WebhookEvent,
    WebhookRejected,
    WebhookRequest,
)

from .endpoint_spec import EVENTS
from .endpoint_state import made_with, note_good, note_refusal, secret_of
from .event_form import read_event
from .event_routing import invoice_id_of, is_charge, object_of, quote_id_of
from .gateway import verify_webhook
from .outdated_drafts import discarded_invoices
from .payments import attach_payment, close_links, note_failed_payment, raise_if_overpaid, see_invoice, settled_outside
from .refunds import note_refund
from .sessions import look_at_session, remember_payment
from .work import Work


def authenticate(ctx: HookContext, request: WebhookRequest) -> WebhookEvent:
    """Check token, signature and time, and name the quote that the event belongs to. Makes no request."""
    secret = secret_of(ctx, request.token)
    if secret is None:
        raise WebhookRejected("There is no such webhook address.", status=404, code="unknown_address")
    try:
        verify_webhook(request.body, request.header("Stripe-Signature"), secret, ctx.clock.now())
    except WebhookRejected as error:
        if error.__cause__ is not None:  # the signature itself, not its time
            note_refusal(ctx, request.token)
        raise
    note_good(ctx, request.token)
    event = read_event(request.body, EVENTS)
    made = made_with(ctx, request.token)
    is_ours = event["type"] in EVENTS and bool(event.get("livemode")) == made.get("live")
    quote_id = quote_id_of(ctx, event) if is_ours else None
    return WebhookEvent(event["id"], event["type"], event, quote_id, account=made.get("account", ""))


#: The statuses in which nobody can pay the invoice any more; an uncollectible one may still be paid.
_FINAL = ("paid", "void")


def handle(ctx: HookContext, event: WebhookEvent) -> Outcome:
    """Act on an event of one of our quotes. The event only says where to look; the object is fetched, and it decides.

    Two facts are taken from the event itself: that a delayed payment has failed, because its session stays complete and
    unpaid; and how much of a payment was refunded, because the key needs no permission to read charges.
    """
    quote_id = str(event.quote_id)
    thing = object_of(event.payload)
    if is_charge(thing):
        # A person made the refund: it is recorded, and nothing else has to be done.
        return Outcome.done(note_refund(ctx, quote_id, thing))
    if (ours := _other_invoice(ctx, quote_id, invoice_id_of(thing))) is not None:
        return Outcome.skipped(f"{event.type} is about another invoice; the quote's is {ours}.")
    if _is_given_up(ctx, quote_id, invoice_id_of(thing)):
        return Outcome.skipped(f"{event.type} is about an invoice that was given up; the quote has no other one yet.")
    work = Work.for_invoice(ctx, invoice_id_of(thing))
    if not event.type.startswith("checkout.session."):
        return _handle_invoice_event(work, quote_id, event, thing)
    session = look_at_session(work, quote_id, thing)
    if session["payment_status"] == "paid":
        record = attach_payment(work, quote_id, session)
        return Outcome.done(f"Payment {session['payment_intent']} is on the invoice: {record.payment_status}.")
    if event.type == "checkout.session.async_payment_failed" and session["status"] == "complete":
        note_failed_payment(ctx, quote_id, session)
        return Outcome.done("The payment failed; the installment can be sent again.")
    return Outcome.done(f"The payment link is {session['status']}, its payment {session['payment_status']}.")


def _handle_invoice_event(work: Work, quote_id: str, event: WebhookEvent, thing: Mapping[str, Any]) -> Outcome:
    payment = (thing.get("payment") or {}).get("payment_intent")
    if payment:
        work.ctx.step(f"payment:{payment}", lambda _: remember_payment(work.ctx, quote_id, payment))
    overpaid = see_invoice(work, quote_id, str(invoice_id_of(thing)))
    record = work.ctx.records.get(quote_id)
    assert record is not None and record.invoice is not None, "the step above wrote it"
    closed = close_links(work, quote_id) if record.invoice.status in _FINAL else []
    raise_if_overpaid(work.ctx, quote_id, overpaid)
    return Outcome.done(f"{event.type}: the invoice is {record.payment_status}.", *settled_outside(record), *closed)


def _is_given_up(ctx: HookContext, quote_id: str, invoice_id: str | None) -> bool:
    """Whether the quote has no invoice, because this one was given up: it must not take the place of the next one."""
    record = ctx.records.get(quote_id)
    has_none = record is not None and record.invoice is None
    return has_none and invoice_id in discarded_invoices(ctx, quote_id)


def _other_invoice(ctx: HookContext, quote_id: str, invoice_id: str | None) -> str | None:
    """Return the quote's own invoice if the event is about another invoice, one that somebody gave our metadata."""
    record = ctx.records.get(quote_id)
    if record is None or record.invoice is None or invoice_id in (None, record.invoice.id):
        return None
    return record.invoice.id
