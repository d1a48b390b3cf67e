"""The plan in the host's form, judged as a run would judge it, without any network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from qwoty_integrations_host import HookContext, NeedsAttention, Outcome, Preview, PreviewLine, PreviewTax, Quote

from .check import Verdict, compare
from .delivery import addressed, no_key_for
from .ledger import due_date
from .money import LEAST_PAYMENT, in_minor, shown, split, to_major
from .plan import make_plan
from .planned import InvoicePlan, NothingToInvoice, PlanLine
from .settings import StripeSettings
from .ways import first_way

_SIGNED = ("signed_net", "signed_tax", "signed_total")


def preview_quote(ctx: HookContext, quote: Quote) -> Preview | Outcome:
    """The plan in the host's form; no network. Raises: NeedsAttention, as a run would before it asks Stripe."""
    settings = StripeSettings.of(ctx.settings)
    unit = quote.business_unit.id if quote.business_unit else None
    if settings.token_scope == "business_unit" and settings.key_for(unit) is None:
        return no_key_for(quote)
    plan = make_plan(quote)
    if isinstance(plan, NothingToInvoice):
        return Outcome.skipped(plan.reason)
    plan = first_way(plan, exact_tax=settings.exact_tax).plan
    # The run asks the same of Stripe's figures; those planned are Stripe's, if it computes as documented.
    verdict = compare(plan, subtotal=plan.subtotal, total=plan.total)
    fate, needs_attention = _fate(plan, verdict, rounding_line=settings.rounding_line)
    about_addresses: tuple[str, ...] = ()
    try:
        about_addresses = addressed(quote, settings.delivery).notes
    except NeedsAttention as error:
        fate, needs_attention = f"No invoice would be made. {error.title}", True
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
        needs_attention=needs_attention,
        differences=verdict.sentences,
        installments=_installments(quote, shares, money, ctx.today(quote)),
        notes=(*plan.notes, *about_addresses, *_without_a_link(shares, money)),
    )


def _signed(quote: Quote, plan: InvoicePlan) -> dict[str, Decimal]:
    """The figures as they were signed; those that the plan computes where the quote came without."""
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


def _fate(plan: InvoicePlan, verdict: Verdict, *, rounding_line: bool) -> tuple[str, bool]:
    """What the run would do with these totals, and whether a person would have to look."""
    line = shown(verdict.amount, plan.currency)
    if not plan.signed.given:
        return "The quote has no signed total: the invoice would stay a draft and need attention.", True
    if verdict.kind == "different":
        return "Not equal: the invoice would stay a draft and need attention.", True
    if verdict.kind == "rounding" and not rounding_line:
        off = f"a rounding line of {line} would make the total equal, but rounding lines are off"
        return f"The invoice would stay a draft and need attention: {off}.", True
    if plan.is_too_small:
        least = shown(LEAST_PAYMENT[plan.currency], plan.currency)
        return f"The invoice would stay a draft and need attention: Stripe charges at least {least}.", True
    if verdict.kind == "rounding":
        return f"A rounding line of {line} will make the total equal.", False
    return "Equal: the invoice will come to the signed total.", False


def _shares(quote: Quote, plan: InvoicePlan) -> Sequence[int]:
    terms = quote.installments
    return split(plan.signed.total, [term.percentage for term in terms], plan.currency) if terms else []


def _installments(
    quote: Quote, shares: Sequence[int], money: str, today: date
) -> tuple[tuple[int, Decimal, date | None], ...]:
    """The installments as they would be if the invoice were made today."""
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
