"""A cancelled quote: nothing more is sent, a draft is deleted, and a person decides on a final invoice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from builders import EMAIL, LINK, ON_DUE_DATE, OPEN, a_quote, on_terms
from qwoty_integrations_host.errors import ActionRefused
from qwoty_integrations_host.store import quotes
from stripe_invoice.conftest import cancel, days_later, notes, void


def ended(run: dict[str, Any]) -> tuple[str, str]:
    """The status of a run, and the code of its error."""
    return run["status"], (run["error"] or {}).get("code", "")


def pay_a_part(bench: Any) -> None:
    bench.pay(bench.stripe.objects("sessions")[0]["id"])


def pay_all(bench: Any) -> None:
    for number in (1, 2):
        if number > 1:
            bench.send_installment("q-7", number)
        bench.pay(bench.stripe.objects("sessions")[-1]["id"])


def pay_by_debit(bench: Any) -> None:
    bench.stripe.pay_later(bench.stripe.objects("sessions")[0]["id"])
    bench.webhooks()


def nothing(bench: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("settings", "meanwhile", "how", "invoices", "links"),
    [
        ({}, nothing, ("succeeded", ""), [], []),
        (OPEN, nothing, ("needs_attention", "invoice_stays_open"), ["open"], []),
        (EMAIL, nothing, ("needs_attention", "invoice_stays_open"), ["open"], []),
        (LINK, nothing, ("needs_attention", "invoice_stays_open"), ["open"], ["expired"]),
        (OPEN | {"void_on_cancel": True}, nothing, ("succeeded", ""), ["void"], []),
        (LINK | {"void_on_cancel": True}, nothing, ("succeeded", ""), ["void"], ["expired"]),
        (
            LINK | {"void_on_cancel": True},
            pay_a_part,
            ("needs_attention", "invoice_partly_paid"),
            ["open"],
            ["complete"],
        ),
        (LINK | {"void_on_cancel": True}, pay_all, ("needs_attention", "invoice_is_paid"), ["paid"], ["complete"] * 2),
        (
            LINK | {"void_on_cancel": True},
            pay_by_debit,
            ("needs_attention", "invoice_payment_under_way"),
            ["open"],
            ["complete"],
        ),
    ],
    ids=["draft", "open", "e-mail", "link", "void", "link and void", "partly paid", "paid", "debit"],
)
def test_a_cancellation_takes_back_what_is_not_final_and_reports_the_rest(
    bench: Any,
    settings: dict[str, Any],
    meanwhile: Callable[[Any], None],
    how: tuple[str, str],
    invoices: list[str],
    links: list[str],
) -> None:
    bench.enable(**settings)
    bench.accept(a_quote(installments=2))
    meanwhile(bench)
    mails = len(bench.mails())

    run = cancel(bench)

    assert ended(run) == how, run
    assert [one["status"] for one in bench.stripe.objects("invoices")] == invoices
    assert [one["status"] for one in bench.stripe.objects("sessions")] == links
    assert len(bench.mails()) == mails
    assert run["error"] is None or run["error"]["hint"]


def test_a_payment_that_comes_just_before_the_cancellation_counts(bench: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.pay(bench.stripe.objects("sessions")[0]["id"])

    run = cancel(bench)

    assert ended(run) == ("needs_attention", "invoice_partly_paid")
    assert run["error"]["title"].startswith("60.00 EUR of 120.00 EUR of invoice")
    assert "Installment 1 was paid before its link could be closed." in notes(run)
    assert bench.quote("q-7")["amount_paid"] == "60.00"


def test_a_payment_that_comes_while_the_link_is_closed_counts(bench: Any, meanwhile: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    (session,) = bench.stripe.objects("sessions")
    bench.stripe.config.update(webhooks_held=True)
    open_orders = meanwhile("GET", f"/checkout/sessions/{session['id']}", lambda: bench.stripe.pay(session["id"]))

    run = cancel(bench)

    assert not open_orders and ended(run) == ("needs_attention", "invoice_partly_paid")
    assert bench.quote("q-7")["payment_status"] == "partially_paid"


@pytest.mark.parametrize("due", ["cancelled", "undone"])
def test_no_installment_of_a_cancelled_or_undone_quote_is_sent(bench: Any, due: str) -> None:
    bench.enable(**ON_DUE_DATE)
    run = bench.accept(on_terms("due_now", "net30"))
    if due == "cancelled":
        cancel(bench)
    else:
        bench.host.runs.cancellation.undo(run["id"])
        bench.work()
    days_later(bench, 40)
    mails = len(bench.mails())

    asked = bench.host.runs.installments.request_due()
    with pytest.raises(ActionRefused, match="nothing more is made of it or sent") as refused:
        bench.send_installment("q-7", 2)
    with pytest.raises(ActionRefused, match="nothing more is made of it or sent"):
        bench.send_installment("q-7", look_first=True)

    assert (asked, len(bench.mails())) == ([], mails)
    assert (refused.value.code, refused.value.hint) == (f"quote_{due}", "Accepted again, it begins anew.")
    assert [one["status"] for one in bench.stripe.objects("sessions")] == ["expired"]


@pytest.mark.parametrize(("status", "takes_back"), [("queued", "skipped"), ("waiting", "succeeded")])
def test_a_run_that_has_not_ended_is_dismissed_and_stays_dismissed(bench: Any, status: str, takes_back: str) -> None:
    bench.enable()
    if status == "waiting":
        bench.stripe.faults.add("500_before", path="/add_lines", times=99)
    (run_id,) = bench.host.runs.acceptance.accept("ws-1", a_quote()).run_ids
    if status == "waiting":
        bench.work()
        bench.stripe.faults.reset()
    assert bench.run(run_id)["status"] == status

    told = cancel(bench)
    bench.clock.advance(timedelta(days=1).total_seconds())
    bench.work()
    run = bench.run(run_id)

    assert (told["status"], run["status"]) == (takes_back, "dismissed")
    assert "the quote is cancelled" in notes(run)
    assert bench.stripe.objects("invoices") == []
    with pytest.raises(ActionRefused, match="The quote is cancelled"):
        bench.host.runs.control.retry(run_id)


def test_a_working_run_stops_at_its_next_step(bench: Any, meanwhile: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    open_orders = meanwhile("POST", "/finalize", lambda: bench.host.runs.cancellation.cancel("ws-1", "q-7"))

    run = bench.accept(a_quote(installments=2))

    assert not open_orders and run["status"] == "dismissed"
    assert run["steps"][-1]["name"] == "finalize"
    assert (bench.mails(), bench.stripe.objects("sessions")) == ([], [])
    assert [one["status"] for one in bench.stripe.objects("invoices")] == ["void"]


def test_voiding_the_invoice_settles_the_run_that_asked_for_it(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    asking = cancel(bench)

    voided = void(bench)

    assert ended(voided) == ("succeeded", "")
    assert bench.quote("q-7")["payment_status"] == "void"
    settled = bench.run(asking["id"])
    assert settled["status"] == "dismissed" and "the invoice is void" in notes(settled)


def test_voiding_the_invoice_in_stripe_settles_the_run_that_asked_for_it(bench: Any, v1: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    asking = cancel(bench)

    v1.invoices.void_invoice(bench.stripe.objects("invoices")[0]["id"])
    bench.webhooks()

    assert bench.run(asking["id"])["status"] == "dismissed"


@pytest.mark.parametrize(
    ("settings", "meanwhile", "why"),
    [
        ({}, nothing, "The invoice is draft: it cannot be voided."),
        (LINK, pay_a_part, "The invoice is partially_paid: it cannot be voided."),
        (LINK, pay_all, "The invoice is paid: it cannot be voided."),
        (LINK, pay_by_debit, "The invoice is processing: it cannot be voided."),
        (LINK, void, "The invoice is void: it cannot be voided."),
    ],
    ids=["draft", "partly paid", "paid", "debit", "void"],
)
def test_an_invoice_that_cannot_be_voided_is_refused_with_a_hint(
    bench: Any, settings: dict[str, Any], meanwhile: Callable[[Any], Any], why: str
) -> None:
    bench.enable(**settings)
    bench.accept(a_quote(installments=2))
    meanwhile(bench)

    with pytest.raises(ActionRefused) as refused:
        bench.host.runs.cancellation.void("ws-1", "q-7")

    assert refused.value.title == why and refused.value.hint


def test_an_invoice_that_was_paid_meanwhile_is_not_voided(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.pay(bench.stripe.objects("sessions")[0]["id"])

    run = void(bench)

    assert ended(run) == ("needs_attention", "invoice_partly_paid")
    assert bench.stripe.objects("invoices")[0]["status"] == "open"


@pytest.mark.parametrize("fault", ["500_after", "cut_after", "cut_before", "500_before"])
def test_a_lost_answer_does_not_void_the_invoice_twice(bench: Any, fault: str) -> None:
    bench.enable(**OPEN, void_on_cancel=True)
    bench.accept(a_quote())
    bench.stripe.faults.add(fault, path="/void")

    run = cancel(bench)

    assert (run["status"], bench.stripe.objects("invoices")[0]["status"]) == ("succeeded", "void")


def test_a_payment_after_a_settled_cancellation_asks_a_person_again(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=1))
    (run_id,) = bench.host.runs.cancellation.cancel("ws-1", "q-7").run_ids
    bench.work()
    bench.webhooks()
    bench.host.runs.control.dismiss(run_id, "They pay all the same.")
    assert bench.quote("q-7")["standing"]["state"] == "cancelled_open"

    bench.stripe.pay_hosted(bench.stripe.objects("invoices")[0]["id"])
    bench.webhooks()

    asks = bench.quote("q-7")["standing"]
    assert (asks["state"], [one["step"] for one in asks["steps"]]) == ("cancelled_paid", ["retry"])
    bench.host.runs.control.retry(asks["run_id"])
    bench.work()
    asks = bench.quote("q-7")["standing"]
    assert (asks["state"], [one["step"] for one in asks["steps"]]) == ("cancelled_paid", ["dismiss"])
    bench.host.runs.control.dismiss(asks["run_id"], "Kept: they wanted it after all.")
    assert bench.quote("q-7")["standing"]["state"] == "cancelled"


def test_a_cancellation_waits_for_an_integration_that_is_switched_off(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    bench.host.settings.disable("ws-1", "stripe_invoice")

    run = cancel(bench)
    bench.host.settings.enable("ws-1", "stripe_invoice")

    assert ended(run) == ("needs_attention", "integration_off")
    assert ended(bench.retry(run["id"])) == ("needs_attention", "invoice_stays_open")


def test_a_draft_whose_answer_was_lost_is_found_and_deleted(bench: Any) -> None:
    bench.enable()
    bench.stripe.faults.add("cut_after", path="/v1/invoices$", method="POST")
    bench.stripe.faults.add("500_before", path="/v1/invoices$", method="GET", times=99)
    (run_id,) = bench.host.runs.acceptance.accept("ws-1", a_quote()).run_ids
    bench.work()
    bench.stripe.faults.reset()
    assert bench.run(run_id)["status"] == "waiting" and len(bench.stripe.objects("invoices")) == 1

    assert cancel(bench)["status"] == "succeeded"
    assert bench.stripe.objects("invoices") == []


@pytest.mark.parametrize("recorded", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["links", "session", "link.expire", "invoice.after", "void", "invoice.voided"])
def test_a_process_that_dies_during_a_cancellation_takes_everything_back_once(
    bench: Any, step: str, recorded: bool
) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    (session,) = bench.stripe.objects("sessions")
    (run_id,) = bench.host.runs.cancellation.cancel("ws-1", "q-7").run_ids
    name = f"{step}:{session['id']}" if step in {"session", "link.expire"} else step
    bench.engine.die_at(name, recorded=recorded)

    died = bench.work_until_it_dies()
    bench.restart()

    assert died and bench.run(run_id)["status"] == "succeeded"
    assert bench.stripe.objects("invoices")[0]["status"] == "void"
    assert bench.stripe.objects("sessions")[0]["status"] == "expired"


def test_undoing_one_integration_does_not_stop_the_others(bench: Any) -> None:
    bench.enable()
    run = bench.accept(a_quote())
    bench.host.runs.cancellation.undo(run["id"])
    bench.work()

    with bench.host.store.read() as db:
        stops = quotes.stops(db, "ws-1", "q-7")

    assert stops.block("stripe_invoice") and not stops.block("another")
    stops.refuse("another")


def test_a_cancellation_dismisses_a_run_that_needed_a_person(bench: Any) -> None:
    bench.enable(**EMAIL)
    run = bench.accept(a_quote(contact={"email": "not an address"}))
    assert run["status"] == "needs_attention"

    cancel(bench)

    assert bench.run(run["id"])["status"] == "dismissed"
    with pytest.raises(ActionRefused, match="The quote is cancelled"):
        bench.host.runs.control.retry(run["id"])
    assert bench.host.runs.control.retry_all_failed() == []
