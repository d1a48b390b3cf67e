"""Attaching Checkout payments to their invoice, each exactly once (Stripe page, section 11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, NeedsAttention, PermissionMissing, QuoteRecord

from .gateway import Gateway, StripeRefused
from .invoices import retrieve_invoice
from .ledger import invoice_seen, outside_seen, outside_unknown, overpayment_seen, payment_failed, payment_seen
from .money import shown, to_major, to_minor
from .sessions import there


def attach_payment(ctx: HookContext, stripe: Gateway, quote_id: str, session: Mapping[str, Any]) -> QuoteRecord:
    """Credit a paid session to its invoice, once, and give the record.

    Raises: NeedsAttention when Stripe refuses, or credits more than was due.
    """
    found = ctx.step(
        f"attach:{session['payment_intent']}",
        lambda attempt: _attach(ctx, stripe, quote_id, session, attempt),
    )
    tell_overpayment(ctx, quote_id, found)
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
            if not _is_attached(stripe, attempt, invoice_id, payment) and not _is_refunded(ctx, quote_id, session):
                raise _unattachable(ctx, stripe, quote_id, session, attempt) from error
    seen = invoice or retrieve_invoice(stripe, attempt, invoice_id)
    ctx.records.update(
        quote_id,
        lambda r: payment_seen(invoice_seen(r, seen, stripe.account), session["number"], session),
    )
    return _new_overpayment(ctx, quote_id, seen)


def _is_attached(stripe: Gateway, attempt: Attempt, invoice_id: str, payment: str) -> bool:
    wanted = {"payment": {"type": "payment_intent", "payment_intent": payment}}
    found = _payments_of(stripe, attempt, invoice_id, wanted)
    return any(one["payment"].get("payment_intent") == payment for one in found)


def _payments_of(
    stripe: Gateway, attempt: Attempt, invoice_id: str, wanted: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    asked = {"invoice": invoice_id, **wanted}
    return stripe.pages(attempt, lambda v1, p: v1.invoice_payments.list(params=p), asked)


def _is_refunded(ctx: HookContext, quote_id: str, session: Mapping[str, Any]) -> bool:
    """Whether the whole payment was given back: then there is nothing left to credit."""
    record = ctx.records.get(quote_id)
    part = record.installment(session["number"]) if record else None
    if part is None or part.payment_id != session["payment_intent"] or part.amount_refunded is None:
        return False
    return part.amount_refunded >= to_major(session["amount_total"], session["currency"])


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
        hint="Look at both in the Stripe Dashboard: refund the payment, or attach it where that is possible; then "
        "retry the run, or dismiss it.",
        code="payment_not_attached",
    )


def look_at_invoice(ctx: HookContext, stripe: Gateway, quote_id: str, invoice_id: str) -> QuoteRecord:
    """Fetch the invoice afresh and put its state into the record. Raises: NeedsAttention when it is overpaid."""
    tell_overpayment(ctx, quote_id, see_invoice(ctx, stripe, quote_id, invoice_id))
    record = ctx.records.get(quote_id)
    assert record is not None, "the step above wrote it"
    return record


def see_invoice(ctx: HookContext, stripe: Gateway, quote_id: str, invoice_id: str) -> dict[str, Any] | None:
    """Fetch the invoice afresh and put its state into the record; give what ``tell_overpayment`` has to tell."""

    def look(attempt: Attempt) -> dict[str, Any] | None:
        invoice = retrieve_invoice(stripe, attempt, invoice_id)
        record = ctx.records.update(quote_id, lambda r: invoice_seen(r, invoice, stripe.account))
        if outside_unknown(record):
            _note_outside(ctx, stripe, quote_id, invoice, attempt)
        return _new_overpayment(ctx, quote_id, invoice)

    found: dict[str, Any] | None = ctx.step(f"invoice:{invoice_id}", look)
    return found


def _note_outside(
    ctx: HookContext, stripe: Gateway, quote_id: str, invoice: Mapping[str, Any], attempt: Attempt
) -> None:
    """Somebody paid otherwise than by our links: at Stripe, or outside it."""
    try:
        payments = list(_payments_of(stripe, attempt, invoice["id"], {}))
    except PermissionMissing:
        return  # what is paid is known, only not where
    ctx.records.update(quote_id, lambda r: outside_seen(there(r, invoice), payments))


def settled_outside(record: QuoteRecord) -> list[str]:
    """Say what was settled outside Stripe, if anything was."""
    if not record.amount_paid_outside:
        return []
    amount = shown(to_minor(record.amount_paid_outside, record.currency, "What was paid"), record.currency)
    return [f"{amount} was settled outside Stripe."]


def _new_overpayment(ctx: HookContext, quote_id: str, invoice: Mapping[str, Any]) -> dict[str, Any] | None:
    """The facts of an overpayment that is not on record yet, so that one run tells a person of it, and only one."""
    record = ctx.records.get(quote_id)
    if record is None or overpayment_seen(record, invoice) == record:
        return None
    return {name: invoice[name] for name in ("id", "amount_due", "amount_overpaid", "currency")}


def tell_overpayment(ctx: HookContext, quote_id: str, invoice: Mapping[str, Any] | None) -> None:
    """Raises: NeedsAttention, for what is new of it."""
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
