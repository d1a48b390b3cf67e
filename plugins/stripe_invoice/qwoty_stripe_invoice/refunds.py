"""Record refunds that a person makes in the Dashboard; nothing else is done about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import HookContext

from .money import shown
from .record import record_or_new, refund_seen
from .sessions import installment_of


def note_refund(ctx: HookContext, quote_id: str, charge: Mapping[str, Any]) -> str:
    """Put a refund into the record and return a sentence about it.

    Everything is read from the signed event, so that the key needs no permission to read charges.
    """
    payment, refunded = str(charge["payment_intent"]), int(charge["amount_refunded"])
    number: int = ctx.step(
        f"refund:{payment}:{refunded}", lambda _: _note_refund(ctx, quote_id, charge, payment, refunded)
    )
    of = f", of installment {number}," if number else ""
    paid, back = (shown(amount, charge["currency"]) for amount in (charge["amount"], refunded))
    return f"A refund on payment {payment}{of} was made: {back} of {paid} so far. The invoice stays as it is."


def _note_refund(ctx: HookContext, quote_id: str, charge: Mapping[str, Any], payment: str, refunded: int) -> int:
    """Record the refund and return the installment's number; 0 without one, such as for Stripe's hosted page."""
    record = ctx.records.get(quote_id)
    parts = record.installments if record else ()
    of_payment = (part.number for part in parts if part.payment_id == payment)
    # The refund's event may come before the payment's. Then the number is in the charge's metadata, a copy of ours.
    unpaid = (part.number for part in parts if part.payment_id is None and part.number == installment_of(charge))
    number = next(of_payment, None) or next(unpaid, 0)
    if number:
        ctx.records.update(quote_id, lambda r: refund_seen(record_or_new(r, charge), number, payment, refunded))
    return number
