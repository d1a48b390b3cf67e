"""Checks of what delivery needs: a key, a public address for webhooks, and usable e-mail addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from qwoty_integrations_host import Contact, HookContext, NeedsAttention, Outcome, Quote, mail_address

from .customers import billing_contact
from .endpoint import require_public_url


def no_key_for(quote: Quote) -> Outcome:
    """Return the outcome of a quote that no key serves; its hint says how to add one."""
    if quote.business_unit is None:
        return Outcome.skipped(
            "No invoice: the quote names no business unit, and the integration has a key per business unit.",
            code="business_unit_unknown",
            hint="Choose the business unit in Qwoty and accept the quote again. Or set one key for the whole workspace "
            "in the settings of Stripe Invoice, then run the quote.",
        )
    return Outcome.skipped(
        f"No invoice: business unit {quote.business_unit.id!r} has no key.",
        code="business_unit_without_key",
        hint="Add the Stripe key of this business unit in the settings of Stripe Invoice, then run the quote.",
    )


class Addressed(NamedTuple):
    """The quote and its billed contact. Their e-mail addresses are usable for sending, or None."""

    quote: Quote
    contact: Contact
    notes: tuple[str, ...] = ()


def require_for_delivery(ctx: HookContext, quote: Quote, delivery: str) -> Addressed:
    """Check what the delivery needs, and return the quote with checked addresses.

    Raises: NeedsAttention if something is missing.
    """
    require_way_back(ctx, delivery)
    return addressed(quote, delivery)


def require_way_back(ctx: HookContext, delivery: str) -> None:
    """Check that Stripe's webhooks can reach this host, if links are sent. Raises: NeedsAttention."""
    if delivery == "link":
        require_public_url(ctx)


def addressed(quote: Quote, delivery: str) -> Addressed:
    """Check the e-mail addresses of the contact and of the quote's owner. Pure.

    If nothing is sent, an unusable address is left out with a note. Raises: NeedsAttention when the quote names nobody,
    or when the invoice is to be sent to an unusable address.
    """
    mails_link = delivery == "link" and bool(quote.installments)
    contact, notes = _billed(billing_contact(quote), is_sent=mails_link or delivery == "email")
    if not mails_link or quote.owner is None or not quote.owner.email:
        return Addressed(quote, contact, notes)
    try:
        answered = mail_address(quote.owner.email)
    except NeedsAttention as error:
        notes = (*notes, f"The mail goes out without a Reply-To to the quote's owner. {error.title}")
        return Addressed(replace(quote, owner=replace(quote.owner, email=None)), contact, notes)
    return Addressed(replace(quote, owner=replace(quote.owner, email=answered)), contact, notes)


def _billed(contact: Contact, *, is_sent: bool) -> tuple[Contact, tuple[str, ...]]:
    if not contact.email:
        if is_sent:
            raise NeedsAttention(
                f"The invoice is to be sent, but contact {contact.id!r} has no e-mail address.",
                hint="Add one in Qwoty and accept the quote again, or switch sending off.",
                code="email_missing",
            )
        return contact, ()
    try:
        return replace(contact, email=mail_address(contact.email)), ()
    except NeedsAttention as error:
        who = contact.full_name or f"contact {contact.id!r}"
        if is_sent:
            raise NeedsAttention(
                f"The invoice cannot be sent to {who}. {error.title}",
                hint="Correct it in Qwoty and accept the quote again.",
                code="email_invalid",
            ) from error
        # Stripe refuses a customer with such an address (400 email_invalid).
        later = "Correct it in Qwoty, and on the Stripe customer before Stripe sends the invoice."
        note = f"Stripe is not given the e-mail address of {who}. {error.title} {later}"
        return replace(contact, email=None), (note,)
