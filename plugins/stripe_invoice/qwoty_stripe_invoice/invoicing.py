"""From an accepted quote to its invoice: the order of the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from qwoty_integrations_host import Contact, HookContext, NeedsAttention, Outcome, Quote

from .customer_data import is_same_email
from .customers import resolve_customer
from .delivery_checks import Addressed, no_key_for, require_for_delivery
from .draft_check import Checked, check_draft, too_small
from .endpoint import ensure_endpoint
from .finalizing import finalize, send
from .invoice_draft import InvoiceDraft
from .invoices import taxes_told
from .money import shown
from .outdated_drafts import Drafts
from .payment_links import PaymentLink
from .plan import make_plan
from .plan_types import InvoicePlan, NothingToInvoice
from .settings import StripeSettings
from .tax_methods import TaxMethod, as_made, tax_methods
from .tax_rates import TaxRates
from .taxes import RateKey
from .work import Work


def invoice_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Make the quote's invoice and deliver it as the settings say. The plan is made before any request."""
    settings = StripeSettings.of(ctx.settings)
    work = Work.for_quote(ctx, quote)
    if work is None:
        return no_key_for(quote)
    drafts = Drafts(work, quote.id)
    try:
        plan = make_plan(quote)
        if isinstance(plan, NothingToInvoice):
            return Outcome.skipped(plan.reason, *drafts.discard_unless(quote.version))
        sequence = tax_methods(plan, exact_tax=settings.exact_tax)
        to = require_for_delivery(ctx, quote, settings.delivery)
    except NeedsAttention as error:
        # An earlier version of the quote could be invoiced; this one cannot.
        if gone := drafts.discard_unless(quote.version):
            return Outcome.needs_attention(error.code, error.title, *gone, hint=error.hint)
        raise
    if settings.delivery == "link" and quote.installments:
        ensure_endpoint(work)
    return _make_invoice(work, settings, to, plan, sequence, drafts)


def _make_invoice(
    work: Work,
    settings: StripeSettings,
    to: Addressed,
    plan: InvoicePlan,
    sequence: Sequence[TaxMethod],
    drafts: Drafts,
) -> Outcome:
    quote, contact, of_addresses = to
    tax_rates = TaxRates(work, plan.rates)
    customer, of_customer = resolve_customer(work, quote, contact, meanwhile=tax_rates.read_ahead)
    rates, of_rates = tax_rates.resolve(quote.id)
    of_old_draft = drafts.discard_unless(quote.version, customer, sequence, plan)
    draft, created, facts, checked, of_draft = _drafted(work, settings, quote, plan, sequence, customer, rates)
    notes = (
        *draft.plan.notes,
        *checked.notes,
        *of_addresses,
        *of_customer,
        *of_rates,
        *of_old_draft,
        *of_draft,
        *_left_behind(created["out_of_reach"]),
    )
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
        record = work.ctx.records.get(quote.id)
        is_final = record is not None and record.is_final
        return _other_address(customer, addressed, contact.email or "", notes, is_final=is_final)
    final = finalize(work, draft, created["id"])
    balance = _balance_used(final, plan.currency)
    return Outcome.done(*_deliver(work, settings, contact, draft, final), *balance, *notes)


class _Drafted(NamedTuple):
    """A complete draft, and the result of its check."""

    draft: InvoiceDraft
    created: Mapping[str, Any]
    facts: Mapping[str, Any]
    checked: Checked
    notes: tuple[str, ...]


def _drafted(
    work: Work,
    settings: StripeSettings,
    quote: Quote,
    plan: InvoicePlan,
    sequence: Sequence[TaxMethod],
    customer: str,
    rates: Mapping[RateKey, str],
) -> _Drafted:
    """Make the draft by the first tax method that Stripe takes, or go on with the draft of an earlier attempt."""
    why: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    for number, method in enumerate(sequence):
        in_this_way = _with_own_steps(work, method) if number else work
        draft = InvoiceDraft(in_this_way, quote, method, customer, rates)
        created = draft.create(why)
        made = taxes_told(created)
        later = sequence[number + 1 :]
        if made in [other.name for other in later]:
            continue  # an earlier attempt has already made the draft by a later method
        if made != method.name:
            draft = InvoiceDraft(in_this_way, quote, as_made(plan, made), customer, rates)
        facts = draft.add_lines(created["id"], adopted=created["adopted"])
        is_last = not later or facts.get("status", "draft") != "draft"
        checked = check_draft(draft, created["id"], facts, rounding_line=settings.rounding_line, is_last=is_last)
        if not checked.next_way:
            break
        why = (*why, *checked.notes)
        gone = (*gone, *Drafts(_with_own_steps(work, later[0]), quote.id).discard())
    if checked.code == "too_many_lines":
        # A draft without any line is of no use to anybody.
        gone = (*gone, *Drafts(_with_own_steps(work, TaxMethod("fallback", plan)), quote.id).discard())
    return _Drafted(draft, created, facts, checked, (*created.get("why", ()), *gone))


def _with_own_steps(work: Work, method: TaxMethod) -> Work:
    """Return the work with the method's name before the name of each step, so that each method has its own steps."""
    ctx = work.ctx
    return replace(work, ctx=replace(ctx, step=lambda name, work: ctx.step(f"{method.name}:{name}", work)))


def _other_address(customer: str, there: str, meant: str, notes: tuple[str, ...], *, is_final: bool) -> Outcome:
    """Return the outcome when Stripe would mail somebody else; a final invoice keeps the address that it has."""
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
    """Say by how much the customer's balance at Stripe makes the amount due differ from the signed one."""
    due = shown(final["amount_due"], currency)
    # An amount below Stripe's smallest payment is not charged but added to the customer's debt.
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
    work: Work, settings: StripeSettings, contact: Contact, draft: InvoiceDraft, final: Mapping[str, Any]
) -> list[str]:
    """Do the one action that the settings ask for, and say what was done."""
    quote = draft.quote
    if final["status"] == "paid":
        return ["Nothing is left to pay, so the invoice is paid at once; nothing was sent."]
    if settings.delivery == "email":
        send(work, quote.id, str(final["id"]))
        by_mail = f"Stripe was asked to e-mail the invoice to {final.get('customer_email') or contact.email}."
        return [by_mail] if work.stripe.live else [by_mail, "In test mode Stripe sends no e-mail."]
    if settings.delivery == "none":
        return ["The invoice is open; nothing was sent, as set."]
    if not quote.installments:
        return ["The quote has no payment terms: the invoice is open, no link was made and no mail sent."]
    return [PaymentLink(work, quote, contact, 1).send(pdf_url=draft.pdf_url).sentence]
