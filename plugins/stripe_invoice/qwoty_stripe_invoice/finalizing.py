"""Makes the invoice final, and has Stripe mail it (docs/notes/stripe.md#states-of-an-invoice)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qwoty_integrations_host import Attempt, NeedsAttention, RetryableError

from .comparison import line_differences
from .invoice_draft import InvoiceDraft
from .invoices import invoice_lines, require_status, retrieve_invoice
from .money import shown
from .plan_types import InvoicePlan
from .stripe_errors import StripeRefused
from .work import Work

#: How long Stripe is certain to know an idempotency key, in seconds: a day, less an hour for clocks and queues.
_KEYS_ARE_KNOWN_FOR = 24 * 3600 - 3600


def finalize(work: Work, draft: InvoiceDraft, invoice_id: str) -> dict[str, Any]:
    """Make the invoice final and return its facts; an invoice that is final already is a success."""
    facts: dict[str, Any] = work.ctx.step("finalize", lambda attempt: _finalize(work, draft, invoice_id, attempt))
    return facts


def _finalize(work: Work, draft: InvoiceDraft, invoice_id: str, attempt: Attempt) -> dict[str, Any]:
    if attempt.repeated or not draft.total_was_read:
        seen = require_status(work, attempt, draft.quote.id, invoice_id, {"draft", "open", "paid"})
        lines = invoice_lines(work.stripe, attempt, invoice_id)
        _refuse_if_changed(draft.plan, seen, line_differences(draft.plan, lines, draft.rates))
        if seen["status"] != "draft":
            return draft.note(seen)
    try:
        final = work.stripe.write(
            attempt,
            "fin",
            invoice_id,
            {"auto_advance": False},
            lambda v1, p, o: v1.invoices.finalize_invoice(invoice_id, params=p, options=o),
        )
    except StripeRefused:
        final = retrieve_invoice(work.stripe, attempt, invoice_id)
        if final["status"] not in {"open", "paid"}:
            raise
    facts = draft.note(final)
    # Compared once more: somebody may have added a line while we asked. Nothing has been sent yet.
    _refuse_if_changed(draft.plan, final)
    return facts


def _refuse_if_changed(plan: InvoicePlan, invoice: Mapping[str, Any], differences: Sequence[str] = ()) -> None:
    """Raise NeedsAttention if somebody changed the invoice after it was compared with the signed quote."""
    if invoice["total"] == plan.signed_total and not differences:
        return
    raise NeedsAttention(
        f"Invoice {invoice['id']} was changed in Stripe: it comes to {shown(invoice['total'], plan.currency)}, the "
        f"signed quote says {shown(plan.signed_total, plan.currency)}. Nothing was sent.",
        hint=" ".join(
            [*differences, "Undo the change, or delete the draft, in the Stripe Dashboard; then retry the run."]
        ),
        code="totals_differ",
        restart=True,
    )


def send(work: Work, quote_id: str, invoice_id: str) -> None:
    """Have Stripe mail the invoice, once.

    Raises: NeedsAttention when nobody can know whether an earlier attempt mailed it.
    """
    work.ctx.step("send", lambda attempt: _send(work, quote_id, invoice_id, attempt))


def _send(work: Work, quote_id: str, invoice_id: str, attempt: Attempt) -> None:
    age = (work.ctx.clock.now() - attempt.first_started_at).total_seconds()
    if attempt.repeated and age > _KEYS_ARE_KNOWN_FOR:
        # Stripe forgets idempotency keys after a day: asking again might mail again.
        raise NeedsAttention(
            "It is not known whether Stripe has mailed the invoice.",
            hint="Look at the invoice's events in the Stripe Dashboard, and send it there if it was not sent.",
            code="send_unsure",
        )
    if attempt.repeated:
        require_status(work, attempt, quote_id, invoice_id, {"open", "paid"})
    try:
        work.stripe.write(
            attempt,
            "send",
            invoice_id,
            {},
            lambda v1, p, o: v1.invoices.send_invoice(invoice_id, params=p, options=o),
        )
    except RetryableError as error:
        # Use the same key again. With a new key, Stripe would mail twice if the first request has worked.
        error.answered = False
        error.hint = (
            "It is not known whether Stripe has mailed the invoice: look at its events in the Stripe Dashboard "
            "before you retry the run."
        )
        raise
