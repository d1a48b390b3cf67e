"""Where a quote stands: one true sentence, who acts next, and what they can do. Pure.

Of all that is known of a quote, the most pressing thing decides: what a person must mend, what works or waits, that
it was cancelled or undone, how its invoice stands, and why there is none. docs/reference/states.md is this table,
with what each state says in French.
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

#: What a person can do about a state, in words for docs; each skin has its own button, request or command for it.
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
    """A state that a quote can be in; ``sentence`` has places for facts: ``{total}``."""

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
    """What is known of a quote. ``runs``: its runs, oldest first, as stored; those of upkeep concern no quote."""

    runs: Sequence[Run] = ()
    #: By plugin.
    records: Mapping[str, QuoteRecord] = field(default_factory=dict)
    #: Why a signed quote has no invoice, as ``no_invoice.explained`` says it.
    without_invoice: Mapping[str, Any] | None = None
    stops: Stops = field(default_factory=Stops)
    #: False where only runs are known: the platform has told of the quote, and it could not be fetched.
    is_stored: bool = True
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a quote stands. ``facts`` is what the state's sentence says of this quote.

    ``plugin`` and ``run_id`` say whose the state is, where one run or one record decides; ``hint`` is that run's.
    """

    state: State
    facts: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    plugin: str = ""
    run_id: str | None = None
    #: The installment to send, where that is a step.
    installment: int | None = None
    #: What else a person can do here than in most quotes of this state, and what they cannot.
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[str, ...]:
        """What a person can do, the most useful first."""
        return self.also + tuple(step for step in self.state.steps if step not in self.without)

    @property
    def sentence(self) -> str:
        """The sentence in English."""
        return self.state.sentence.format(**self.facts)


def standing_of(known: Facts, now: datetime) -> Standing:
    """Where the quote stands at a moment."""
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


# -- what presses most -------------------------------------------------------------------------------


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
    """What a run that took back could not: whatever it advised, there is money now that was not there."""
    standing = _standing("cancelled_paid" if run.kind == RunKind.CANCEL else "undone_paid", run, _figures(record))
    hint = "Give it back by a refund or a credit note, or keep it. Then dismiss the run."
    # A run that is dismissed is tried again first: then it says what is paid.
    return replace(standing, hint=hint, without=("dismiss",) if run.status == RunStatus.DISMISSED else ("retry",))


def is_a_mail(run: Run) -> bool:
    """Whether all that a run could not do was to mail a link, which nobody misses once nothing is to be paid."""
    return run.kind in MAKING and run.error_code.startswith("mail_")


def _to_decide(known: Facts, plugin: str) -> Run | None:
    """The cancellation that a person has dealt with before anything was paid; None where they knew of the payment."""
    ended = [run for run in known.runs if (run.plugin, run.kind) == (plugin, RunKind.CANCEL)]
    seen = (ended[-1].outcome or {}).get("payment_status") if ended else "paid"
    return None if seen in {"paid", "partially_paid"} else ended[-1]


def _is_past(run: Run, known: Facts) -> bool:
    """Whether what the run could not do was done since, or is no longer wanted."""
    record = known.records.get(run.plugin)
    if record is not None and record.payment_status in {"paid", "void"} and is_a_mail(run):
        return True
    later = known.runs[list(known.runs).index(run) + 1 :]
    return any(
        one.status == RunStatus.SUCCEEDED
        and (one.plugin, one.kind) == (run.plugin, run.kind)
        and one.facts.get("number") == run.facts.get("number")
        for one in later
        if run.kind != RunKind.WEBHOOK  # another event says nothing of this one
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
    """Cancelled or undone; and what is open or paid all the same."""
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
            continue  # what was to be decided about it, a person has decided
        if record.payment_status in {"unpaid", "processing"}:
            without = () if record.is_voidable else ("void",)
            return Standing(STATES[f"{name}_open"], {**facts, "invoice": _name(record)}, plugin=plugin, without=without)
        if record.payment_status == "void" and name == "undone":
            return None  # the invoice says more
    return _standing(name, facts=facts)


def _day(moment: str | datetime, zone: tzinfo) -> str:
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return when.astimezone(zone).date().isoformat()


# -- how the invoice stands --------------------------------------------------------------------------


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
    """The first day that has gone by without its payment, and of which installment; an invoice has a day, too."""
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
    # A plugin need not record every figure.
    return "–" if amount is None else f"{amount:f} {currency}"


# -- why there is none -------------------------------------------------------------------------------


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
    """What the run said: its error, or the first of its notes."""
    if run.error:
        return run.error_title
    notes = (run.outcome or {}).get("notes") or ("",)
    return str(notes[0])
