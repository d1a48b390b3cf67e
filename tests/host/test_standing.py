"""The state of a quote: each state in the table follows from its facts, and from no fewer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from qwoty_integrations_host.contract.record import InstallmentRecord, InvoiceRecord, QuoteRecord
from qwoty_integrations_host.quotes.run import Run, RunKind, RunStatus
from qwoty_integrations_host.quotes.standing import ATTENTION, BAD, PERSON, STATES, STEPS, Facts, standing_of
from qwoty_integrations_host.quotes.stops import Stops

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SOON, EARLIER = NOW + timedelta(hours=5), NOW - timedelta(hours=5)
STOP = {"at": NOW.isoformat(), "by": "ada", "reason": ""}


def a_run(status: str, kind: str = "quote_accepted", *, why: str | None = None, **more: Any) -> Run:
    place = {"id": f"run-{kind}", "workspace": "ws-1", "plugin": "bills", "quote_id": "q-1", "subject": "q-1"}
    never = dict.fromkeys(("settings_digest", "outage_since", "finished_at"))
    error = {"code": "c", "title": why, "hint": "Do this."} if why else None
    said = {"facts": {}, "error": error, "outcome": {"notes": ["It has no lines."]}, "waits_until": SOON}
    kept = {"kind": RunKind(kind), "status": RunStatus(status), "attempt": 1, "resumable": False, "created_at": EARLIER}
    return Run(**{**place, **never, **said, **kept, **more})


def invoiced(status: str = "open", *parts: InstallmentRecord, **more: Any) -> dict[str, QuoteRecord]:
    figures = {"total": Decimal("120.00"), "amount_paid": Decimal("0.00"), "amount_remaining": Decimal("120.00")}
    invoice = InvoiceRecord(id="in_1", status=status, account="a", due_date=more.pop("due_date", None))
    return {"bills": QuoteRecord(currency="EUR", invoice=invoice, installments=parts, **{**figures, **more})}


def a_part(status: str = "sent", **more: Any) -> InstallmentRecord:
    times = {"linked_at": EARLIER, "mailed_at": EARLIER, "expires_at": SOON, **more}
    return InstallmentRecord(number=1, amount=Decimal("120.00"), status=status, **times)


def lacking(code: str) -> dict[str, Any]:
    return {"code": code, "title": "Unit X has no key.", "hint": "Add it.", "plugin": None, "run_id": None}


DONE = [a_run("succeeded")]
PAID = {"amount_paid": Decimal("120.00"), "amount_remaining": Decimal("0.00")}
PARTLY = invoiced(amount_paid=Decimal("20.00"), amount_remaining=Decimal("100.00"))
#: The state, the facts, and the values in its sentence.
REACHED: list[tuple[str, Facts, str]] = [
    ("accepted", Facts(runs=[a_run("queued")]), "begins by itself"),
    ("waiting_for_integration", Facts(), "No integration was enabled"),
    ("running", Facts(runs=[a_run("running")]), "being worked on"),
    ("running", Facts(runs=[*DONE, a_run("queued", "installment")]), "being worked on"),
    ("waiting", Facts(runs=[a_run("waiting", why="It is away.")]), "on 2026-03-10: It is away."),
    ("no_invoice", Facts(runs=[a_run("skipped", why="x")], without_invoice=lacking("no_key")), "Unit X has no key."),
    ("waiting_for_integration", Facts(without_invoice=lacking("no_integration")), "No integration was enabled"),
    ("nothing_to_do", Facts(runs=[a_run("skipped")]), "nothing to do: It has no lines."),
    ("done", Facts(runs=DONE), "none of them makes invoices"),
    ("needs_attention", Facts(runs=[a_run("needs_attention", why="Look.")]), "A person is needed: Look."),
    ("failed", Facts(runs=[a_run("failed", why="A bug.")]), "failed: A bug."),
    ("dismissed", Facts(runs=[a_run("dismissed")]), "no invoice was made"),
    ("draft", Facts(runs=DONE, records=invoiced("draft")), "Invoice in_1 over 120.00 EUR is a draft"),
    ("open", Facts(runs=DONE, records=invoiced()), "120.00 EUR is to be paid"),
    ("link_sent", Facts(runs=DONE, records=invoiced("open", a_part())), "120.00 EUR was mailed"),
    ("link_made", Facts(runs=DONE, records=invoiced("open", a_part(mailed_at=None))), "was not sent: Nobody"),
    (
        "link_made",
        Facts(runs=[a_run("failed", why="No such box.")], records=invoiced("open", a_part(mailed_at=None))),
        "was not sent: No such box.",
    ),
    ("link_expired", Facts(runs=DONE, records=invoiced("open", a_part(expires_at=EARLIER))), "has expired"),
    ("processing", Facts(runs=DONE, records=invoiced("open", a_part("processing"))), "under way"),
    ("payment_failed", Facts(runs=DONE, records=invoiced("open", a_part("failed"))), "needs a new link"),
    ("partly_paid", Facts(runs=DONE, records=PARTLY), "20.00 EUR is paid, and 100.00 EUR is to be paid"),
    ("overdue", Facts(runs=DONE, records=invoiced(due_date=date(2026, 3, 9))), "was due on 2026-03-09"),
    ("invoice_gone", Facts(runs=DONE, records={"bills": QuoteRecord(currency="EUR")}), "has no invoice"),
    ("nothing_to_do", Facts(runs=[a_run("skipped"), a_run("succeeded", plugin="slack")]), "It has no lines."),
    ("dismissed", Facts(runs=[a_run("dismissed"), a_run("succeeded", plugin="slack")]), "dealt with"),
    (
        "link_sent",
        Facts(runs=DONE, records=invoiced("open", a_part("failed"), replace(a_part(), number=2))),
        "120.00 EUR was mailed",
    ),
    (
        "cancelled_paid",
        Facts(runs=[*DONE, a_run("needs_attention", "cancel", why="Open.")], stops=Stops(STOP), records=PARTLY),
        "20.00 EUR of invoice in_1 is paid",
    ),
    ("cancelled", Facts(runs=DONE, stops=Stops(STOP), records=PARTLY), "nothing more is sent"),
    ("undone_paid", Facts(runs=DONE, stops=Stops(None, {"bills": STOP}), records=PARTLY), "20.00 EUR of invoice in_1"),
    (
        "overdue",
        Facts(runs=DONE, records=invoiced("open", a_part("scheduled", due_date=date(2026, 3, 1)))),
        "was due on 2026-03-01",
    ),
    ("paid", Facts(runs=DONE, records=invoiced("paid", **PAID)), "over 120.00 EUR is paid"),
    (
        "settled_outside",
        Facts(runs=DONE, records=invoiced("paid", **PAID, amount_paid_outside=Decimal("120.00"))),
        "120.00 EUR was settled outside",
    ),
    ("void", Facts(runs=DONE, records=invoiced("void")), "nothing is to be paid"),
    ("uncollectible", Facts(runs=DONE, records=invoiced("uncollectible")), "120.00 EUR was not paid"),
    ("cancelled", Facts(runs=DONE, stops=Stops(STOP)), "cancelled on 2026-03-10"),
    ("cancelled_open", Facts(runs=DONE, stops=Stops(STOP), records=invoiced()), "in_1 is still open"),
    ("undone", Facts(runs=DONE, stops=Stops(None, {"bills": STOP})), "was taken back"),
    (
        "undone_open",
        Facts(runs=DONE, stops=Stops(None, {"bills": STOP}), records=invoiced()),
        "in_1 is final and still open",
    ),
    ("fetching", Facts(runs=[a_run("running", "platform_event")], is_stored=False), "being fetched"),
    ("dismissed", Facts(runs=[a_run("dismissed", "platform_event")], is_stored=False), "dealt with"),
    (
        "not_fetched",
        Facts(runs=[a_run("needs_attention", "platform_event", why="No token.")], is_stored=False),
        "from the platform: No token.",
    ),
]


@pytest.mark.parametrize(("state", "facts", "says"), REACHED, ids=[state for state, _, _ in REACHED])
def test_the_facts_of_a_quote_determine_its_state(state: str, facts: Facts, says: str) -> None:
    standing = standing_of(facts, NOW)

    assert standing.state.name == state
    assert says in standing.sentence


def test_every_state_is_reached() -> None:
    assert {state for state, _, _ in REACHED} == set(STATES)


@pytest.mark.parametrize("state", STATES.values(), ids=lambda state: state.name)
def test_a_state_that_needs_a_person_names_the_possible_steps(state: Any) -> None:
    assert set(state.steps) <= set(STEPS)
    if state.tone in {ATTENTION, BAD}:
        assert state.acts == PERSON and state.steps
    assert (state.acts != PERSON) or state.steps


UNMAILED = a_run("failed", error={"code": "mail_refused", "title": "x", "hint": ""})
#: Facts with a run that had a problem, which was solved since.
PAST: dict[str, Facts] = {
    "the same was done later": Facts(
        runs=[a_run("failed", "installment", why="x"), *DONE, a_run("succeeded", "installment")], records=invoiced()
    ),
    "the invoice was paid": Facts(runs=[UNMAILED], records=invoiced("paid", **PAID)),
    "the invoice is void": Facts(runs=[UNMAILED], records=invoiced("void")),
    "a person has dealt with it": Facts(runs=[a_run("dismissed", why="x")], records=invoiced()),
}


@pytest.mark.parametrize("facts", PAST.values(), ids=PAST)
def test_a_problem_that_was_solved_needs_nobody(facts: Facts) -> None:
    assert standing_of(facts, NOW).state.tone not in {ATTENTION, BAD}


def test_a_problem_with_a_paid_invoice_still_needs_a_person() -> None:
    facts = Facts(runs=[a_run("needs_attention", why="Overpaid.")], records=invoiced("paid", **PAID))

    assert standing_of(facts, NOW).state.name == "needs_attention"


def test_a_later_installment_does_not_solve_the_problem_of_an_earlier_one() -> None:
    runs = [
        a_run("failed", "installment", why="No such box.", facts={"number": 1}),
        a_run("succeeded", "installment", facts={"number": 2}),
    ]

    assert standing_of(Facts(runs=runs, records=invoiced()), NOW).state.name == "failed"


#: Facts under which a step is not possible, although its state usually offers it.
NOT_OFFERED: dict[str, tuple[Facts, str]] = {
    "no link is sent without installments": (Facts(runs=DONE, records=invoiced(due_date=date(2026, 3, 9))), "send"),
    "no invoice is voided while a payment is under way": (
        Facts(runs=DONE, stops=Stops(STOP), records=invoiced("open", a_part("processing"))),
        "void",
    ),
    "no settings lack what was switched off": (Facts(without_invoice=lacking("switched_off")), "settings"),
    "no integration is off where a key is missing": (Facts(without_invoice=lacking("no_key")), "enable"),
}


@pytest.mark.parametrize(("facts", "step"), NOT_OFFERED.values(), ids=NOT_OFFERED)
def test_a_step_is_not_offered_where_it_is_refused(facts: Facts, step: str) -> None:
    standing = standing_of(facts, NOW)

    assert step in standing.state.steps
    assert step not in standing.steps


@pytest.mark.parametrize("kind", ["cancel", "undo"])
def test_an_unpaid_invoice_that_a_cancellation_left_open_can_be_voided(kind: str) -> None:
    facts = Facts(
        runs=[*DONE, a_run("needs_attention", kind, why="It is open.")], stops=Stops(STOP), records=invoiced()
    )

    assert standing_of(facts, NOW).steps[0] == "void"
