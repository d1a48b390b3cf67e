"""Find or create the Stripe customer of a contact (docs/notes/stripe.md#customers; ADR 0058).

Order: the id saved on the contact → our own map → search by contact id → list by e-mail → create. A customer that we
created is kept up to date with its contact; any other is left as it is; another company's is never used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from qwoty_integrations_host import Attempt, Contact, HookContext, NeedsAttention, PermissionMissing, Quote

from . import customer_data, external_ids
from .gateway import Gateway
from .stripe_errors import StripeRefused
from .work import Work

Customer = Mapping[str, Any]


def billing_contact(quote: Quote) -> Contact:
    """Return the contact to bill. Raises: NeedsAttention when the quote names nobody."""
    contact = quote.billing_contact
    if contact is None:
        raise NeedsAttention(
            "The quote names no contact to invoice.", hint="Add a contact in Qwoty.", code="contact_missing"
        )
    return contact


def resolve_customer(
    work: Work,
    quote: Quote,
    contact: Contact,
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[str, list[str]]:
    """Return the Stripe customer's id and notes; locks keep two quotes of one new contact from making two customers.

    ``meanwhile`` is called before the first request, so that it can start to read something else. It is not called if
    the step's result is recorded.
    """

    def find(attempt: Attempt) -> dict[str, Any]:
        meanwhile()
        return _Finder(work, quote, contact, attempt).find_or_create()

    with ExitStack() as locks:
        # Always lock the contact before its e-mail address, so that two runs never wait for each other.
        locks.enter_context(work.ctx.lock(f"customer:{work.stripe.account}:{contact.id}"))
        if contact.email:
            # This name differs from the name of every contact's lock. Otherwise two runs could wait for each other.
            locks.enter_context(work.ctx.lock(f"customer_email:{work.stripe.account}:{contact.email.casefold()}"))
        resolved = work.ctx.step("customer", find)
        if resolved.get("changes"):
            # This is a separate step, so that the result of the step above stays recorded if this one is cut short.
            work.ctx.step("customer.update", partial(_update, work.stripe, resolved["id"], resolved["changes"]))
    # The step itself decides whether there is anything to save: after a crash the contact may have the id already.
    left = work.ctx.step("customer.save", lambda _: _save(work.ctx, quote, contact, resolved["id"]))
    return resolved["id"], [*resolved["notes"], *(left or [])]


def _update(stripe: Gateway, customer: str, params: dict[str, Any], attempt: Attempt) -> None:
    stripe.write(
        attempt,
        "cus.update",
        # The time is part of the idempotency key, because a change that is undone and made again needs a new key.
        f"{customer}:{attempt.first_started_at.isoformat()}",
        params,
        lambda v1, p, o: v1.customers.update(customer, params=p, options=o),
    )


def _save(ctx: HookContext, quote: Quote, contact: Contact, customer: str) -> list[str]:
    there = contact.external_ids.accounting
    return external_ids.save(ctx, "contact", contact.id, there=there, found=customer, quote_id=quote.id)


def known_customers(ctx: HookContext, account: str, contact: Contact) -> list[str]:
    """Return the customer ids saved for a contact: on the contact itself, and in our own map for this ``account``."""
    saved = dict.fromkeys((contact.external_ids.accounting, ctx.state.get(_place(account, contact))))
    # The contact's field may hold another system's id: only ids in Stripe's form are used.
    return [customer for customer in saved if customer and external_ids.is_of_stripe(customer, "cus_")]


def looked_for(ctx: HookContext, account: str, contact: Contact) -> list[str]:
    """Say where a run looks for the customer, in the order of ``_Finder.find_or_create``. Makes no request."""
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
    """One attempt to find the customer, or to create it."""

    work: Work
    quote: Quote
    contact: Contact
    attempt: Attempt

    def find_or_create(self) -> dict[str, Any]:
        notes: list[str] = []
        unusable: list[str] = []
        for candidate in known_customers(self.work.ctx, self.work.stripe.account, self.contact):
            there = self._retrieve(candidate)
            if there and not self._other_owner(there):
                return self._used(there, notes)
            notes += [self._not_used(there)] if there else []
            unusable.append(candidate)
        if customer := self._by_contact():
            return self._used(customer, notes)
        customer, said = self._by_email()
        if customer is None and self.attempt.repeated and not self.contact.email:
            customer = self._made_before()
        # One note for each customer that was not used, even if it was found in two ways.
        notes = list(dict.fromkeys([*notes, *said]))
        return self._used(customer, notes) if customer else self._create(notes, unusable)

    def _create(self, notes: list[str], unusable: list[str]) -> dict[str, Any]:
        metadata = {
            "qwoty_workspace": self.work.ctx.workspace,
            "qwoty_contact": self.contact.id,
            "qwoty_customer": self.quote.customer.id,
        }
        made = self.work.stripe.write(
            self.attempt,
            "cus",
            self.contact.id,
            {**customer_data.wanted(self.quote, self.contact), "metadata": metadata},
            lambda v1, p, o: v1.customers.create(params=p, options=o),
            replaces=",".join(unusable),
        )
        return self._remembered(made, [*notes, *customer_data.unknown_country(self.quote)])

    def _used(self, there: Customer, notes: list[str]) -> dict[str, Any]:
        """Use an existing customer: one that we created is updated, any other stays as it is."""
        metadata = _metadata(there)
        ours = (metadata.get("qwoty_workspace"), metadata.get("qwoty_contact"))
        if ours == (self.work.ctx.workspace, self.contact.id):
            params, said = customer_data.changes(there, self.quote, self.contact)
        else:
            params, said = {}, customer_data.differences(there, self.quote)
        remembered = self._remembered(there, [*notes, *said])
        return remembered | {"changes": params} if params else remembered

    def _remembered(self, there: Customer, notes: list[str]) -> dict[str, Any]:
        place = _place(self.work.stripe.account, self.contact)
        if self.work.ctx.state.get(place) != there["id"]:
            self.work.ctx.state.set(place, there["id"])
        return {"id": there["id"], "notes": notes}

    # -- whose customer it is -------------------------------------------------------------------------

    def _other_owner(self, customer: Customer) -> str:
        """Return whose customer this is if our metadata names another company or workspace; empty if it may be used."""
        metadata = _metadata(customer)
        # Workspaces may share a Stripe account, but a company's id means something in its own workspace only.
        if metadata.get("qwoty_workspace", self.work.ctx.workspace) != self.work.ctx.workspace:
            return "another workspace's"
        company = self.quote.customer.id
        return "another company's" if metadata.get("qwoty_customer", company) != company else ""

    def _not_used(self, customer: Customer) -> str:
        return f"The Stripe customer {customer['id']} is {self._other_owner(customer)}: this quote has one of its own."

    def _is_contacts(self, customer: Customer) -> bool:
        is_there = not customer.get("deleted") and not self._other_owner(customer)
        return is_there and _metadata(customer).get("qwoty_contact") == self.contact.id

    # -- where to look --------------------------------------------------------------------------------

    def _retrieve(self, customer: str) -> Customer | None:
        try:
            there = self.work.stripe.read(self.attempt, lambda v1: v1.customers.retrieve(customer))
        except StripeRefused as error:
            if error.missing:
                return None
            raise
        return None if there.get("deleted") else there

    def _by_contact(self) -> Customer | None:
        # Search ignores case and lags behind writes: compare again.
        return next(filter(self._is_contacts, self._searched("metadata['qwoty_contact']", self.contact.id)), None)

    def _searched(self, field: str, value: str) -> list[dict[str, Any]]:
        text = value.replace("\\", "\\\\").replace("'", "\\'")
        query = {"query": f"{field}:'{text}'"}
        try:
            answer = self.work.stripe.read(self.attempt, lambda v1: v1.customers.search(params=query))
        except (StripeRefused, PermissionMissing):
            # Search is not offered to every key and country; the list by e-mail is.
            return []
        return list(answer["data"])

    def _by_email(self) -> tuple[Customer | None, list[str]]:
        matches = self._with_this_email()
        # Oldest first. Stripe lists the newest first, also within one second.
        usable = sorted(
            (c for c in reversed(matches) if not self._other_owner(c)), key=lambda customer: customer["created"]
        )
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
        # The list's filter is case-sensitive: ask for the address as written and in lower case.
        matches = [
            customer
            for spelling in _spellings(email)
            for customer in self.work.stripe.pages(
                self.attempt, lambda v1, p: v1.customers.list(params=p), {"email": spelling}
            )
            if not customer.get("deleted")
        ]
        if matches and not all(map(self._other_owner, matches)):
            return matches
        # Search ignores case, so it finds other spellings.
        matched = self._searched("email", email)
        same = [c for c in matched if customer_data.is_same_email(c.get("email"), email) and not c.get("deleted")]
        return [*matches, *(customer for customer in same if customer["id"] not in {c["id"] for c in matches})]

    def _made_before(self) -> Customer | None:
        """Return the customer that an interrupted attempt may have created, from the list of recent customers.

        This is for contacts without an e-mail address, by which they could be found.
        """
        since = {"created": {"gte": int(self.attempt.first_started_at.timestamp()) - 300}}
        made: Iterator[dict[str, Any]] = self.work.stripe.pages(
            self.attempt, lambda v1, p: v1.customers.list(params=p), since
        )
        return next(filter(self._is_contacts, made), None)


def _spellings(email: str) -> list[str]:
    """Return the address as written, in lower case, and with its domain in Unicode."""
    local, _, domain = email.rpartition("@")
    spellings = [email, email.lower()]
    with suppress(UnicodeError):
        spellings.append(f"{local}@{domain.encode('ascii').decode('idna')}")
    return list(dict.fromkeys(spellings))


def _metadata(customer: Customer) -> Mapping[str, str]:
    return customer.get("metadata") or {}
