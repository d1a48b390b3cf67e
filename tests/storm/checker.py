"""Checks what must be true after a storm, from the signed quotes and Stripe's objects, not from the plugin's plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import select

from qwoty_integrations_host.errors import DatabaseUnavailable
from qwoty_integrations_host.reports.quotes import quote_report
from qwoty_integrations_host.store import quotes
from qwoty_integrations_host.store import tables as t
from storm.story import Figures, Signed, Story
from storm.world import WORKSPACE, World

#: Error codes of runs that need a person's decision; a retry does not settle them.
PERSONS = {"overpaid", "payment_not_attached", "invoice_stays_open", "invoice_is_paid", "invoice_partly_paid"}
#: The quote states that are true for an invoice's status and whether some of it is paid.
TRUE_STATES: dict[tuple[str, bool], set[str]] = {
    ("draft", False): {"draft"},
    ("open", False): {"open", "link_sent", "link_made", "link_expired", "processing", "payment_failed", "overdue"},
    ("open", True): {
        "partly_paid",
        "link_sent",
        "link_made",
        "link_expired",
        "processing",
        "payment_failed",
        "overdue",
    },
    ("paid", True): {"paid", "settled_outside"},
    ("paid", False): {"paid", "settled_outside"},
    ("void", False): {"void"},
}
STOPPED = {"cancelled", "cancelled_open", "cancelled_paid", "undone", "undone_open", "undone_paid", "void"}
IN_TROUBLE = {"needs_attention", "failed", "link_made", "cancelled_paid", "undone_paid"}


@dataclass(frozen=True)
class Quote:
    """A quote after the storm: its report, and its objects at Stripe."""

    world: World
    versions: tuple[Signed, ...]
    id: str

    @cached_property
    def report(self) -> dict[str, Any]:
        return dict(quote_report(self.world.eye.store, WORKSPACE, self.id, self.world.clock.now()))

    @cached_property
    def is_stored(self) -> bool:
        with self.world.eye.store.read() as db:
            return bool(quotes.exists(db, WORKSPACE, self.id))

    @cached_property
    def figures(self) -> Figures:
        """The signed figures of the version that the host holds, computed by the test itself."""
        with self.world.eye.store.read() as db:
            document = quotes.document(db, WORKSPACE, self.id)
        return next(one.figures for one in self.versions if one.document["pricing_table"] == document["pricing_table"])

    @cached_property
    def invoices(self) -> list[dict[str, Any]]:
        found = self.world.stripe.objects("invoices")
        return [one for one in found if one["metadata"].get("qwoty_quote_id") == self.id]

    @cached_property
    def live(self) -> list[dict[str, Any]]:
        return [one for one in self.invoices if one["status"] != "void"]

    @cached_property
    def sessions(self) -> list[dict[str, Any]]:
        found = self.world.stripe.objects("sessions")
        return [one for one in found if one["metadata"].get("qwoty_quote_id") == self.id]

    @cached_property
    def stop(self) -> str:
        """How the quote was stopped, according to the host; empty if it was not."""
        if self.report["cancelled"]:
            return "cancelled"
        return "undone" if self.report["undone"] else ""

    @cached_property
    def codes(self) -> set[str]:
        """The error codes of its runs that need attention or failed."""
        is_asking = t.runs.c.status.in_(["needs_attention", "failed"])
        with self.world.eye.store.read() as db:
            wanted = select(t.runs.c.error).where(t.runs.c.quote_id == self.id, is_asking)
            return {error["code"] for error in db.execute(wanted).scalars()}


def faults(world: World, story: Story, *, after_people: bool = False) -> list[str]:
    """Return what is wrong, as sentences. ``after_people``: people have retried what needed attention."""
    return [*_of_the_world(world), *_of_the_quotes(world, story, after_people)]


def asks(world: World, story: Story, place: int) -> bool:
    """Return whether a run of a quote needs attention or failed."""
    quote = Quote(world, story.quotes[place], f"q-{place + 1}")
    return quote.is_stored and bool(quote.codes)


def _of_the_quotes(world: World, story: Story, after_people: bool) -> Iterator[str]:
    for place, versions in enumerate(story.quotes, start=1):
        quote = Quote(world, versions, f"q-{place}")
        if quote.is_stored:
            for check in (_one_invoice, _figures, _payments, _links, _mails, _state):
                yield from (f"{quote.id}: {fault}" for fault in check(quote, after_people))


# -- of everything ----------------------------------------------------------------------------------------


def _of_the_world(world: World) -> Iterator[str]:
    for name, key in (("customers", "qwoty_contact"), ("tax_rates", "qwoty_tax")):
        counted = Counter(one["metadata"].get(key) for one in world.stripe.objects(name))
        yield from (f"{count} {name} for {what}" for what, count in counted.items() if count > 1)
    # Without an open link no endpoint is needed. Endpoints whose answers were lost are deleted with the next link.
    is_needed = any(one["status"] == "open" for one in world.stripe.objects("sessions"))
    endpoints = {one["id"] for one in world.stripe.objects("endpoints")}
    if is_needed and len(endpoints) > 1:
        yield f"{len(endpoints)} webhook endpoints"
    if is_needed and any(one.status == "undelivered" and one.endpoint_id in endpoints for one in world.deliveries):
        yield "webhooks are not taken, though something is to be paid"
    yield from ("a forged webhook was taken" for told in world.told if told.what == "forged webhook")
    left = [one for one in world.stripe.objects("items") if one["invoice"] is None]
    if left:
        yield f"{len(left)} items are on no invoice"


# -- of each quote ----------------------------------------------------------------------------------------


def _one_invoice(quote: Quote, after_people: bool) -> Iterator[str]:
    if len(quote.live) > 1:
        yield f"{len(quote.live)} live invoices"
    if quote.stop or quote.live or quote.report["standing"]["state"] == "void":
        return
    if after_people or not quote.codes:
        yield f"no invoice, and it is {quote.report['standing']['state']} {sorted(quote.codes)}"


def _figures(quote: Quote, after_people: bool) -> Iterator[str]:
    for invoice in quote.live:
        if invoice["status"] == "draft" and quote.codes and not after_people:
            continue  # the work stopped halfway, and a run reports it
        tax = invoice["total"] - invoice["total_excluding_tax"]
        found, wanted = (invoice["total"], tax), (quote.figures.total, quote.figures.tax)
        # A quote that was stopped before its correction was executed keeps the invoice of an earlier version.
        earlier = {(one.figures.total, one.figures.tax) for one in quote.versions} if quote.stop else set()
        if found not in {wanted, *earlier}:
            yield f"the {invoice['status']} invoice's total and tax are {found}, signed are {wanted} {sorted(quote.codes)}"


def _payments(quote: Quote, after_people: bool) -> Iterator[str]:
    attached = Counter(
        one["payment"]["payment_intent"]
        for one in quote.world.stripe.objects("invoice_payments")
        if one["payment"].get("payment_intent")
    )
    for session in quote.sessions:
        if session["payment_status"] != "paid":
            continue
        count = attached[session["payment_intent"]]
        charge = [c for c in quote.world.stripe.objects("charges") if c["payment_intent"] == session["payment_intent"]]
        if count > 1 or (not count and not quote.codes & PERSONS and not any(c["amount_refunded"] for c in charge)):
            yield f"the payment of a link is attached {count} times {sorted(quote.codes)}"


def _links(quote: Quote, after_people: bool) -> Iterator[str]:
    payable = [one for one in quote.sessions if one["status"] == "open"]
    if len(payable) > 1:
        yield f"{len(payable)} payable links"
    if payable and quote.stop and not quote.codes:
        yield f"a link is payable, though the quote is {quote.stop}"
    if payable and quote.live and quote.live[0]["status"] == "paid":
        yield "a link is payable, though the invoice is paid"


def _mails(quote: Quote, after_people: bool) -> Iterator[str]:
    told = [one for one in quote.world.told if one.quote_id == quote.id and one.is_done]
    retried = [one for one in quote.world.told if one.quote_id == quote.id and one.what == "retried"]
    # A retry whose commit was not answered may have been one of a mail that nobody knew of.
    unsure = sum(one.answer == "mail_unsure" or isinstance(one.answer, DatabaseUnavailable) for one in retried)
    for session in quote.sessions:
        sent = [mail for mail in quote.world.mails if f"/{session['id']}" in mail.text]
        if len(sent) > 1 + unsure:
            yield f"{len(sent)} mails of one link"
    stops = [one for one in told if one.what in {"cancelled", "undone", "voided"}]
    begins = [one for one in told if one.what == "accepted"]
    for mail in quote.world.mails:
        if not any(f"/{session['id']}" in mail.text for session in quote.sessions):
            continue
        for stop in stops:
            lifted = any(one.answered > stop.asked and one.asked < mail.begun for one in begins)
            if mail.begun > stop.answered and not lifted:
                yield f"a mail left after the quote was {stop.what}"
    # A quote that is accepted again after a stop is sent again.
    anew = sum(one.answer.anew for one in begins)
    for invoice in quote.invoices:
        count = sum(invoice["id"] in one.values() for one in quote.world.stripe.objects("sent"))
        if count > 1 + anew:
            yield f"Stripe was asked {count} times to send an invoice"


def _state(quote: Quote, after_people: bool) -> Iterator[str]:
    report = quote.report
    state = report["standing"]["state"]
    if state in {"running", "waiting", "accepted"}:
        yield f"it is {state}, though nobody works on it"
    if not quote.live:
        return
    invoice = quote.live[0]
    truth = (invoice["status"], invoice["amount_paid"] > 0)
    if quote.stop:
        allowed = STOPPED | IN_TROUBLE
    else:
        allowed = TRUE_STATES.get(truth, set()) | (IN_TROUBLE if quote.codes else set())
    if state not in allowed:
        yield f"it is called {state}, but its invoice is {truth}, stop: {quote.stop}"
    if state == "link_sent":
        yield from _sent(quote)
    known = report["invoice"] and report["invoice"]["status"]
    if known != invoice["status"] and not quote.codes:
        yield f"its invoice is called {known}, but is {invoice['status']}"
    # What remains of a paid invoice was settled outside Stripe.
    settled = invoice["amount_paid"] + (invoice["amount_remaining"] if invoice["status"] == "paid" else 0)
    paid = int(Decimal(report["amount_paid"] or 0) * 100)
    if known and not quote.codes and paid != settled:
        yield f"{paid} is called paid, but {settled} is"


def _sent(quote: Quote) -> Iterator[str]:
    payable = [one["id"] for one in quote.sessions if one["status"] == "open"]
    mailed = [one for one in payable if any(f"/{one}" in mail.text for mail in quote.world.mails)]
    if not mailed:
        yield f"a link is called sent, but of {payable} none was mailed"
