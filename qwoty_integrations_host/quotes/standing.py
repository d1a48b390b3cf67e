"""The state of a quote: one sentence, who acts next, and what they can do. Pure functions.

The most urgent fact decides. In this order: a problem that a person must correct, a run at work or waiting, a
cancellation or undo, the state of the invoice, and why there is no invoice. docs/reference/states.md is generated from
``STATES``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from ..contract.record import InstallmentRecord, QuoteRecord
from .run import MAKING, Run, RunKind, RunStatus
from .stops import Stops
from .without_invoice import NO_INTEGRATION, NO_INVOICING, SWITCHED_OFF

GOOD, BUSY, ATTENTION, BAD, QUIET = "good", "busy", "attention", "bad", "quiet"
HOST, CUSTOMER, PERSON, NOBODY = "host", "customer", "person", "nobody"

#: What a person can do in a state, for the docs. Console, API and command line each have their own way to do it.
STEPS: Mapping[str, str] = {
    "retry": "Retry the run",
    "dismiss": "Dismiss it",
    "run": "Run the integrations for the quote",
    "enable": "Switch an integration on",
    "settings": "Complete the integration's settings",
    "send": "Send the payment link",
    "finalize": "Finalize the invoice at the service",
    "remind": "Remind the customer at the service",
    "void": "Void the invoice",
    "accept": "Accept the quote again",
}


@dataclass(frozen=True, slots=True)
class State:
    """A state of a quote. ``sentence`` has placeholders for facts, such as ``{total}``."""

    name: str
    label: str
    tone: str
    #: Who acts next: the host, the customer, a person of the workspace, or nobody.
    acts: str
    sentence: str
    steps: tuple[str, ...] = ()


_ALL = (
    State("accepted", "Accepted", BUSY, HOST, "The quote is accepted, and its work begins by itself."),
    State(
        "waiting_for_integration",
        "No integration",
        ATTENTION,
        PERSON,
        "No integration was enabled when this quote was accepted.",
        ("enable", "run", "dismiss"),
    ),
    State("running", "Running", BUSY, HOST, "The quote is being worked on."),
    State("waiting", "Waiting", BUSY, HOST, "It waits and goes on by itself on {until}: {why}", ("retry", "dismiss")),
    State("no_invoice", "No invoice", ATTENTION, PERSON, "{why}", ("enable", "settings", "run", "dismiss")),
    State("nothing_to_do", "Nothing to do", QUIET, NOBODY, "There was nothing to do: {why}"),
    State("done", "Done", GOOD, NOBODY, "The integrations have done their work; none of them makes invoices."),
    State("needs_attention", "Needs attention", ATTENTION, PERSON, "A person is needed: {why}", ("retry", "dismiss")),
    State("failed", "Failed", BAD, PERSON, "The work on the quote failed: {why}", ("retry", "dismiss")),
    State("dismissed", "Dismissed", QUIET, NOBODY, "A person has dealt with it, and no invoice was made.", ("retry",)),
    State(
        "draft",
        "Draft",
        BUSY,
        PERSON,
        "Invoice {invoice} over {total} is a draft: the customer got nothing yet.",
        ("finalize",),
    ),
    State("open", "Open", BUSY, CUSTOMER, "Invoice {invoice} is open: {remaining} is to be paid."),
    State("link_sent", "Link sent", BUSY, CUSTOMER, "A payment link for {amount} was mailed; it is open until {end}."),
    State(
        "link_made",
        "Mail not sent",
        ATTENTION,
        PERSON,
        "A payment link for {amount} was made, but its mail was not sent: {why}",
        ("retry", "send"),
    ),
    State(
        "link_expired",
        "Link expired",
        ATTENTION,
        PERSON,
        "The payment link for {amount} has expired before it was paid.",
        ("send",),
    ),
    State("processing", "Payment in progress", BUSY, NOBODY, "The customer's payment of {amount} is under way."),
    State(
        "payment_failed",
        "Payment failed",
        ATTENTION,
        PERSON,
        "The customer's payment of {amount} failed: it needs a new link.",
        ("send",),
    ),
    State("partly_paid", "Partly paid", BUSY, CUSTOMER, "{paid} is paid, and {remaining} is to be paid."),
    State(
        "overdue", "Overdue", ATTENTION, PERSON, "{remaining} is to be paid, and was due on {due}.", ("send", "remind")
    ),
    State("paid", "Paid", GOOD, NOBODY, "Invoice {invoice} over {total} is paid."),
    State(
        "settled_outside",
        "Settled outside",
        GOOD,
        NOBODY,
        "Invoice {invoice} over {total} is paid: {outside} was settled outside {service}.",
    ),
    State("void", "Void", QUIET, NOBODY, "Invoice {invoice} is void: nothing is to be paid."),
    State(
        "uncollectible",
        "Uncollectible",
        QUIET,
        NOBODY,
        "Invoice {invoice} was given up as uncollectible: {remaining} was not paid.",
    ),
    State(
        "invoice_gone",
        "Invoice gone",
        ATTENTION,
        PERSON,
        "What was made of the quote is there no more: it has no invoice.",
        ("accept",),
    ),
    State(
        "cancelled", "Cancelled", QUIET, NOBODY, "The quote was cancelled on {day}: nothing more is sent.", ("accept",)
    ),
    State(
        "cancelled_open",
        "Cancelled, invoice open",
        ATTENTION,
        PERSON,
        "The quote was cancelled on {day}, but invoice {invoice} is still open.",
        ("void", "accept"),
    ),
    State(
        "undone",
        "Undone",
        QUIET,
        NOBODY,
        "What was made of the quote was taken back, and nothing is sent.",
        ("accept",),
    ),
    State(
        "undone_open",
        "Undone, invoice open",
        ATTENTION,
        PERSON,
        "The quote was undone, but invoice {invoice} is final and still open.",
        ("void", "accept"),
    ),
    State(
        "cancelled_paid",
        "Cancelled, but paid",
        ATTENTION,
        PERSON,
        "The quote is cancelled, but {paid} of invoice {invoice} is paid: what is given back, a person decides.",
        ("retry", "dismiss"),
    ),
    State(
        "undone_paid",
        "Undone, but paid",
        QUIET,
        NOBODY,
        "The quote was undone, but {paid} of invoice {invoice} is paid: nothing more is sent.",
        ("accept",),
    ),
    State("fetching", "Being fetched", BUSY, HOST, "The quote is being fetched from the platform."),
    State(
        "not_fetched",
        "Not fetched",
        ATTENTION,
        PERSON,
        "The quote could not be fetched from the platform: {why}",
        ("retry", "dismiss"),
    ),
)
STATES: Mapping[str, State] = {state.name: state for state in _ALL}

#: The states in which a quote stays until a person acts.
ASKING = tuple(name for name, state in STATES.items() if state.tone in {ATTENTION, BAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts about a quote from which its state is worked out. ``runs`` are its stored runs, oldest first."""

    runs: Sequence[Run] = ()
    #: By plugin.
    records: Mapping[str, QuoteRecord] = field(default_factory=dict)
    #: Why a signed quote has no invoice, from ``without_invoice.explanation_of``.
    without_invoice: Mapping[str, Any] | None = None
    stops: Stops = field(default_factory=Stops)
    #: False when only runs exist: the platform announced the quote, but it could not be fetched.
    is_stored: bool = True
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of one quote. ``facts`` are the values in the state's sentence.

    If a run or a record decides the state, ``plugin`` and ``run_id`` are those of it; ``hint`` is the run's.
    """

    state: State
    facts: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    plugin: str = ""
    run_id: str | None = None
    #: The installment that can be sent, if any.
    installment: int | None = None
    #: What a person can do with this quote in addition to its state's steps, and which of those they cannot do.
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[str, ...]:
        """What a person can do, most useful first."""
        return self.also + tuple(step for step in self.state.steps if step not in self.without)

    @property
    def sentence(self) -> str:
        """The sentence in English."""
        return self.state.sentence.format(**self.facts)


def standing_of(known: Facts, now: datetime) -> Standing:
    """Return the state of the quote at a moment."""
    return (
        _in_trouble(known, now)
        or _at_work(known)
        or _stopped(known)
        or _invoiced(known, now)
        or _without_invoice(known)
    )


def _standing(
    name: str,
    run: Run | None = None,
    facts: Mapping[str, str] | None = None,
    *,
    installment: int | None = None,
    also: tuple[str, ...] = (),
) -> Standing:
    hint = run.error_hint if run else ""
    plugin, run_id = (run.plugin, run.id) if run else ("", None)
    return Standing(STATES[name], facts or {}, hint, plugin, run_id, installment, also)


# -- what is most urgent -----------------------------------------------------------------------------


def _in_trouble(known: Facts, now: datetime) -> Standing | None:
    for run in reversed(known.runs):
        if not run.is_open or _is_past(run, known):
            continue
        if not known.is_stored:
            return _standing("not_fetched", run, {"why": _why(run)})
        record = known.records.get(run.plugin)
        link = record.open_link(now) if record else None
        if record is not None and link is not None and link.is_unmailed and run.kind in MAKING:
            return _of_part("link_made", run.plugin, record, link, known.zone, run, why=_why(run))
        if run.kind in {RunKind.CANCEL, RunKind.UNDO} and record is not None and record.amount_paid:
            return _paid_all_the_same(run, record)
        may_void = run.kind in {RunKind.CANCEL, RunKind.UNDO} and record is not None and record.is_voidable
        return _standing(run.status, run, {"why": _why(run)}, also=("void",) if may_void else ())
    return None


def _paid_all_the_same(run: Run, record: QuoteRecord) -> Standing:
    """Return the state of a cancelled or undone quote that was paid all the same; the run's hint is out of date."""
    standing = _standing("cancelled_paid" if run.kind == RunKind.CANCEL else "undone_paid", run, _figures(record))
    hint = "Give it back by a refund or a credit note, or keep it. Then dismiss the run."
    # Dismissing a dismissed run does nothing, so offer to retry it: it then reports what is paid.
    return replace(standing, hint=hint, without=("dismiss",) if run.status == RunStatus.DISMISSED else ("retry",))


def is_a_mail(run: Run) -> bool:
    """Return whether a run failed only to mail a link, which does not matter once nothing is to be paid."""
    return run.kind in MAKING and run.error_code.startswith("mail_")


def _to_decide(known: Facts, plugin: str) -> Run | None:
    """Return the cancellation's run if it did not report the payment yet, so that a person has to decide; else None."""
    ended = [run for run in known.runs if (run.plugin, run.kind) == (plugin, RunKind.CANCEL)]
    seen = (ended[-1].outcome or {}).get("payment_status") if ended else "paid"
    return None if seen in {"paid", "partially_paid"} else ended[-1]


def _is_past(run: Run, known: Facts) -> bool:
    """Return whether the work that the run could not do was done later, or is no longer needed."""
    record = known.records.get(run.plugin)
    if record is not None and record.payment_status in {"paid", "void"} and is_a_mail(run):
        return True
    later = known.runs[list(known.runs).index(run) + 1 :]
    return any(
        one.status == RunStatus.SUCCEEDED
        and (one.plugin, one.kind) == (run.plugin, run.kind)
        and one.facts.get("number") == run.facts.get("number")
        for one in later
        if run.kind != RunKind.WEBHOOK  # a run on one event does no work for another event
    )


def _at_work(known: Facts) -> Standing | None:
    open_runs = [run for run in known.runs if not run.is_finished]
    for run in open_runs:
        if run.status == RunStatus.WAITING:
            until = _day(run.waits_until, known.zone) if run.waits_until else ""
            return _standing("waiting", run, {"why": _why(run), "until": until})
    if not open_runs:
        return None
    if not known.is_stored:
        return _standing("fetching", open_runs[0])
    begun = len(known.runs) > len(open_runs) or any(run.status == RunStatus.RUNNING for run in open_runs)
    return _standing("running" if begun else "accepted", open_runs[0])


def _stopped(known: Facts) -> Standing | None:
    """Return the state of a cancelled or undone quote, with what is still open or was paid."""
    stop = known.stops.cancelled or next(iter(known.stops.undone.values()), None)
    if stop is None:
        return None
    name = "cancelled" if known.stops.cancelled else "undone"
    facts = {"day": _day(stop["at"], known.zone)}
    for plugin, record in known.records.items():
        if record.invoice is None:
            continue
        if record.amount_paid:
            if name == "undone":
                return Standing(STATES["undone_paid"], _figures(record), plugin=plugin)
            if (run := _to_decide(known, plugin)) is not None:
                return _paid_all_the_same(run, record)
            continue  # the payment was reported when the quote was cancelled, so a person has decided about it
        if record.payment_status in {"unpaid", "processing"}:
            without = () if record.is_voidable else ("void",)
            return Standing(STATES[f"{name}_open"], {**facts, "invoice": _name(record)}, plugin=plugin, without=without)
        if record.payment_status == "void" and name == "undone":
            return None  # the state of the invoice says more
    return _standing(name, facts=facts)


def _day(moment: str | datetime, zone: tzinfo) -> str:
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return when.astimezone(zone).date().isoformat()


# -- the state of the invoice ------------------------------------------------------------------------


def _invoiced(known: Facts, now: datetime) -> Standing | None:
    for plugin, record in known.records.items():
        if record.invoice is not None:
            return _of_invoice(plugin, record, now, known.zone)
    return None


def _of_invoice(plugin: str, record: QuoteRecord, now: datetime, zone: tzinfo) -> Standing:
    status = record.payment_status
    if status not in {"unpaid", "partially_paid", "processing"}:
        name = "settled_outside" if status == "paid" and record.amount_paid_outside else str(status)
        return Standing(STATES[name], _figures(record), plugin=plugin)
    parts = [part.seen_at(now) for part in record.installments]
    in_state = {part.status: part for part in reversed(parts)}
    if part := in_state.get("processing"):
        return _of_part("processing", plugin, record, part, zone)
    if link := record.open_link(now):
        if link.is_unmailed:
            return _of_part("link_made", plugin, record, link, zone, why="Nobody was mailed it.")
        return _of_part("link_sent", plugin, record, link, zone)
    for state, part_status in (("payment_failed", "failed"), ("link_expired", "expired")):
        if part := in_state.get(part_status):
            return _of_part(state, plugin, record, part, zone)
    if (late := _overdue(record, parts, now.astimezone(zone).date())) is not None:
        due, number = late
        said, without = {**_figures(record), "due": due.isoformat()}, ("send",) if number is None else ("remind",)
        return Standing(STATES["overdue"], said, plugin=plugin, installment=number, without=without)
    return Standing(STATES["partly_paid" if record.amount_paid else "open"], _figures(record), plugin=plugin)


def _overdue(record: QuoteRecord, parts: Sequence[InstallmentRecord], today: date) -> tuple[date, int | None] | None:
    """Return the earliest missed due date and the number of its installment; None if no due date was missed.

    The number is None if it is the due date of the invoice itself.
    """
    for part in parts:
        if part.status != "paid" and part.due_date is not None and part.due_date < today:
            return part.due_date, part.number
    day = record.invoice.due_date if record.invoice else None
    return (day, None) if day is not None and day < today else None


def _of_part(
    state: str,
    plugin: str,
    record: QuoteRecord,
    part: InstallmentRecord,
    zone: tzinfo,
    run: Run | None = None,
    **facts: str,
) -> Standing:
    said = {**_figures(record), "amount": _money(part.amount, record.currency), **facts}
    if part.expires_at is not None:
        said["end"] = _day(part.expires_at, zone)
    standing = _standing(state, run, said, installment=part.number)
    return replace(standing, plugin=plugin)


def _figures(record: QuoteRecord) -> dict[str, str]:
    amounts = {
        "total": record.total,
        "paid": record.amount_paid,
        "remaining": record.amount_remaining,
        "outside": record.amount_paid_outside,
    }
    return {
        "invoice": _name(record),
        "service": record.service or "the service",
        **{name: _money(amount, record.currency) for name, amount in amounts.items()},
    }


def _name(record: QuoteRecord) -> str:
    assert record.invoice is not None, "only of a record with an invoice"
    return record.invoice.number or record.invoice.id


def _money(amount: Decimal | None, currency: str) -> str:
    # A plugin may leave figures out of the record.
    return "–" if amount is None else f"{amount:f} {currency}"


# -- why there is no invoice -------------------------------------------------------------------------


def _without_invoice(known: Facts) -> Standing:
    if lacking := known.without_invoice:
        name = "waiting_for_integration" if lacking["code"] == NO_INTEGRATION else "no_invoice"
        why, plugin = {"why": lacking["title"]}, lacking["plugin"] or ""
        without = "settings" if lacking["code"] in {NO_INTEGRATION, NO_INVOICING, SWITCHED_OFF} else "enable"
        return Standing(STATES[name], why, lacking["hint"], plugin, lacking["run_id"], without=(without,))
    making = [run for run in known.runs if run.kind == RunKind.QUOTE_ACCEPTED or not known.is_stored]
    if not making:
        return _standing("waiting_for_integration")
    if all(run.status == RunStatus.SUCCEEDED for run in making):
        return _standing("invoice_gone" if known.records else "done")
    if skipped := [run for run in making if run.status == RunStatus.SKIPPED]:
        return _standing("nothing_to_do", skipped[0], {"why": _why(skipped[0])})
    return _standing("dismissed", making[0])


def _why(run: Run) -> str:
    """Return the run's reason: its error, or its first note."""
    if run.error:
        return run.error_title
    notes = (run.outcome or {}).get("notes") or ("",)
    return str(notes[0])
