"""The plan in the host's form, with the verdict that a run would reach. Makes no request.

Calls the same checks as a run, and reports every problem instead of the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from qwoty_integrations_host import (
    Contact,
    HookContext,
    NeedsAttention,
    Outcome,
    Preview,
    PreviewLine,
    PreviewProblem,
    PreviewRecipient,
    PreviewTax,
    Quote,
)

from . import customer_data
from .comparison import Verdict, compare
from .customers import looked_for
from .delivery_checks import addressed, no_key_for, require_way_back
from .draft_check import foretold, too_small
from .gateway import fingerprint, is_live
from .money import LEAST_PAYMENT, in_minor, shown, split, to_major
from .plan import make_plan
from .plan_types import InvoicePlan, NothingToInvoice, PlanLine
from .record import due_date
from .settings import StripeSettings
from .tax_methods import first_method

_SIGNED = ("signed_net", "signed_tax", "signed_total")
_Result = TypeVar("_Result")

_NOT_MAILED = "Nothing would be mailed: a person has to act first."


def preview_quote(ctx: HookContext, quote: Quote) -> Preview | Outcome:
    """Return the plan in the host's form, and every problem at which a run would stop."""
    settings = StripeSettings.of(ctx.settings)
    key = settings.key_for_quote(quote)
    problems = [_no_key(quote)] if key is None else []
    plan = _unless_refused(lambda: _first_plan(quote, settings), problems)
    if isinstance(plan, NothingToInvoice) and not problems:
        return Outcome.skipped(plan.reason)
    _unless_refused(lambda: require_way_back(ctx, settings.delivery), problems)
    to = _unless_refused(lambda: addressed(quote, settings.delivery), problems)
    contact = to.contact if to else quote.billing_contact
    whom: dict[str, Any] = {
        "billed": _billed(quote, contact) if contact else None,
        "customer": tuple(looked_for(ctx, fingerprint(key or ""), contact)) if contact else (),
    }
    of_recipient = (*(to.notes if to else ()), *_notes_on_address(quote))
    if not isinstance(plan, InvoicePlan):
        return _without_plan(quote, problems, notes=of_recipient, **whom)
    # A run compares Stripe's figures; the planned ones are the same if Stripe computes as documented.
    verdict = compare(plan, subtotal=plan.subtotal, total=plan.total)
    fate, of_totals = _fate(plan, verdict, settings)
    fate, problems = (_nothing_made(problems[0]) if problems else fate), [*problems, *of_totals]
    shares = _shares(quote, plan)
    money = plan.currency
    return Preview(
        currency=money,
        lines=tuple(_line(plan, line) for line in plan.lines),
        subtotal=to_major(plan.subtotal, money),
        tax=to_major(plan.tax, money),
        total=to_major(plan.total, money),
        **_signed(quote, plan),
        verdict=fate,
        needs_attention=bool(problems),
        differences=verdict.sentences,
        installments=_installments(quote, shares, money, ctx.today(quote)),
        notes=(*plan.notes, *of_recipient, *_without_a_link(shares, money)),
        problems=tuple(problems),
        mailed=_mailed(plan, settings, key or "", contact, shares) if to and not problems else _NOT_MAILED,
        **whom,
    )


# -- problems at which a run would stop -------------------------------------------------------------------


def _unless_refused(ask: Callable[[], _Result], problems: list[PreviewProblem]) -> _Result | None:
    """Return the result of a check; if it raises NeedsAttention, add that to ``problems`` and return None."""
    try:
        return ask()
    except NeedsAttention as error:
        problems.append(PreviewProblem(code=error.code, title=error.title, hint=error.hint))
        return None


def _no_key(quote: Quote) -> PreviewProblem:
    why = no_key_for(quote)
    return PreviewProblem(code=why.code, title=why.title, hint=why.hint, status="skipped")


def _first_plan(quote: Quote, settings: StripeSettings) -> InvoicePlan | NothingToInvoice:
    plan = make_plan(quote)
    return plan if isinstance(plan, NothingToInvoice) else first_method(plan, exact_tax=settings.exact_tax).plan


def _nothing_made(problem: PreviewProblem) -> str:
    return problem.title if problem.status == "skipped" else f"No invoice would be made. {problem.title}"


def _without_plan(quote: Quote, problems: Sequence[PreviewProblem], **more: Any) -> Preview:
    nothing = Decimal(0)
    signed = quote.totals.total_amount if quote.totals else nothing
    return Preview(
        currency=quote.currency,
        lines=(),
        subtotal=nothing,
        tax=nothing,
        total=nothing,
        signed_total=signed,
        verdict=_nothing_made(problems[0]),
        needs_attention=True,
        problems=tuple(problems),
        **more,
    )


# -- recipients -------------------------------------------------------------------------------------------


def _billed(quote: Quote, contact: Contact) -> PreviewRecipient:
    """Return the recipient as a new Stripe customer would be created."""
    wanted = customer_data.wanted(quote, contact)
    return PreviewRecipient(
        name=wanted.get("name", ""),
        company=wanted.get("business_name", ""),
        email=wanted.get("email"),
        address=customer_data.in_a_line(wanted.get("address")),
    )


def _notes_on_address(quote: Quote) -> list[str]:
    if not customer_data.address_of(quote):
        return [
            "The quote names no address of the customer: a new Stripe customer has none, and the invoice shows none."
        ]
    return customer_data.unknown_country(quote)


def _mailed(
    plan: InvoicePlan, settings: StripeSettings, key: str, contact: Contact | None, shares: Sequence[int]
) -> str:
    """Return a sentence on what would be mailed to whom."""
    email = contact.email if contact else None
    if not settings.finalizes:
        return "Nothing would be mailed: the invoice stays a draft."
    if not plan.signed.total:
        return "Nothing would be mailed: nothing is to be paid."
    if settings.delivery == "email":
        said = [f"Stripe would e-mail the invoice to {email}."]
        return " ".join(said if not key or is_live(key) else [*said, "In test mode Stripe sends no e-mail."])
    if settings.delivery == "none":
        return "Nothing would be mailed: no way of sending is set."
    if not shares:
        return "Nothing would be mailed: the quote has no payment terms, so no link is made and the invoice stays open."
    if shares[0] < LEAST_PAYMENT.get(plan.currency, 1):
        return "Nothing would be mailed: the first installment is below the smallest payment that Stripe takes."
    return f"A payment link for installment 1 of {len(shares)} would be mailed to {email}, with the invoice."


# -- figures ----------------------------------------------------------------------------------------------


def _signed(quote: Quote, plan: InvoicePlan) -> dict[str, Any]:
    """Return the signed figures; the computed ones if the quote has none."""
    money, given = plan.currency, quote.totals
    if given is None:
        figures = [Decimal(figure) for figure in plan.signed[:3]]
    else:
        figures = [in_minor(amount, money) for amount in (given.net_amount, given.tax_amount, given.total_amount)]
    return {name: to_major(figure, money) for name, figure in zip(_SIGNED, figures, strict=True)}


def _line(plan: InvoicePlan, line: PlanLine) -> PreviewLine:
    money = plan.currency
    taxes = (
        PreviewTax(
            name=plan.rates[tax.rate].display_name,
            percentage=tax.rate.percentage,
            amount=to_major(tax.amount, money),
        )
        for tax in line.taxes
    )
    return PreviewLine(
        key=line.key, description=line.description, amount=to_major(line.amount, money), taxes=tuple(taxes)
    )


def _fate(plan: InvoicePlan, verdict: Verdict, settings: StripeSettings) -> tuple[str, list[PreviewProblem]]:
    """Return what a run would do with these totals, and the problem at which it would stop."""
    line, code = shown(verdict.amount, plan.currency), foretold(plan, verdict, rounding_line=settings.rounding_line)
    hint = "Correct the quote in Qwoty, then preview it again."
    if not plan.signed.given:
        fate = "The quote has no signed total: the invoice would stay a draft and need attention."
        hint = "Have the platform send summary.one_off with net, tax and total."
    elif verdict.kind == "different":
        fate = "Not equal: the invoice would stay a draft and need attention."
    elif code:
        off = f"a rounding line of {line} would make the total equal, but rounding lines are off"
        fate = f"The invoice would stay a draft and need attention: {off}."
        hint = "Switch rounding lines on in the settings of Stripe Invoice, or correct the quote."
    elif plan.is_too_small and settings.finalizes:
        least, code = shown(LEAST_PAYMENT[plan.currency], plan.currency), too_small(plan, ()).code
        fate = f"The invoice would stay a draft and need attention: Stripe charges at least {least}."
        hint = "Collect the amount another way, or put it on a larger quote."
    elif verdict.kind == "rounding":
        return f"A rounding line of {line} will make the total equal.", []
    else:
        return "Equal: the invoice will come to the signed total.", []
    return fate, [PreviewProblem(code=code, title=fate, hint=hint)]


def _shares(quote: Quote, plan: InvoicePlan) -> Sequence[int]:
    terms = quote.installments
    return split(plan.signed.total, [term.percentage for term in terms], plan.currency) if terms else []


def _installments(
    quote: Quote, shares: Sequence[int], money: str, today: date
) -> tuple[tuple[int, Decimal, date | None], ...]:
    """Return the installments of an invoice made today: number, amount and due date."""
    return tuple(
        (number, to_major(share, money), due_date(term, accepted=quote.accepted_on, invoiced=today))
        for number, (term, share) in enumerate(zip(quote.installments, shares, strict=True), start=1)
    )


def _without_a_link(shares: Sequence[int], money: str) -> Iterable[str]:
    if not any(shares):
        return  # nothing is to be paid at all
    for number, share in enumerate(shares, start=1):
        if share < LEAST_PAYMENT.get(money, 1):
            small = f"Installment {number} of {len(shares)} ({shown(share, money)})"
            yield f"{small} is below the smallest payment that Stripe takes: there will be no link for it."
