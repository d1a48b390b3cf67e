"""Attach Checkout payments to their invoice, each exactly once (docs/notes/stripe.md#attaching-payments)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, NeedsAttention, PermissionMissing, QuoteRecord

from .gateway import Gateway
from .invoices import retrieve_invoice
from .money import shown, to_major, to_minor
from .record import (
    invoice_seen,
    outside_seen,
    outside_unknown,
    overpayment_seen,
    payment_failed,
    payment_seen,
    record_or_new,
)
from .sessions import expire_link, expire_session, links_left, look_at_session
from .stripe_errors import StripeRefused
from .work import Work

#: Stripe delivers an event for this long (docs/notes/stripe.md#webhooks).
_DELIVERED_FOR = timedelta(days=3)


def attach_payment(work: Work, quote_id: str, session: Mapping[str, Any]) -> QuoteRecord:
    """Credit a paid session to its invoice, once, and return the record.

    Raises: NeedsAttention if Stripe refuses, or if more was paid than was due.
    """
    overpayment = work.ctx.step(
        f"attach:{session['payment_intent']}",
        lambda attempt: _attach(work, quote_id, session, attempt),
    )
    raise_if_overpaid(work.ctx, quote_id, overpayment)
    return record_or_new(work.ctx.records.get(quote_id), session)


def _attach(work: Work, quote_id: str, session: Mapping[str, Any], attempt: Attempt) -> dict[str, Any] | None:
    invoice_id, payment = str(session["invoice_id"]), str(session["payment_intent"])
    _close_newer_link(work, quote_id, session, attempt)
    invoice = None
    if not _is_attached(work.stripe, attempt, invoice_id, payment):
        try:
            invoice = work.stripe.write(
                attempt,
                "att",
                f"{invoice_id}:{payment}",
                {"payment_intent": payment},
                lambda v1, p, o: v1.invoices.attach_payment(invoice_id, params=p, options=o),
            )
        except StripeRefused as error:
            is_attached = _is_attached(work.stripe, attempt, invoice_id, payment)
            if not is_attached and not _is_refunded(work.ctx, quote_id, session):
                raise _unattachable(work, quote_id, session, attempt) from error
    seen = invoice or retrieve_invoice(work.stripe, attempt, invoice_id)
    work.ctx.records.update(
        quote_id,
        lambda r: payment_seen(invoice_seen(r, seen, work.stripe.account), session["number"], session),
    )
    return _new_overpayment(work.ctx, quote_id, seen)


def _close_newer_link(work: Work, quote_id: str, session: Mapping[str, Any], attempt: Attempt) -> None:
    """Expire the link that was made because nobody knew yet that this session was paid."""
    record, number = work.ctx.records.get(quote_id), session["number"]
    part = record.installment(number) if record else None
    if part and part.status == "sent" and part.session_id not in (None, session["id"]):
        expire_session(work, quote_id, number, part.session_id, attempt)


def _is_attached(stripe: Gateway, attempt: Attempt, invoice_id: str, payment: str) -> bool:
    wanted = {"payment": {"type": "payment_intent", "payment_intent": payment}}
    payments = _payments_of(stripe, attempt, invoice_id, wanted)
    return any(one["payment"].get("payment_intent") == payment for one in payments)


def _payments_of(
    stripe: Gateway, attempt: Attempt, invoice_id: str, wanted: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    asked = {"invoice": invoice_id, **wanted}
    return stripe.pages(attempt, lambda v1, p: v1.invoice_payments.list(params=p), asked)


def _is_refunded(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> bool:
    """Whether the whole payment was refunded, so that nothing is left to credit."""
    record = ctx.records.get(quote_id)
    part = record.installment(session["number"]) if record else None
    if part is None or part.payment_id != session["payment_intent"] or part.amount_refunded is None:
        return False
    return part.amount_refunded >= to_major(session["amount_total"], session["currency"])


def _unattachable(work: Work, quote_id: str, session: Mapping[str, Any], attempt: Attempt) -> NeedsAttention:
    invoice = retrieve_invoice(work.stripe, attempt, session["invoice_id"])
    money = invoice["currency"]
    work.ctx.records.update(
        quote_id,
        lambda r: payment_seen(invoice_seen(r, invoice, work.stripe.account), session["number"], session),
    )
    paid = f"{shown(session['amount_total'], session['currency'])} ({session['payment_intent']})"
    rest = f" with {shown(invoice['amount_remaining'], money)} left to pay" if invoice["status"] == "open" else ""
    return NeedsAttention(
        f"The customer paid {paid}, but Stripe does not credit it to invoice {invoice['id']}, "
        f"which is {invoice['status']}{rest}.",
        hint="Look at both in the Stripe Dashboard: refund the payment, or attach it where that is possible; then "
        "retry the run, or dismiss it.",
        code="payment_not_attached",
    )


def close_links(work: Work, quote_id: str) -> list[str]:
    """Expire every open link of an invoice with nothing left to pay; return a sentence for each.

    Attach the payment of a link that was paid so long ago that no webhook will report it any more.
    Raises: NeedsAttention as ``attach_payment``.
    """
    links = work.ctx.step("links.left", partial(links_left, work, quote_id))
    ended = {session_id: (number, expire_link(work, quote_id, number, session_id)) for number, session_id in links}
    if paid := [session_id for session_id, (_, end) in ended.items() if end == "complete"]:
        for session_id in work.ctx.step("links.unreported", lambda _: _unreported(work.ctx, quote_id, paid)):
            event = {"id": session_id, "metadata": {"qwoty_installment": str(ended[session_id][0])}}
            session = look_at_session(work, quote_id, event, name="session.unreported")
            if session["payment_status"] == "paid":
                attach_payment(work, quote_id, session)
    return [
        f"The payment link of installment {number} was closed." for number, end in ended.values() if end == "expired"
    ]


def _unreported(ctx: HookContext, quote_id: str, paid: Sequence[str]) -> list[str]:
    """Return which of these paid sessions are so old that Stripe does not deliver their events any more."""
    record, latest = ctx.records.get(quote_id), ctx.clock.now() - _DELIVERED_FOR
    ends = {part.session_id: part.expires_at for part in (record.installments if record else ())}
    return [session_id for session_id in paid if (end := ends.get(session_id)) is not None and end < latest]


def look_at_invoice(work: Work, quote_id: str, invoice_id: str) -> QuoteRecord:
    """Fetch the invoice and put its state into the record. Raises: NeedsAttention if it is overpaid."""
    raise_if_overpaid(work.ctx, quote_id, see_invoice(work, quote_id, invoice_id))
    record = work.ctx.records.get(quote_id)
    assert record is not None, "the step above wrote it"
    return record


def see_invoice(work: Work, quote_id: str, invoice_id: str) -> dict[str, Any] | None:
    """Fetch the invoice and put its state into the record; return the argument of ``raise_if_overpaid``."""

    def look(attempt: Attempt) -> dict[str, Any] | None:
        invoice = retrieve_invoice(work.stripe, attempt, invoice_id)
        record = work.ctx.records.update(quote_id, lambda r: invoice_seen(r, invoice, work.stripe.account))
        if outside_unknown(record):
            _note_outside(work, quote_id, invoice, attempt)
        return _new_overpayment(work.ctx, quote_id, invoice)

    overpayment: dict[str, Any] | None = work.ctx.step(f"invoice:{invoice_id}", look)
    return overpayment


def _note_outside(work: Work, quote_id: str, invoice: Mapping[str, Any], attempt: Attempt) -> None:
    """Record how much was paid outside Stripe, if the key may read the invoice's payments."""
    try:
        payments = list(_payments_of(work.stripe, attempt, invoice["id"], {}))
    except PermissionMissing:
        return  # how much is paid is known, but not where
    work.ctx.records.update(quote_id, lambda r: outside_seen(record_or_new(r, invoice), payments))


def settled_outside(record: QuoteRecord) -> list[str]:
    """Return a sentence on what was paid outside Stripe, if anything was."""
    if not record.amount_paid_outside:
        return []
    amount = shown(to_minor(record.amount_paid_outside, record.currency, "What was paid"), record.currency)
    return [f"{amount} was settled outside Stripe."]


def _new_overpayment(ctx: HookContext, quote_id: str, invoice: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the facts of an overpayment that is not on record yet: only one run tells a person of it."""
    record = ctx.records.get(quote_id)
    if record is None or overpayment_seen(record, invoice) == record:
        return None
    return {name: invoice[name] for name in ("id", "amount_due", "amount_overpaid", "currency")}


def raise_if_overpaid(ctx: HookContext, quote_id: str, invoice: Mapping[str, Any] | None) -> None:
    """Record a new overpayment and raise NeedsAttention; do nothing without one."""
    if not invoice:
        return

    def note(_: Attempt) -> None:
        ctx.records.update(quote_id, lambda r: overpayment_seen(record_or_new(r, invoice), invoice))

    # A step of its own: if the run is cut short here, its next attempt still knows that it saw it first.
    ctx.step("overpaid", note)
    due, excess = (shown(invoice[name], invoice["currency"]) for name in ("amount_due", "amount_overpaid"))
    raise NeedsAttention(
        f"Invoice {invoice['id']} asked for {due} and was paid with {excess} too much, which Stripe put on the "
        "customer's credit balance.",
        hint="Refund it in the Stripe Dashboard, or leave it there: it lowers the customer's next invoice.",
        code="overpaid",
    )


def note_failed_payment(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> None:
    """Record that a delayed payment failed, so that the installment can be sent again."""

    def note(_: Attempt) -> None:
        ctx.records.update(quote_id, lambda r: payment_failed(record_or_new(r, session), session["number"], session))

    ctx.step(f"failed:{session['id']}", note)
