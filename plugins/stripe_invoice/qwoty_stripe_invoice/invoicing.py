"""From an accepted quote to its invoice: the order of the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from qwoty_integrations_host import Contact, HookContext, NeedsAttention, Outcome, Quote

from .customer_data import is_same_email
from .customers import resolve_customer
from .delivery import Addressed, no_key_for, require_for_delivery
from .draft_check import Checked, check_draft, too_small
from .drafts import Drafts
from .endpoint import ensure_endpoint
from .gateway import Gateway
from .invoices import Invoice, taxes_told
from .money import shown
from .payment_links import PaymentLink
from .plan import make_plan
from .planned import InvoicePlan, NothingToInvoice
from .settings import StripeSettings
from .tax_rates import TaxRates
from .taxes import RateKey
from .ways import Way, as_made, ways


def invoice_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Turn the quote into an invoice as the settings say. Everything that can be refused is refused first."""
    settings = StripeSettings.of(ctx.settings)
    key = settings.key_for(quote.business_unit.id if quote.business_unit else None)
    if key is None:
        return no_key_for(quote)
    stripe = Gateway(key, workspace=ctx.workspace, pace=ctx.pace)
    drafts = Drafts(ctx, stripe, quote.id)
    try:
        plan = make_plan(quote)
        if isinstance(plan, NothingToInvoice):
            return Outcome.skipped(plan.reason, *drafts.discard_unless(quote.version))
        sequence = ways(plan, exact_tax=settings.exact_tax)
        to = require_for_delivery(ctx, quote, settings.delivery)
    except NeedsAttention as error:
        # An earlier version of the quote could be invoiced; this one cannot.
        if gone := drafts.discard_unless(quote.version):
            return Outcome.needs_attention(error.code, error.title, *gone, hint=error.hint)
        raise
    if settings.delivery == "link" and quote.installments:
        ensure_endpoint(ctx, stripe)
    return _make_invoice(ctx, stripe, settings, to, plan, sequence, drafts)


def _make_invoice(
    ctx: HookContext,
    stripe: Gateway,
    settings: StripeSettings,
    to: Addressed,
    plan: InvoicePlan,
    sequence: Sequence[Way],
    drafts: Drafts,
) -> Outcome:
    quote, contact, found = to
    looking = TaxRates(ctx, stripe, plan.rates)
    customer, whose = resolve_customer(ctx, stripe, quote, contact, meanwhile=looking.read_ahead)
    rates, noted = looking.resolve(quote.id)
    found = (*found, *whose, *noted, *drafts.discard_unless(quote.version, customer, sequence, plan))
    invoice, draft, facts, checked, more = _drafted(ctx, stripe, settings, quote, plan, sequence, customer, rates)
    notes = (*invoice.plan.notes, *checked.notes, *found, *more, *_left_behind(draft["out_of_reach"]))
    if checked.problem:
        return Outcome.needs_attention(checked.code, checked.problem, *notes, hint=checked.hint)
    if not settings.finalizes:
        return Outcome.done(_as_it_is(facts["status"]), *notes)
    if plan.is_too_small and facts["status"] == "draft":
        return too_small(plan, notes)
    if settings.delivery == "email" and not facts.get("customer_email", contact.email):
        return Outcome.needs_attention(
            "email_missing",
            f"The Stripe customer {customer} has no e-mail address, so Stripe cannot send the invoice.",
            *notes,
            hint="Add one in the Stripe Dashboard, then retry the run.",
        )
    addressed = facts.get("customer_email") or ""
    if settings.delivery == "email" and addressed and not is_same_email(addressed, contact.email):
        record = ctx.records.get(quote.id)
        is_final = record is not None and record.is_final
        return _other_address(customer, addressed, contact.email or "", notes, is_final=is_final)
    final = invoice.finalize(draft["id"])
    balance = _balance_used(final, plan.currency)
    return Outcome.done(*_deliver(ctx, stripe, settings, quote, contact, invoice, final), *balance, *notes)


class _Drafted(NamedTuple):
    """A draft that is whole, and what came of the check."""

    invoice: Invoice
    draft: Mapping[str, Any]
    facts: Mapping[str, Any]
    checked: Checked
    notes: tuple[str, ...]


def _drafted(
    ctx: HookContext,
    stripe: Gateway,
    settings: StripeSettings,
    quote: Quote,
    plan: InvoicePlan,
    sequence: Sequence[Way],
    customer: str,
    rates: Mapping[RateKey, str],
) -> _Drafted:
    """Make the draft in the first way that Stripe takes, or go on with the one that an earlier attempt made."""
    why: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    for number, way in enumerate(sequence):
        making = _told_apart(ctx, way) if number else ctx
        invoice = Invoice(ctx, stripe, quote, way, customer, rates, making=making)
        draft = invoice.create_draft(why)
        made = taxes_told(draft)
        later = sequence[number + 1 :]
        if made in [other.name for other in later]:
            continue  # an earlier attempt came further
        if made != way.name:
            invoice = Invoice(ctx, stripe, quote, as_made(plan, made), customer, rates, making=making)
        facts = invoice.add_lines(draft["id"], adopted=draft["adopted"])
        is_last = not later or facts.get("status", "draft") != "draft"
        checked = check_draft(invoice, draft["id"], facts, rounding_line=settings.rounding_line, is_last=is_last)
        if not checked.next_way:
            break
        why = (*why, *checked.notes)
        gone = (*gone, *Drafts(_told_apart(ctx, later[0]), stripe, quote.id).discard())
    if checked.code == "too_many_lines":
        # Without any line it is of no use to anybody.
        gone = (*gone, *Drafts(_told_apart(ctx, Way("fallback", plan)), stripe, quote.id).discard())
    return _Drafted(invoice, draft, facts, checked, (*draft.get("why", ()), *gone))


def _told_apart(ctx: HookContext, way: Way) -> HookContext:
    """The same context, in which the steps of a further way have names of their own."""
    return replace(ctx, step=lambda name, work: ctx.step(f"{way.name}:{name}", work))


def _other_address(customer: str, there: str, meant: str, notes: tuple[str, ...], *, is_final: bool) -> Outcome:
    """Stripe would mail somebody else; what is final keeps the address that it has."""
    if is_final:
        hint = "A final invoice keeps its address: download its PDF in the Stripe Dashboard, and send it yourself."
    else:
        hint = (
            "Correct the customer's e-mail address in the Stripe Dashboard, then retry the run; or correct the "
            "contact's in Qwoty, then accept the quote again."
        )
    title = f"Stripe would send the invoice to {there}, the address of customer {customer}; the quote's contact is"
    return Outcome.needs_attention("email_differs", f"{title} {meant}.", *notes, hint=hint)


def _left_behind(draft: str) -> list[str]:
    if not draft:
        return []
    return [f"The draft {draft} of an earlier attempt is gone, or was made with another key and is still there."]


def _as_it_is(status: str) -> str:
    if status == "draft":
        return "The invoice was left as a draft; nothing was sent."
    return f"The invoice is {status} already, from an earlier attempt; nothing more was done."


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
