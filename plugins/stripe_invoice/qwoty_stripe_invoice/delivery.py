"""What sending needs before anything is done: a key, a public address, an e-mail address."""

from __future__ import annotations

from qwoty_integrations_host import Contact, HookContext, NeedsAttention, Quote

from .endpoint import require_public_url


def no_key_for(quote: Quote) -> str:
    """Say why no key serves this quote."""
    if quote.business_unit is None:
        return "The quote names no business unit, and the integration has a key per business unit: no invoice."
    return f"No Stripe key is set for business unit {quote.business_unit.id!r}: no invoice."


def require_for_delivery(ctx: HookContext, delivery: str, contact: Contact, *, has_terms: bool = True) -> None:
    if delivery == "link":
        require_public_url(ctx)
    if (delivery == "email" or (delivery == "link" and has_terms)) and not contact.email:
        raise NeedsAttention(
            f"The invoice is to be sent, but contact {contact.id!r} has no e-mail address.",
            hint="Add one in Qwoty and accept the quote again, or switch sending off.",
            code="email_missing",
        )
