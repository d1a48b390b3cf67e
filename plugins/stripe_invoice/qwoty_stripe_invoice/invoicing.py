"""From an accepted quote to its invoice: the order of the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qwoty_integrations_host import Contact, HookContext, NeedsAttention, Outcome, Quote

from .check import Verdict, compare
from .customers import resolve_customer
from .delivery import no_key_for, require_for_delivery
from .drafts import Drafts
from .endpoint import ensure_endpoint
from .gateway import Gateway
from .invoices import Invoice
from .money import shown
from .payment_links import PaymentLink
from .plan import InvoicePlan, NothingToInvoice, make_plan
from .settings import StripeSettings
from .tax_rates import TaxRates


def invoice_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Turn the quote into an invoice as the settings say. Everything that can be refused is refused first."""
    settings = StripeSettings.of(ctx.settings)
    key = settings.key_for(quote.business_unit.id if quote.business_unit else None)
    if key is None:
        return Outcome.skipped(no_key_for(quote))
    stripe = Gateway(key, workspace=ctx.workspace, pace=ctx.pace)
    drafts = Drafts(ctx, stripe, quote.id)
    try:
        plan = make_plan(quote)
        quote, contact, about_addresses = require_for_delivery(ctx, quote, settings.delivery)
    except NeedsAttention as error:
        # An earlier version of the quote could be invoiced; this one cannot.
        if gone := drafts.discard_unless(quote.version):
            return Outcome.needs_attention(error.code, error.title, *gone, hint=error.hint)
        raise
    if isinstance(plan, NothingToInvoice):
        return Outcome.skipped(plan.reason, *drafts.discard_unless(quote.version))
    if settings.delivery == "link" and quote.installments:
        ensure_endpoint(ctx, stripe)
    plan = replace(plan, notes=(*plan.notes, *about_addresses))
    return _make_invoice(ctx, stripe, settings, quote, plan, contact, drafts)


def _make_invoice(
    ctx: HookContext,
    stripe: Gateway,
    settings: StripeSettings,
    quote: Quote,
    plan: InvoicePlan,
    contact: Contact,
    drafts: Drafts,
) -> Outcome:
    looking = TaxRates(ctx, stripe, plan.rates)
    customer, found = resolve_customer(ctx, stripe, quote, contact, meanwhile=looking.read_ahead)
    rates = looking.resolve()
    found = [*found, *drafts.discard_unless(quote.version, customer)]
    invoice = Invoice(ctx, stripe, quote, plan, customer, rates)
    draft = invoice.create_draft()
    facts = invoice.add_lines(draft["id"], adopted=draft["adopted"])
    checked = _check(invoice, draft["id"], facts, rounding_line=settings.rounding_line)
    notes = (*plan.notes, *checked.notes, *found, *_left_behind(draft["out_of_reach"]))
    if checked.problem:
        return _differs(checked.problem, notes)
    if not settings.finalizes:
        return Outcome.done(_as_it_is(facts["status"]), *notes)
    if plan.is_too_small and facts["status"] == "draft":
        return _too_small(plan, notes)
    if settings.delivery == "email" and not facts.get("customer_email", contact.email):
        return Outcome.needs_attention(
            "email_missing",
            f"The Stripe customer {customer} has no e-mail address, so Stripe cannot send the invoice.",
            *notes,
            hint="Add one in the Stripe Dashboard, then retry the run.",
        )
    final = invoice.finalize(draft["id"])
    balance = _balance_used(final, plan.currency)
    return Outcome.done(*_deliver(ctx, stripe, settings, quote, contact, invoice, final), *balance, *notes)


def _left_behind(draft: str) -> list[str]:
    if not draft:
        return []
    return [f"The draft {draft} of an earlier attempt is gone, or was made with another key and is still there."]


def _as_it_is(status: str) -> str:
    if status == "draft":
        return "The invoice was left as a draft; nothing was sent."
    return f"The invoice is {status} already, from an earlier attempt; nothing more was done."


def _too_small(plan: InvoicePlan, notes: tuple[str, ...]) -> Outcome:
    """Stripe would mark it paid, and put what was not paid on the customer's balance (Stripe page, section 10)."""
    return Outcome.needs_attention(
        "amount_too_small",
        f"The total ({shown(plan.signed_total, plan.currency)}) is below the smallest payment that Stripe takes.",
        *notes,
        hint="The invoice is left as a draft, since Stripe would call it paid. Collect the amount another way.",
    )


def _balance_used(final: Mapping[str, Any], currency: str) -> list[str]:
    """Say how the customer's balance changed what is due: the customer signed one amount and pays another."""
    due = shown(final["amount_due"], currency)
    # Stripe does not ask for less than its smallest payment, but adds it to what the customer owes.
    carried = max(final.get("ending_balance") or 0, 0)
    credit = final["total"] - final["amount_due"] - carried
    if credit < 0 < final["amount_due"]:
        return [f"The customer's debt at Stripe raises what is due by {shown(-credit, currency)}, to {due}."]
    notes = []
    if credit > 0:
        left = shown(final["amount_due"] + carried, currency)
        notes.append(f"The customer's credit balance lowers what is due by {shown(credit, currency)}, to {left}.")
    if carried:
        less = f"{shown(carried, currency)} are less than Stripe's smallest payment"
        notes.append(f"{less}: Stripe calls the invoice paid and adds them to the customer's balance as a debt.")
    return notes


# -- the check before anything is final -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of the comparison: ``problem`` says why the invoice must not become final; empty when it may."""

    problem: str = ""
    notes: tuple[str, ...] = ()


def _check(invoice: Invoice, invoice_id: str, facts: Mapping[str, Any], *, rounding_line: bool) -> _Checked:
    """Compare the draft with the plan and the quote, and let a rounding line make the total equal where it may."""
    plan = invoice.plan
    exempt = facts.get("customer_tax_exempt")
    verdict = compare(plan, subtotal=facts["subtotal"], total=facts["total"], tax_exempt=exempt)
    order = (_REORDERED,) if facts.get("reordered") else ()
    if facts.get("again") or verdict.kind == "different":
        # Not fresh from our own hands, or not as it should be: look at every line.
        there = invoice.look_at_lines(invoice_id)
        rounding = there["rounding"]
        subtotal, total = facts["subtotal"] - rounding, facts["total"] - rounding
        verdict = compare(plan, subtotal=subtotal, total=total, tax_exempt=exempt)
        if there["differences"]:
            verdict = replace(verdict, kind="different", sentences=(*verdict.sentences, *there["differences"]))
        if verdict.kind != "different" and rounding == verdict.amount and (rounding_line or not rounding):
            return _Checked(notes=(*_rounded(plan, verdict), *order))
        if rounding:
            verdict = replace(verdict, kind="different")
    if verdict.kind == "rounding" and rounding_line and facts["status"] == "draft":
        facts = invoice.add_rounding(invoice_id, verdict.amount, one_by_one="one_by_one" in facts)
        if facts["total"] == plan.signed_total:
            return _Checked(notes=(*_rounded(plan, verdict), *order))
    if verdict.kind == "equal":
        return _Checked(notes=order)
    if verdict.kind == "rounding" and not rounding_line:
        line = shown(verdict.amount, plan.currency)
        off = f"One untaxed line of {line} would make the total equal, but rounding lines are off in the settings."
        verdict = replace(verdict, sentences=(off, *verdict.sentences))
    return _Checked(_problem(plan, facts), (*verdict.sentences, *order))


_REORDERED = "Stripe shows the lines in another order than the quote's; the figures are the same."


def _rounded(plan: InvoicePlan, verdict: Verdict) -> tuple[str, ...]:
    if verdict.kind == "equal":
        return ()
    line, by = shown(verdict.amount, plan.currency), shown(abs(verdict.amount), plan.currency)
    tax, subtotal = ("more", "less") if verdict.amount < 0 else ("less", "more")
    parts = f"against the quote, the tax is {by} {tax} and the subtotal {by} {subtotal}"
    return (f"One untaxed line of {line} makes the total equal the signed quote's: {parts}.", *verdict.sentences)


def _problem(plan: InvoicePlan, facts: Mapping[str, Any]) -> str:
    # An adopted invoice may have been made final by hand: then no word may promise that it can still be changed.
    status = facts["status"]
    becomes = "it stays a draft" if status == "draft" else f"it is {status} already, and nothing was sent"
    signed, there = shown(plan.signed_total, plan.currency), shown(facts["total"], plan.currency)
    if there == signed:
        return f"The total is {signed}, as signed, but what it is made of is not; {becomes}."
    return f"Stripe computes {there}, the signed quote says {signed}; {becomes}."


def _differs(problem: str, notes: tuple[str, ...]) -> Outcome:
    return Outcome.needs_attention(
        "totals_differ",
        problem,
        *notes,
        hint="Compare the invoice in the Stripe Dashboard with the quote. Correct the quote and accept it again, or "
        "undo by hand what was changed by hand; then retry the run.",
    )


# -- delivery -------------------------------------------------------------------------------------------


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
    return [PaymentLink(ctx, stripe, quote, contact, 1).send(pdf_url=invoice.pdf_url).sentence]
