"""Finding or creating the Stripe customer of a contact (Stripe page, section 7; ADR 0058).

Order: the id saved on the contact → our own map → search by contact id → list by e-mail → create. A customer that we
made for the contact follows it; one that others made is left as it is; another company's is never used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from qwoty_integrations_host import Attempt, Contact, HookContext, NeedsAttention, PermissionMissing, Quote

from . import customer_data, external_ids
from .gateway import Gateway, StripeRefused

Customer = Mapping[str, Any]


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
    """Give the Stripe customer's id and notes; two quotes of one new contact, or e-mail, at once make one customer.

    ``meanwhile`` is called before Stripe is asked, unless that was done and recorded: whatever can be read beside it.
    """

    def work(attempt: Attempt) -> dict[str, Any]:
        meanwhile()
        return _Finder(ctx, stripe, quote, contact, attempt).find_or_create()

    with ExitStack() as locks:
        # In this order, always: a run that waits for the second holds no e-mail address that another one waits for.
        locks.enter_context(ctx.lock(f"customer:{stripe.account}:{contact.id}"))
        if contact.email:
            # A name that no contact's id can give: two runs would else wait for each other.
            locks.enter_context(ctx.lock(f"customer_email:{stripe.account}:{contact.email.casefold()}"))
        found = ctx.step("customer", work)
        if found.get("changes"):
            # A step of its own: what was decided and is noted stays recorded, should this one be cut short.
            ctx.step("customer.update", lambda attempt: _update(stripe, found["id"], found["changes"], attempt))
    # Whether there is anything to save is decided inside the step: after a crash the contact may have the id already.
    left = ctx.step("customer.save", lambda _: _save(ctx, quote, contact, found["id"]))
    return found["id"], [*found["notes"], *(left or [])]


def _update(stripe: Gateway, customer: str, params: dict[str, Any], attempt: Attempt) -> None:
    stripe.write(
        attempt,
        "cus.update",
        # With the time: what changes there and back within a day is no repetition of the first request.
        f"{customer}:{attempt.first_started_at.isoformat()}",
        params,
        lambda v1, p, o: v1.customers.update(customer, params=p, options=o),
    )


def _save(ctx: HookContext, quote: Quote, contact: Contact, customer: str) -> list[str]:
    there = contact.external_ids.accounting
    return external_ids.save(ctx, "contact", contact.id, there=there, found=customer, quote_id=quote.id)


def known_customers(ctx: HookContext, account: str, contact: Contact) -> list[str]:
    """The ids that are saved for a contact: on the contact itself, and by us for this ``account``."""
    saved = dict.fromkeys((contact.external_ids.accounting, ctx.state.get(_place(account, contact))))
    # Another system's id may stand in the same slot; only Stripe's own form is asked for.
    return [customer for customer in saved if customer and external_ids.is_of_stripe(customer, "cus_")]


def looked_for(ctx: HookContext, account: str, contact: Contact) -> list[str]:
    """Say where a run looks for the customer, in the order of ``_Finder.find_or_create``; no network."""
    known = [
        f"The Stripe customer {customer}, which is saved for contact {contact.id!r}, unless it is gone or another "
        "company's."
        for customer in known_customers(ctx, account, contact)
    ]
    made = f"The Stripe customer that was made for contact {contact.id!r}."
    by_email = f"The oldest Stripe customer with the e-mail address {contact.email}, unless it is another company's."
    return [*known, made, *([by_email] if contact.email else []), "A new Stripe customer."]


def _place(account: str, contact: Contact) -> str:
    return f"customer:{account}:{contact.id}"


@dataclass(frozen=True, slots=True)
class _Finder:
    """One try to find the customer, or to make it."""

    ctx: HookContext
    stripe: Gateway
    quote: Quote
    contact: Contact
    attempt: Attempt

    def find_or_create(self) -> dict[str, Any]:
        notes: list[str] = []
        unusable: list[str] = []
        for candidate in known_customers(self.ctx, self.stripe.account, self.contact):
            there = self._retrieve(candidate)
            if there and not self._whose(there):
                return self._used(there, notes)
            notes += [self._not_used(there)] if there else []
            unusable.append(candidate)
        if found := self._by_contact():
            return self._used(found, notes)
        found, said = self._by_email()
        if found is None and self.attempt.repeated and not self.contact.email:
            found = self._made_before()
        # One sentence for each customer that was not used, however it was met.
        notes = list(dict.fromkeys([*notes, *said]))
        return self._used(found, notes) if found else self._create(notes, unusable)

    def _create(self, notes: list[str], unusable: list[str]) -> dict[str, Any]:
        metadata = {
            "qwoty_workspace": self.ctx.workspace,
            "qwoty_contact": self.contact.id,
            "qwoty_customer": self.quote.customer.id,
        }
        made = self.stripe.write(
            self.attempt,
            "cus",
            self.contact.id,
            {**customer_data.wanted(self.quote, self.contact), "metadata": metadata},
            lambda v1, p, o: v1.customers.create(params=p, options=o),
            replaces=",".join(unusable),
        )
        return self._remembered(made, [*notes, *customer_data.unknown_country(self.quote)])

    def _used(self, there: Customer, notes: list[str]) -> dict[str, Any]:
        """Take a customer that is there: ours is to follow the contact, anybody else's stays as it is."""
        metadata = _metadata(there)
        ours = (metadata.get("qwoty_workspace"), metadata.get("qwoty_contact"))
        if ours == (self.ctx.workspace, self.contact.id):
            params, said = customer_data.changes(there, self.quote, self.contact)
        else:
            params, said = {}, customer_data.differences(there, self.quote)
        found = self._remembered(there, [*notes, *said])
        return found | {"changes": params} if params else found

    def _remembered(self, there: Customer, notes: list[str]) -> dict[str, Any]:
        place = _place(self.stripe.account, self.contact)
        if self.ctx.state.get(place) != there["id"]:
            self.ctx.state.set(place, there["id"])
        return {"id": there["id"], "notes": notes}

    # -- whose it is ----------------------------------------------------------------------------------

    def _whose(self, customer: Customer) -> str:
        """Whose customer this is, if it is not to be used: our metadata names another company, or another workspace."""
        metadata = _metadata(customer)
        # The ids of companies mean nothing in another workspace, which may share the Stripe account.
        if metadata.get("qwoty_workspace", self.ctx.workspace) != self.ctx.workspace:
            return "another workspace's"
        company = self.quote.customer.id
        return "another company's" if metadata.get("qwoty_customer", company) != company else ""

    def _not_used(self, customer: Customer) -> str:
        return f"The Stripe customer {customer['id']} is {self._whose(customer)}: this quote has one of its own."

    def _is_contacts(self, customer: Customer) -> bool:
        is_there = not customer.get("deleted") and not self._whose(customer)
        return is_there and _metadata(customer).get("qwoty_contact") == self.contact.id

    # -- where it is looked for -----------------------------------------------------------------------

    def _retrieve(self, customer: str) -> Customer | None:
        try:
            found = self.stripe.read(self.attempt, lambda v1: v1.customers.retrieve(customer))
        except StripeRefused as error:
            if error.missing:
                return None
            raise
        return None if found.get("deleted") else found

    def _by_contact(self) -> Customer | None:
        # Search ignores case and lags behind: compare again.
        return next(filter(self._is_contacts, self._searched("metadata['qwoty_contact']", self.contact.id)), None)

    def _searched(self, field: str, value: str) -> list[dict[str, Any]]:
        text = value.replace("\\", "\\\\").replace("'", "\\'")
        query = {"query": f"{field}:'{text}'"}
        try:
            found = self.stripe.read(self.attempt, lambda v1: v1.customers.search(params=query))
        except (StripeRefused, PermissionMissing):
            return []  # search is not open to every key and country: the list by e-mail is
        return list(found["data"])

    def _by_email(self) -> tuple[Customer | None, list[str]]:
        matches = self._with_this_email()
        # Stripe lists the newest first, also within one second.
        usable = sorted((c for c in reversed(matches) if not self._whose(c)), key=lambda customer: customer["created"])
        if not usable:
            return None, [self._not_used(customer) for customer in matches[:1]]
        colleagues = (c for c in usable if _metadata(c).get("qwoty_customer") == self.quote.customer.id)
        if ours := next(chain(filter(self._is_contacts, usable), colleagues), None):
            return ours, []
        oldest = usable[0]
        if len(usable) == 1:
            return oldest, []
        return oldest, [f"{len(usable)} Stripe customers have this e-mail; the oldest, {oldest['id']}, was used."]

    def _with_this_email(self) -> list[dict[str, Any]]:
        email = self.contact.email
        if not email:
            return []
        # Stripe compares e-mails case by case: ask as written and in lower case.
        matches = [
            customer
            for spelling in _spellings(email)
            for customer in self.stripe.pages(
                self.attempt, lambda v1, p: v1.customers.list(params=p), {"email": spelling}
            )
            if not customer.get("deleted")
        ]
        if matches and not all(map(self._whose, matches)):
            return matches
        # Written in another way still, it is found by search, which ignores case.
        found = self._searched("email", email)
        same = [c for c in found if customer_data.is_same_email(c.get("email"), email) and not c.get("deleted")]
        return [*matches, *(customer for customer in same if customer["id"] not in {c["id"] for c in matches})]

    def _made_before(self) -> Customer | None:
        """What a cut-short try may have made, when there is no e-mail to list by."""
        since = {"created": {"gte": int(self.attempt.first_started_at.timestamp()) - 300}}
        made: Iterator[dict[str, Any]] = self.stripe.pages(
            self.attempt, lambda v1, p: v1.customers.list(params=p), since
        )
        return next(filter(self._is_contacts, made), None)


def _spellings(email: str) -> list[str]:
    """As it is written and in lower case; a domain in other letters as others may have given it to Stripe, too."""
    local, _, domain = email.rpartition("@")
    found = [email, email.lower()]
    with suppress(UnicodeError):
        found.append(f"{local}@{domain.encode('ascii').decode('idna')}")
    return list(dict.fromkeys(found))


def _metadata(customer: Customer) -> Mapping[str, str]:
    return customer.get("metadata") or {}
