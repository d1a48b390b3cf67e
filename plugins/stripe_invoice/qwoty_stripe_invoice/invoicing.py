"""From an accepted quote to its invoice, and from an installment to its link: the order of the steps."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from qwoty_integrations_host import (
    ActionRefused,
    Contact,
    HookContext,
    InstallmentRequest,
    NeedsAttention,
    Outcome,
    Preview,
    PreviewLine,
    Quote,
    QuoteRecord,
    pick_installment,
)

from .check import Verdict, compare
from .customers import billing_contact, resolve_customer
from .drafts import discard_stale_draft
from .endpoint import ensure_endpoint, require_public_url
from .gateway import Gateway
from .invoices import Invoice
from .ledger import due_date
from .money import shown, split, to_major
from .payment_links import PaymentLink
from .payments import attach_payment, look_at_invoice, look_at_session
from .plan import InvoicePlan, NothingToInvoice, make_plan
from .settings import StripeSettings
from .tax_rates import resolve_tax_rates

#: Stripe's smallest payment in minor units, where its pages name one (Stripe page, section 16).
_LEAST_PAYMENT = {"EUR": 50, "USD": 50}


def invoice_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Turn the quote into an invoice as the settings say. Everything that can be refused is refused first."""
    settings = StripeSettings.of(ctx.settings)
    key = settings.key_for(quote.business_unit.id if quote.business_unit else None)
    if key is None:
        return Outcome.skipped(_no_key(quote))
    plan = make_plan(quote)
    if isinstance(plan, NothingToInvoice):
        return Outcome.skipped(plan.reason)
    contact = billing_contact(quote)
    _require_for_delivery(ctx, settings.delivery, contact, has_terms=bool(quote.installments))
    stripe = Gateway(key, workspace=ctx.workspace)
    if settings.delivery == "link" and quote.installments:
        ensure_endpoint(ctx, stripe)
    return _make_invoice(ctx, stripe, settings, quote, plan, contact)


def _no_key(quote: Quote) -> str:
    if quote.business_unit is None:
        return "The quote names no business unit, and the integration has a key per business unit: no invoice."
    return f"No Stripe key is set for business unit {quote.business_unit.id!r}: no invoice."


def _require_for_delivery(ctx: HookContext, delivery: str, contact: Contact, *, has_terms: bool = True) -> None:
    if delivery == "link":
        require_public_url(ctx)
    if (delivery == "email" or (delivery == "link" and has_terms)) and not contact.email:
        raise NeedsAttention(
            f"The invoice is to be sent, but contact {contact.id!r} has no e-mail address.",
            hint="Add one in Qwoty and accept the quote again, or switch sending off.",
            code="email_missing",
        )


def _make_invoice(
    ctx: HookContext,
    stripe: Gateway,
    settings: StripeSettings,
    quote: Quote,
    plan: InvoicePlan,
    contact: Contact,
) -> Outcome:
    customer, found = resolve_customer(ctx, stripe, quote, contact)
    rates = resolve_tax_rates(ctx, stripe, plan.rates)
    invoice = Invoice(ctx, stripe, quote, plan, customer, rates)
    gone = discard_stale_draft(ctx, stripe, quote.id, invoice.plan_digest)
    draft = invoice.create_draft(replaces=gone)
    facts = invoice.add_lines(draft["id"], adopted=draft["adopted"])
    notes = (*plan.notes, *found)
    verdict = compare(plan, subtotal=facts["subtotal"], total=facts["total"])
    if verdict.kind == "rounding" and settings.rounding_line and facts["status"] == "draft":
        facts = invoice.add_rounding(draft["id"], verdict.amount, one_by_one="one_by_one" in facts)
        notes = (_rounded(plan, verdict), *verdict.sentences, *notes)
    if facts["total"] != plan.signed_total:
        return _totals_differ(plan, facts["total"], (*verdict.sentences, *invoice.differences(draft["id"]), *notes))
    if not settings.finalizes:
        return Outcome.done(_as_it_is(facts["status"]), *notes)
    if settings.delivery == "email" and not facts.get("customer_email", contact.email):
        return Outcome.needs_attention(
            "email_missing",
            f"The Stripe customer {customer} has no e-mail address, so Stripe cannot send the invoice.",
            *notes,
            hint="Add one in the Stripe Dashboard, then retry the run.",
        )
    if settings.delivery == "link" and quote.installments:
        _refuse_unpayable_link(plan, quote)
    final = invoice.finalize(draft["id"])
    return Outcome.done(*_deliver(ctx, stripe, settings, quote, contact, invoice, final), *notes)


def _as_it_is(status: str) -> str:
    if status == "draft":
        return "The invoice was left as a draft; nothing was sent."
    return f"The invoice is {status} already, from an earlier attempt; nothing more was done."


def _refuse_unpayable_link(plan: InvoicePlan, quote: Quote) -> None:
    """A link below Stripe's smallest payment would be refused only when the invoice is final already."""
    least = _LEAST_PAYMENT.get(plan.currency, 1)
    first, *_ = split(plan.signed_total, [term.percentage for term in quote.installments])
    # A total that is itself below the least is settled by Stripe when the invoice becomes final.
    if first < least <= plan.signed_total:
        raise NeedsAttention(
            f"The first installment ({shown(first, plan.currency)}) is below the smallest payment that Stripe takes.",
            hint="The invoice is left as a draft. Finalize it in Stripe, or invoice with other payment terms.",
            code="amount_too_small",
        )


def _rounded(plan: InvoicePlan, verdict: Verdict) -> str:
    return (
        f"One untaxed line of {shown(verdict.amount, plan.currency)} makes the total equal the signed quote's: "
        "the tax was rounded in another place."
    )


def _totals_differ(plan: InvoicePlan, at_stripe: int, notes: tuple[str, ...]) -> Outcome:
    signed = shown(plan.signed_total, plan.currency)
    return Outcome.needs_attention(
        "totals_differ",
        f"Stripe computes {shown(at_stripe, plan.currency)}, the signed quote says {signed}; it stays a draft.",
        *notes,
        hint="Compare the draft in the Stripe Dashboard with the quote. Correct the quote, or the draft by hand.",
    )


def _deliver(
    ctx: HookContext,
    stripe: Gateway,
    settings: StripeSettings,
    quote: Quote,
    contact: Contact,
    invoice: Invoice,
    final: dict[str, object],
) -> list[str]:
    """Do the one action that the settings ask for, and say what was done."""
    if final["status"] == "paid":
        return ["Nothing is left to pay, so the invoice is paid at once; nothing was sent."]
    if settings.delivery == "email":
        invoice.send(str(final["id"]))
        by_mail = f"Stripe was asked to e-mail the invoice to {final.get('customer_email') or contact.email}."
        return [by_mail] if stripe.live else [by_mail, "In test mode Stripe sends no e-mail."]
    if settings.delivery == "none":
        return ["The invoice is open; nothing was sent, as set."]
    if not quote.installments:
        return ["The quote has no payment terms: the invoice is open, no link was made and no mail sent."]
    PaymentLink(ctx, stripe, quote, contact, 1).send(pdf_url=invoice.pdf_url)
    return [f"A payment link for installment 1 of {len(quote.installments)} was mailed to {contact.email}."]


# -- installments -------------------------------------------------------------------------------------


def send_installment(ctx: HookContext, request: InstallmentRequest) -> Outcome:
    """Mail a link for an installment, after looking at Stripe whether that is still possible."""
    quote = request.quote
    key = StripeSettings.of(ctx.settings).key_for(quote.business_unit.id if quote.business_unit else None)
    contact = billing_contact(quote)
    _require_for_delivery(ctx, "link", contact)
    if key is None:
        raise ActionRefused(_no_key(quote))
    stripe = Gateway(key, workspace=ctx.workspace)
    record = _refresh(ctx, stripe, quote.id)
    number, open_before = ctx.step("installment", lambda _: _choose(ctx, quote.id, request.number))
    ensure_endpoint(ctx, stripe)
    link = PaymentLink(ctx, stripe, quote, contact, number)
    if open_before:
        _close(ctx, stripe, link, quote.id, number, open_before)
    link.send()
    parts = len(record.installments)
    return Outcome.done(f"A payment link for installment {number} of {parts} was mailed to {contact.email}.")


def _refresh(ctx: HookContext, stripe: Gateway, quote_id: str) -> QuoteRecord:
    """Look at the invoice and at every link that may have been paid meanwhile; a lost webhook is made good."""
    record = ctx.records.get(quote_id)
    if record is None or record.invoice is None:
        raise ActionRefused("There is no invoice yet.", hint="Links are sent for open invoices only.")
    look_at_invoice(ctx, stripe, quote_id, record.invoice.id)
    pending = ctx.step("links", lambda _: _pending_sessions(ctx, quote_id))
    for session_id, installment in pending:
        event = {"id": session_id, "metadata": {"qwoty_installment": str(installment)}}
        session = look_at_session(ctx, stripe, quote_id, event)
        if session["payment_status"] == "paid":
            attach_payment(ctx, stripe, quote_id, session)
    refreshed = ctx.records.get(quote_id)
    assert refreshed is not None
    return refreshed


def _pending_sessions(ctx: HookContext, quote_id: str) -> list[tuple[str, int]]:
    record = ctx.records.get(quote_id)
    parts = record.installments if record else ()
    return [(p.session_id, p.number) for p in parts if p.session_id and p.status in {"sent", "processing"}]


def _choose(ctx: HookContext, quote_id: str, wanted: int | None) -> tuple[int, str | None]:
    """Decide on fresh facts which installment can be sent, and give the open link that it replaces."""
    record = ctx.records.get(quote_id)
    assert record is not None
    now = ctx.clock.now()
    number = pick_installment(record, wanted, now)
    part = record.installment(number)
    return number, part.session_id if part and part.is_open(now) else None


def _close(ctx: HookContext, stripe: Gateway, link: PaymentLink, quote_id: str, number: int, session_id: str) -> None:
    """Expire the open link; if the customer was faster, take the payment instead of asking for it twice."""
    if link.expire(session_id) != "complete":
        return
    event = {"id": session_id, "metadata": {"qwoty_installment": str(number)}}
    session = look_at_session(ctx, stripe, quote_id, event, name="session.completed")
    if session["payment_status"] == "paid":
        attach_payment(ctx, stripe, quote_id, session)
        raise ActionRefused(f"Installment {number} has just been paid.")
    raise ActionRefused(f"The payment of installment {number} is being processed.", hint="Wait for it to end.")


# -- preview ------------------------------------------------------------------------------------------


def preview(ctx: HookContext, quote: Quote) -> Preview | Outcome:
    """The plan in the host's form; no network."""
    settings = StripeSettings.of(ctx.settings)
    unit = quote.business_unit.id if quote.business_unit else None
    if settings.token_scope == "business_unit" and settings.key_for(unit) is None:
        return Outcome.skipped(_no_key(quote))
    plan = make_plan(quote)
    if isinstance(plan, NothingToInvoice):
        return Outcome.skipped(plan.reason)
    money = plan.currency
    return Preview(
        currency=money,
        lines=tuple(
            PreviewLine(
                key=line.key,
                description=line.description,
                amount=to_major(line.amount, money),
                taxes=tuple(f"{plan.rates[rate].display_name} {rate.percentage:f} %" for rate in line.rates),
            )
            for line in plan.lines
        ),
        subtotal=to_major(plan.subtotal, money),
        tax=to_major(plan.tax, money),
        total=to_major(plan.total, money),
        signed_total=to_major(plan.signed_total, money),
        installments=_previewed_installments(quote, plan, ctx.clock.now().date()),
        notes=plan.notes,
    )


def _previewed_installments(
    quote: Quote, plan: InvoicePlan, today: date
) -> tuple[tuple[int, Decimal, date | None], ...]:
    """The installments as they would be if the invoice were made today."""
    terms = quote.installments
    shares = split(plan.signed_total, [term.percentage for term in terms]) if terms else []
    accepted = quote.accepted_at.date()
    return tuple(
        (number, to_major(share, plan.currency), due_date(term, accepted=accepted, invoiced=today))
        for number, (term, share) in enumerate(zip(terms, shares, strict=True), start=1)
    )
