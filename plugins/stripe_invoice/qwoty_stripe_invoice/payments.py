"""Attaching Checkout payments to their invoice, each exactly once (Stripe page, section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import Attempt, CredentialsError, HookContext, NeedsAttention, QuoteRecord

from .gateway import Gateway, StripeRefused
from .invoices import retrieve_invoice
from .ledger import invoice_seen, overpayment_seen, payment_failed, payment_seen, refund_seen, session_seen
from .money import shown


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
    if session.get("payment_intent"):
        remember_payment(ctx, quote_id, session["payment_intent"])
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


def attach_payment(ctx: HookContext, stripe: Gateway, quote_id: str, session: Mapping[str, Any]) -> QuoteRecord:
    """Credit a paid session to its invoice, once, and give the record.

    Raises: NeedsAttention when Stripe refuses, or credits more than was due.
    """
    found = ctx.step(
        f"attach:{session['payment_intent']}",
        lambda attempt: _attach(ctx, stripe, quote_id, session, attempt),
    )
    _tell_overpayment(ctx, quote_id, found)
    return there(ctx.records.get(quote_id), session)


def _attach(
    ctx: HookContext, stripe: Gateway, quote_id: str, session: Mapping[str, Any], attempt: Attempt
) -> dict[str, Any] | None:
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
                raise _unattachable(ctx, stripe, quote_id, session, attempt) from error
    seen = invoice or retrieve_invoice(stripe, attempt, invoice_id)
    ctx.records.update(
        quote_id,
        lambda r: payment_seen(invoice_seen(r, seen, stripe.account), session["number"], session),
    )
    return _new_overpayment(ctx, quote_id, seen)


def _is_attached(stripe: Gateway, attempt: Attempt, invoice_id: str, payment: str) -> bool:
    wanted = {"invoice": invoice_id, "payment": {"type": "payment_intent", "payment_intent": payment}}
    found = stripe.pages(attempt, lambda v1, p: v1.invoice_payments.list(params=p), wanted)
    return any(one["payment"].get("payment_intent") == payment for one in found)


def _unattachable(
    ctx: HookContext, stripe: Gateway, quote_id: str, session: Mapping[str, Any], attempt: Attempt
) -> NeedsAttention:
    invoice = retrieve_invoice(stripe, attempt, session["invoice_id"])
    money = invoice["currency"]
    ctx.records.update(
        quote_id,
        lambda r: payment_seen(invoice_seen(r, invoice, stripe.account), session["number"], session),
    )
    paid = f"{shown(session['amount_total'], session['currency'])} ({session['payment_intent']})"
    rest = f" with {shown(invoice['amount_remaining'], money)} left to pay" if invoice["status"] == "open" else ""
    return NeedsAttention(
        f"The customer paid {paid}, but Stripe does not credit it to invoice {invoice['id']}, "
        f"which is {invoice['status']}{rest}.",
        hint="Look at both in the Stripe Dashboard: attach the payment there, or refund it.",
        code="payment_not_attached",
    )


def look_at_invoice(ctx: HookContext, stripe: Gateway, quote_id: str, invoice_id: str) -> QuoteRecord:
    """Fetch the invoice afresh and put its state into the record. Raises: NeedsAttention when it is overpaid."""

    def look(attempt: Attempt) -> dict[str, Any] | None:
        invoice = retrieve_invoice(stripe, attempt, invoice_id)
        ctx.records.update(quote_id, lambda r: invoice_seen(r, invoice, stripe.account))
        return _new_overpayment(ctx, quote_id, invoice)

    _tell_overpayment(ctx, quote_id, ctx.step(f"invoice:{invoice_id}", look))
    record = ctx.records.get(quote_id)
    assert record is not None, "the step above wrote it"
    return record


def _new_overpayment(ctx: HookContext, quote_id: str, invoice: Mapping[str, Any]) -> dict[str, Any] | None:
    """The facts of an overpayment that is not on record yet, so that one run tells a person of it, and only one."""
    record = ctx.records.get(quote_id)
    if record is None or overpayment_seen(record, invoice) == record:
        return None
    return {name: invoice[name] for name in ("id", "amount_due", "amount_overpaid", "currency")}


def _tell_overpayment(ctx: HookContext, quote_id: str, invoice: Mapping[str, Any] | None) -> None:
    if not invoice:
        return
    # A step of its own: a run that is cut short before it ends still knows that it was the first to see it.
    ctx.step(
        "overpaid",
        lambda _: ctx.records.update(quote_id, lambda r: overpayment_seen(there(r, invoice), invoice)) and None,
    )
    due, excess = (shown(invoice[name], invoice["currency"]) for name in ("amount_due", "amount_overpaid"))
    raise NeedsAttention(
        f"Invoice {invoice['id']} asked for {due} and was paid with {excess} too much, which Stripe put on the "
        "customer's credit balance.",
        hint="Refund it in the Stripe Dashboard, or leave it there: it lowers the customer's next invoice.",
        code="overpaid",
    )


def note_failed_payment(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> None:
    """A delayed payment failed: the installment can be asked for again."""
    ctx.step(
        f"failed:{session['id']}",
        lambda _: (
            ctx.records.update(quote_id, lambda r: payment_failed(there(r, session), session["number"], session))
            and None
        ),
    )


def remember_payment(ctx: HookContext, quote_id: str, payment: str) -> None:
    """Keep whose payment it is: a refund names nothing but the payment. Call it inside a step."""
    ctx.state.set(f"payment:{payment}", {"quote_id": quote_id})


def note_refund(ctx: HookContext, quote_id: str, charge: Mapping[str, Any]) -> str:
    """Put a refund into the record and say so.

    All of it is read from the signed event: reading charges needs a permission that the key is not asked for.
    """
    payment, refunded = str(charge["payment_intent"]), int(charge["amount_refunded"])
    number: int = ctx.step(
        f"refund:{payment}:{refunded}", lambda _: _note_refund(ctx, quote_id, charge, payment, refunded)
    )
    of = f", of installment {number}," if number else ""
    paid, back = (shown(amount, charge["currency"]) for amount in (charge["amount"], refunded))
    return f"A refund on payment {payment}{of} was made: {back} of {paid} so far. The invoice stays as it is."


def _note_refund(ctx: HookContext, quote_id: str, charge: Mapping[str, Any], payment: str, refunded: int) -> int:
    """Give the number of the installment; 0 when the payment is of none, as those of the hosted page."""
    record = ctx.records.get(quote_id)
    parts = record.installments if record else ()
    of_payment = (part.number for part in parts if part.payment_id == payment)
    # The refund may be told before the payment is: then the charge's metadata, copied from ours, tells the number.
    unpaid = (part.number for part in parts if part.payment_id is None and part.number == installment_of(charge))
    number = next(of_payment, None) or next(unpaid, 0)
    if number:
        ctx.records.update(quote_id, lambda r: refund_seen(there(r, charge), number, payment, refunded))
    return number


def installment_of(session: Mapping[str, Any]) -> int:
    """The installment that a session is for, from its metadata."""
    text = (session.get("metadata") or {}).get("qwoty_installment", "")
    return int(text) if text.isdigit() else 0


def there(record: QuoteRecord | None, session: Mapping[str, Any]) -> QuoteRecord:
    """The record, or a new one when the payment arrives before our own answer was stored."""
    return record or QuoteRecord(currency=str(session.get("currency") or "").upper())
