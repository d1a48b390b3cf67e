"""Finding or creating the Stripe customer of a contact (Stripe page, section 7).

Order: the id saved on the contact → our own map → search by contact id → list by e-mail → create.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qwoty_integrations_host import (
    Address,
    Attempt,
    Contact,
    CredentialsError,
    HookContext,
    NeedsAttention,
    Quote,
)

from .gateway import Gateway, StripeRefused


def billing_contact(quote: Quote) -> Contact:
    """Who is billed, by the quote.

    Raises: NeedsAttention when the quote names nobody.
    """
    found = quote.billing_contact
    if found is None:
        raise NeedsAttention(
            "The quote names no contact to invoice.", hint="Add a contact in Qwoty.", code="contact_missing"
        )
    return found


def resolve_customer(
    ctx: HookContext,
    stripe: Gateway,
    quote: Quote,
    contact: Contact,
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[str, list[str]]:
    """Give the Stripe customer's id and notes; two quotes of one new contact at once make one customer.

    ``meanwhile`` is called before Stripe is asked, unless that was done and recorded: whatever can be read beside it.
    """

    def work(attempt: Attempt) -> dict[str, Any]:
        meanwhile()
        return _find_or_create(ctx, stripe, quote, contact, attempt)

    with ctx.lock(f"customer:{stripe.account}:{contact.id}"):
        found = ctx.step("customer", work)
    # Whether there is anything to save is decided inside the step: after a crash the contact may have the id already.
    ctx.step("customer.save", lambda _: _save(ctx, contact, found["id"]))
    return found["id"], found["notes"]


def _find_or_create(
    ctx: HookContext, stripe: Gateway, quote: Quote, contact: Contact, attempt: Attempt
) -> dict[str, Any]:
    place = f"customer:{stripe.account}:{contact.id}"
    dead: list[str] = []
    for candidate in dict.fromkeys((contact.external_ids.accounting, ctx.state.get(place))):
        # Another system's id may stand in the same slot; only Stripe's own form is asked for.
        if candidate and candidate.startswith("cus_"):
            if _is_alive(stripe, attempt, candidate):
                return _remembered(ctx, place, candidate)
            dead.append(candidate)
    found, notes = _search(ctx, stripe, contact, attempt), list[str]()
    if found is None:
        found, notes = _by_email(ctx, stripe, contact, attempt)
    if found is None and attempt.repeated and not contact.email:
        found = _made_before(ctx, stripe, contact, attempt)
    if found is None:
        params = _new_customer(ctx, quote, contact)
        made = stripe.write(
            attempt,
            "cus",
            contact.id,
            params,
            lambda v1, p, o: v1.customers.create(params=p, options=o),
            replaces=",".join(dead),
        )
        found = made["id"]
    return _remembered(ctx, place, found, notes)


def _remembered(ctx: HookContext, place: str, customer: str, notes: list[str] | None = None) -> dict[str, Any]:
    if ctx.state.get(place) != customer:
        ctx.state.set(place, customer)
    return {"id": customer, "notes": notes or []}


def _save(ctx: HookContext, contact: Contact, customer: str) -> None:
    if contact.external_ids.accounting != customer:
        ctx.platform.save_external_id("contact", contact.id, customer)


def _is_alive(stripe: Gateway, attempt: Attempt, customer: str) -> bool:
    try:
        found = stripe.read(attempt, lambda v1: v1.customers.retrieve(customer))
    except StripeRefused as error:
        if error.missing:
            return False
        raise
    return not found.get("deleted")


def _search(ctx: HookContext, stripe: Gateway, contact: Contact, attempt: Attempt) -> str | None:
    # Search ignores case and lags behind: compare again.
    found = _searched(stripe, attempt, "metadata['qwoty_contact']", contact.id)
    return next((customer["id"] for customer in found if _is_ours(ctx, customer, contact)), None)


def _searched(stripe: Gateway, attempt: Attempt, field: str, value: str) -> list[dict[str, Any]]:
    text = value.replace("\\", "\\\\").replace("'", "\\'")
    try:
        found = stripe.read(attempt, lambda v1: v1.customers.search(params={"query": f"{field}:'{text}'"}))
    except (StripeRefused, CredentialsError) as error:
        # Search is not open to every key and country: the list by e-mail is.
        if isinstance(error, CredentialsError) and error.code != "permission_missing":
            raise
        return []
    return list(found["data"])


def _is_ours(ctx: HookContext, customer: Mapping[str, Any], contact: Contact) -> bool:
    metadata: Mapping[str, str] = customer.get("metadata") or {}
    # Two workspaces may share a Stripe account, and their contacts an id.
    is_of_here = metadata.get("qwoty_workspace", ctx.workspace) == ctx.workspace
    return is_of_here and metadata.get("qwoty_contact") == contact.id and not customer.get("deleted")


def _by_email(ctx: HookContext, stripe: Gateway, contact: Contact, attempt: Attempt) -> tuple[str | None, list[str]]:
    # Stripe compares e-mails case by case: ask as written and in lower case.
    spellings = dict.fromkeys((contact.email, contact.email.lower())) if contact.email else {}
    matches = [
        customer
        for email in spellings
        for customer in stripe.pages(attempt, lambda v1, p: v1.customers.list(params=p), {"email": email})
        if not customer.get("deleted")
    ]
    if not matches and contact.email:
        # Written in another way still, it is found by search, which ignores case.
        written = contact.email.casefold()
        found = _searched(stripe, attempt, "email", contact.email)
        matches = [c for c in found if (c.get("email") or "").casefold() == written and not c.get("deleted")]
    if not matches:
        return None, []
    ours = next((customer["id"] for customer in matches if _is_ours(ctx, customer, contact)), None)
    if ours or len(matches) == 1:
        return ours or matches[0]["id"], []
    oldest = min(reversed(matches), key=lambda customer: customer["created"])["id"]
    return oldest, [f"{len(matches)} Stripe customers have this e-mail; the oldest, {oldest}, was used."]


def _made_before(ctx: HookContext, stripe: Gateway, contact: Contact, attempt: Attempt) -> str | None:
    """What a cut-short try may have made, when there is no e-mail to list by."""
    since = {"created": {"gte": int(attempt.first_started_at.timestamp()) - 300}}
    made: Iterator[dict[str, Any]] = stripe.pages(attempt, lambda v1, p: v1.customers.list(params=p), since)
    return next((customer["id"] for customer in made if _is_ours(ctx, customer, contact)), None)


def _new_customer(ctx: HookContext, quote: Quote, contact: Contact) -> dict[str, Any]:
    company = quote.customer.name if quote.customer.type == "company" else ""
    params: dict[str, Any] = {
        "name": (contact.full_name or quote.customer.name)[:256],
        "email": contact.email,
        "phone": contact.phone if contact.phone and len(contact.phone) <= 20 else None,
        "address": _address(quote.customer.billing_address),
        "business_name": company[:150],
        "preferred_locales": [quote.language],
        "metadata": {
            "qwoty_workspace": ctx.workspace,
            "qwoty_contact": contact.id,
            "qwoty_customer": quote.customer.id,
        },
    }
    return {name: value for name, value in params.items() if value}


def _address(address: Address | None) -> dict[str, str]:
    if address is None:
        return {}
    names = ("line1", "line2", "city", "state", "postal_code")
    parts = {name: getattr(address, name) for name in names} | {"country": address.country_code}
    return {name: value for name, value in parts.items() if value}
