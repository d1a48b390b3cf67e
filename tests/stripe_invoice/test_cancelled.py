"""A cancelled quote: nothing is sent any more, what is not final is taken back, the rest is a person's decision."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from builders import EMAIL, LINK, a_line, a_quote
from qwoty_integrations_host.errors import ActionRefused, InvalidInput, NotFound
from qwoty_integrations_host.store import quotes

OPEN = {"invoice_status": "open"}
BY_ITSELF = {**LINK, "send_next_installments": "on_due_date"}


def cancel(bench: Any, quote_id: str = "q-7", **said: Any) -> dict[str, Any]:
    """Cancel a quote, work what follows, and report the run that heard of it."""
    (run_id,) = bench.host.runs.taking_back.cancel("ws-1", quote_id, **said).run_ids
    bench.work()
    found: dict[str, Any] = bench.run(run_id)
    return found


def void(bench: Any) -> dict[str, Any]:
    run_id = bench.host.runs.taking_back.void("ws-1", "q-7")
    bench.work()
    found: dict[str, Any] = bench.run(run_id)
    return found


def ended(run: dict[str, Any]) -> tuple[str, str]:
    """How a run ended, and its code."""
    return run["status"], (run["error"] or {}).get("code", "")


def notes(run: dict[str, Any]) -> str:
    return "\n".join(run["outcome"]["notes"])


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


def later(bench: Any, days: int) -> None:
    """Let days pass for both sides."""
    for clock in (bench.clock, bench.stripe.clock):
        clock.advance(timedelta(days=days).total_seconds())
    bench.webhooks()


def due_later() -> dict[str, Any]:
    """A quote over 120.00 EUR, paid in two parts, the second after thirty days."""
    parts = a_quote(installments=2)["payment_terms"]["installments"]
    dated = [{**part, "term": term} for part, term in zip(parts, ("due_now", "net30"), strict=True)]
    return a_quote(payment_terms={"name": "terms", "installments": dated})


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
def test_what_is_not_final_is_taken_back_and_the_rest_is_said(
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


def test_a_link_that_is_paid_at_this_very_moment_is_respected(bench: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.pay(bench.stripe.objects("sessions")[0]["id"])

    run = cancel(bench)

    assert ended(run) == ("needs_attention", "invoice_partly_paid")
    assert run["error"]["title"].startswith("60.00 EUR of 120.00 EUR of invoice")
    assert "Installment 1 was paid before its link could be closed." in notes(run)
    assert bench.quote("q-7")["amount_paid"] == "60.00"


def test_a_link_that_is_paid_between_look_and_closing_is_respected(bench: Any, meanwhile: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    (session,) = bench.stripe.objects("sessions")
    bench.stripe.config.update(webhooks_held=True)
    open_orders = meanwhile("GET", f"/checkout/sessions/{session['id']}", lambda: bench.stripe.pay(session["id"]))

    run = cancel(bench)

    assert not open_orders and ended(run) == ("needs_attention", "invoice_partly_paid")
    assert bench.quote("q-7")["payment_status"] == "partially_paid"


@pytest.mark.parametrize("due", ["cancelled", "undone"])
def test_nothing_is_scheduled_or_sent_however_much_is_due(bench: Any, due: str) -> None:
    bench.enable(**BY_ITSELF)
    run = bench.accept(due_later())
    if due == "cancelled":
        cancel(bench)
    else:
        bench.host.runs.taking_back.undo(run["id"])
        bench.work()
    later(bench, 40)
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
def test_what_has_not_ended_is_dismissed_and_does_not_come_back(bench: Any, status: str, takes_back: str) -> None:
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


def test_a_run_at_work_stops_at_its_next_step(bench: Any, meanwhile: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    open_orders = meanwhile("POST", "/finalize", lambda: bench.host.runs.taking_back.cancel("ws-1", "q-7"))

    run = bench.accept(a_quote(installments=2))

    assert not open_orders and run["status"] == "dismissed"
    assert run["steps"][-1]["name"] == "finalize"
    assert (bench.mails(), bench.stripe.objects("sessions")) == ([], [])
    assert [one["status"] for one in bench.stripe.objects("invoices")] == ["void"]


def test_a_person_voids_the_invoice_and_that_settles_the_run_that_asked_for_it(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    asking = cancel(bench)

    voided = void(bench)

    assert ended(voided) == ("succeeded", "")
    assert bench.quote("q-7")["payment_status"] == "void"
    settled = bench.run(asking["id"])
    assert settled["status"] == "dismissed" and "the invoice is void" in notes(settled)


def test_an_invoice_that_is_voided_by_hand_settles_it_too(bench: Any, v1: Any) -> None:
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
def test_what_cannot_be_voided_is_refused_with_what_to_do_instead(
    bench: Any, settings: dict[str, Any], meanwhile: Callable[[Any], Any], why: str
) -> None:
    bench.enable(**settings)
    bench.accept(a_quote(installments=2))
    meanwhile(bench)

    with pytest.raises(ActionRefused) as refused:
        bench.host.runs.taking_back.void("ws-1", "q-7")

    assert refused.value.title == why and refused.value.hint


def test_what_was_paid_meanwhile_is_not_voided(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.pay(bench.stripe.objects("sessions")[0]["id"])

    run = void(bench)

    assert ended(run) == ("needs_attention", "invoice_partly_paid")
    assert bench.stripe.objects("invoices")[0]["status"] == "open"


@pytest.mark.parametrize("fault", ["500_after", "cut_after", "cut_before", "500_before"])
def test_whatever_happens_to_the_answer_the_invoice_is_voided_once(bench: Any, fault: str) -> None:
    bench.enable(**OPEN, void_on_cancel=True)
    bench.accept(a_quote())
    bench.stripe.faults.add(fault, path="/void")

    run = cancel(bench)

    assert (run["status"], bench.stripe.objects("invoices")[0]["status"]) == ("succeeded", "void")


@pytest.mark.parametrize("settings", [{}, LINK, EMAIL, LINK | {"void_on_cancel": True}], ids=str)
@pytest.mark.parametrize(("net", "total"), [("100.00", "120.00"), ("200.00", "240.00")])
def test_accepted_again_it_begins_anew(bench: Any, settings: dict[str, Any], net: str, total: str) -> None:
    bench.enable(**settings)
    before = bench.accept(a_quote(installments=2))
    cancel(bench)
    if settings in (LINK, EMAIL) and total != "120.00":
        bench.webhooks()
        void(bench)  # what was signed has changed: the invoice cannot stay
    later(bench, 3)

    accepted = bench.host.runs.acceptance.accept("ws-1", a_quote(a_line(net=net), installments=2))
    bench.work()
    run = bench.run(before["id"])

    assert (accepted.anew, accepted.duplicate) == (True, False)
    assert run["status"] == "succeeded", run["error"]
    (invoice,) = [one for one in bench.stripe.objects("invoices") if one["status"] != "void"]
    assert f"{invoice['total'] / 100:.2f}" == total
    report = bench.quote("q-7")
    assert (report["cancelled"], report["undone"], report["invoice"]["id"]) == (None, [], invoice["id"])
    if "send_payment_link" in settings:
        assert [one["status"] for one in bench.stripe.objects("sessions")] == ["expired", "open"]
        assert len(bench.mails()) == 2


def test_after_a_voided_invoice_the_installments_of_the_new_one_go_out_on_their_days(bench: Any) -> None:
    bench.enable(**BY_ITSELF, void_on_cancel=True)
    bench.accept(due_later())
    later(bench, 40)
    bench.stripe.faults.add("403", path="/v1/checkout/sessions$", method="POST")
    (tried,) = bench.host.runs.installments.request_due()
    bench.work()
    assert bench.run(tried)["status"] == "needs_attention"
    cancel(bench)
    bench.accept(due_later())
    bench.pay(bench.stripe.objects("sessions")[-1]["id"])
    later(bench, 40)

    asked = bench.host.runs.installments.request_due()
    bench.work()

    assert bench.run(tried)["status"] == "dismissed"
    assert [bench.run(run_id)["status"] for run_id in asked] == ["succeeded"]


def test_accepted_again_before_it_was_taken_back_it_goes_on(bench: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    (told,) = bench.host.runs.taking_back.cancel("ws-1", "q-7").run_ids
    run = bench.accept(a_quote(installments=2))

    assert bench.run(told)["status"] == "dismissed"
    assert run["status"] == "succeeded"
    assert [one["status"] for one in bench.stripe.objects("invoices")] == ["open"]


def test_cancelling_twice_is_the_same_cancellation(bench: Any) -> None:
    bench.enable()
    bench.accept(a_quote())

    first = bench.host.runs.taking_back.cancel("ws-1", "q-7", reason="  The customer\n went elsewhere ")
    second = bench.host.runs.taking_back.cancel("ws-1", "q-7", reason="Another")

    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.run_ids == second.run_ids
    assert bench.quote("q-7")["cancelled"]["reason"] == "The customer went elsewhere"


def test_money_that_comes_in_after_a_person_had_dealt_with_the_cancellation_asks_again(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=1))
    (run_id,) = bench.host.runs.taking_back.cancel("ws-1", "q-7").run_ids
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


def test_a_quote_that_we_never_saw_is_not_found(bench: Any) -> None:
    with pytest.raises(NotFound, match="There is no quote 'q-7' in workspace 'ws-1'"):
        bench.host.runs.taking_back.cancel("ws-1", "q-7")
    with pytest.raises(NotFound, match="There is no quote"):
        bench.host.runs.acceptance.accept("ws-1", {**a_quote(), "status": "Lost"})


def test_an_integration_that_is_switched_off_meanwhile_is_not_forgotten(bench: Any) -> None:
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


def test_the_platform_says_so_by_an_event_or_by_a_status(bench: Any) -> None:
    bench.enable()
    for number, body in enumerate(
        [
            {"event_type": "quote.canceled", "id": "q-0"},
            {"event_type": "quote.expired", "id": "q-1"},
            {"event_type": "quote.lost", "quote": a_quote(id="q-2")},
            {"event_type": "quote.accepted", "id": "q-3", "quote": {**a_quote(id="q-3"), "status": "Canceled"}},
            {**a_quote(id="q-4"), "status": "lost"},
        ]
    ):
        bench.accept(a_quote(id=f"q-{number}"))
        answer = bench.host.platform_events.receive("ws-1", json.dumps(body).encode(), f"e-{number}")
        bench.work()

        assert answer.is_new and answer.body["status"] == "cancelled"
        assert [bench.run(run["id"])["status"] for run in answer.body["runs"]] == ["succeeded"]

    said = [bench.quote(f"q-{number}")["cancelled"]["how"] for number in range(5)]
    assert said == ["quote.canceled", "quote.expired", "quote.lost", "Canceled", "lost"]
    assert bench.stripe.objects("invoices") == []


def test_the_end_of_a_quote_that_we_never_saw_is_acknowledged_and_noted(bench: Any) -> None:
    for number, body in enumerate(
        [{"event_type": "quote.expired", "id": "q-9"}, {**a_quote(id="q-9"), "status": "expired"}]
    ):
        answer = bench.host.platform_events.receive("ws-1", json.dumps(body).encode(), f"e-{number}")

        assert (answer.is_new, answer.body["status"]) == (False, "ignored")
        assert answer.body["note"] == "It was never accepted here."


@pytest.mark.parametrize("recorded", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["links", "session", "link.expire", "invoice.after", "void", "invoice.voided"])
def test_a_process_that_dies_meanwhile_takes_everything_back_once(bench: Any, step: str, recorded: bool) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    (session,) = bench.stripe.objects("sessions")
    (run_id,) = bench.host.runs.taking_back.cancel("ws-1", "q-7").run_ids
    name = f"{step}:{session['id']}" if step in {"session", "link.expire"} else step
    bench.engine.die_at(name, recorded=recorded)

    died = bench.work_until_it_dies()
    bench.restart()

    assert died and bench.run(run_id)["status"] == "succeeded"
    assert bench.stripe.objects("invoices")[0]["status"] == "void"
    assert bench.stripe.objects("sessions")[0]["status"] == "expired"


@pytest.mark.parametrize("recorded", [False, True], ids=["before", "after"])
def test_a_process_that_dies_while_a_void_invoice_is_forgotten_makes_one_new_one(bench: Any, recorded: bool) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    cancel(bench)
    (run_id,) = bench.host.runs.acceptance.accept("ws-1", a_quote(installments=2)).run_ids
    bench.engine.die_at("draft.discard", recorded=recorded)

    died = bench.work_until_it_dies()
    bench.restart()

    assert died and bench.run(run_id)["status"] == "succeeded"
    assert [one["status"] for one in bench.stripe.objects("invoices")] == ["void", "open"]
    assert not any("deleted" in note for note in bench.run(run_id)["outcome"]["notes"])


def test_after_the_invoice_alone_is_voided_a_corrected_quote_gets_a_new_one(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    void(bench)

    accepted = bench.host.runs.acceptance.accept("ws-1", a_quote(a_line(net="200.00"), installments=2))
    bench.work()

    assert bench.quote("q-7")["undone"] == [] and accepted.corrected
    assert [one["total"] for one in bench.stripe.objects("invoices") if one["status"] == "open"] == [24000]


def test_one_integration_is_undone_and_the_others_go_on(bench: Any) -> None:
    bench.enable()
    run = bench.accept(a_quote())
    bench.host.runs.taking_back.undo(run["id"])
    bench.work()

    with bench.host.store.read() as db:
        stops = quotes.stops(db, "ws-1", "q-7")

    assert stops.holds("stripe_invoice") and not stops.holds("another")
    stops.refuse("another")


def test_a_run_that_needed_a_person_is_dismissed_and_cannot_be_retried(bench: Any) -> None:
    bench.enable(**EMAIL)
    run = bench.accept(a_quote(contact={"email": "not an address"}))
    assert run["status"] == "needs_attention"

    cancel(bench)

    assert bench.run(run["id"])["status"] == "dismissed"
    with pytest.raises(ActionRefused, match="The quote is cancelled"):
        bench.host.runs.control.retry(run["id"])
    assert bench.host.runs.control.retry_all_failed() == []


@pytest.mark.parametrize(
    ("document", "field"), [({"id": None}, "id"), ({"workspace_id": "ws-2"}, "workspace_id")], ids=["no id", "foreign"]
)
def test_the_end_of_no_quote_of_ours_is_refused_by_field(bench: Any, document: dict[str, Any], field: str) -> None:
    bench.enable()
    bench.accept(a_quote())

    with pytest.raises(InvalidInput) as refused:
        bench.host.runs.acceptance.accept("ws-1", {**a_quote(), "status": "lost", **document})

    assert [problem.dotted for problem in refused.value.problems] == [field]
    assert bench.quote("q-7")["cancelled"] is None


def test_accepted_again_though_the_invoice_became_final_unheard_it_goes_on_with_what_was_signed(
    bench: Any, v1: Any
) -> None:
    bench.enable()
    run = bench.accept(a_quote())
    bench.host.runs.taking_back.cancel("ws-1", "q-7")
    v1.invoices.finalize_invoice(bench.stripe.objects("invoices")[0]["id"])

    bench.host.runs.acceptance.accept("ws-1", a_quote(a_line(net="200.00")))
    bench.work()

    found = bench.run(run["id"])
    assert found["status"] == "succeeded", found
    assert "A changed quote arrived" in notes(found)
