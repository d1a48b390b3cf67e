"""The plan in the host's form, without any network."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from qwoty_integrations_host import HookContext, Outcome, Preview, PreviewLine, Quote

from .delivery import no_key_for
from .ledger import due_date
from .money import split, to_major
from .plan import InvoicePlan, NothingToInvoice, make_plan
from .settings import StripeSettings


def preview_quote(ctx: HookContext, quote: Quote) -> Preview | Outcome:
    """The plan in the host's form; no network."""
    settings = StripeSettings.of(ctx.settings)
    unit = quote.business_unit.id if quote.business_unit else None
    if settings.token_scope == "business_unit" and settings.key_for(unit) is None:
        return Outcome.skipped(no_key_for(quote))
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
    shares = split(plan.signed_total, [term.percentage for term in terms], plan.currency) if terms else []
    accepted = quote.accepted_at.date()
    return tuple(
        (number, to_major(share, plan.currency), due_date(term, accepted=accepted, invoiced=today))
        for number, (term, share) in enumerate(zip(terms, shares, strict=True), start=1)
    )
