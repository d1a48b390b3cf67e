"""Send the payment link of one installment: choose it, check that it is still due, make and mail its link."""

from __future__ import annotations

from qwoty_integrations_host import (
    ActionRefused,
    Attempt,
    HookContext,
    InstallmentRequest,
    Outcome,
    Quote,
    pick_installment,
)

from .delivery_checks import no_key_for, require_for_delivery
from .endpoint import ensure_endpoint
from .outdated_drafts import refuse_other_version
from .payment_links import PaymentLink
from .payments import attach_payment, close_links, look_at_invoice
from .sessions import look_at_session
from .work import Work


def send_installment(ctx: HookContext, request: InstallmentRequest) -> Outcome:
    """Mail a link for an installment, after checking at Stripe that it can still be paid."""
    quote = request.quote
    work = Work.for_quote(ctx, quote)
    if work is None:
        raise ActionRefused(no_key_for(quote).title, hint="Put the key back, then send the installment again.")
    _refresh(work, quote.id)
    number, open_before = ctx.step("installment", lambda attempt: _choose(ctx, quote, request.number, attempt))
    quote, contact, notes = require_for_delivery(ctx, quote, "link")
    ensure_endpoint(work)
    link = PaymentLink(work, quote, contact, number)
    if open_before:
        _close(work, link, quote.id, number, open_before)
    sent = link.send()
    return Outcome.done(sent.sentence, *notes) if sent.possible else Outcome.skipped(sent.sentence)


def _refresh(work: Work, quote_id: str) -> None:
    """Fetch the invoice and every link that may have been paid meanwhile: a webhook may have been lost."""
    record = work.ctx.records.get(quote_id)
    if record is None or record.invoice is None:
        raise ActionRefused("There is no invoice yet.", hint="Links are sent for open invoices only.")
    if not look_at_invoice(work, quote_id, record.invoice.id).awaits_payment:
        close_links(work, quote_id)
    pending = work.ctx.step("links", lambda _: _pending_sessions(work.ctx, quote_id))
    for session_id, installment in pending:
        event = {"id": session_id, "metadata": {"qwoty_installment": str(installment)}}
        session = look_at_session(work, quote_id, event)
        if session["payment_status"] == "paid":
            attach_payment(work, quote_id, session)


def _pending_sessions(ctx: HookContext, quote_id: str) -> list[tuple[str, int]]:
    record = ctx.records.get(quote_id)
    parts = record.installments if record else ()
    return [(p.session_id, p.number) for p in parts if p.session_id and p.status in {"sent", "processing"}]


def _choose(ctx: HookContext, quote: Quote, wanted: int | None, attempt: Attempt) -> tuple[int, str | None]:
    """Choose the installment to send from the refreshed record; return it, and the open link that it replaces.

    A link that an earlier attempt of this run made is not replaced: it may have been mailed.
    """
    record = ctx.records.get(quote.id)
    assert record is not None
    refuse_other_version(record.invoice, quote)
    now, place = ctx.clock.now(), f"installment:{quote.id}"
    number = pick_installment(record, wanted, now)
    part = record.installment(number)
    links = part.links if part else 0
    chosen = {"run": ctx.run_id, "number": number}
    before = (ctx.state.get(place) or {}) if attempt.repeated else {}
    if chosen.items() <= before.items():
        links = before["links"]
    else:
        ctx.state.set(place, {**chosen, "links": links})
    return number, part.session_id if part and part.is_open(now) and part.links == links else None


def _close(work: Work, link: PaymentLink, quote_id: str, number: int, session_id: str) -> None:
    """Expire the open link; if the customer has paid by it meanwhile, attach the payment. Raises: ActionRefused."""
    if link.expire(session_id) != "complete":
        return
    event = {"id": session_id, "metadata": {"qwoty_installment": str(number)}}
    session = look_at_session(work, quote_id, event, name="session.completed")
    if session["payment_status"] == "paid":
        attach_payment(work, quote_id, session)
        raise ActionRefused(f"Installment {number} has just been paid.", hint="Send the next one, if there is one.")
    raise ActionRefused(f"The payment of installment {number} is being processed.", hint="Wait for it to end.")
