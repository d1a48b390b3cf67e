"""A quote that is accepted again after its cancellation begins anew."""

from __future__ import annotations

from typing import Any

import pytest

from builders import EMAIL, LINK, ON_DUE_DATE, a_line, a_quote, on_terms
from stripe_invoice.conftest import cancel, days_later, notes, void


@pytest.mark.parametrize("settings", [{}, LINK, EMAIL, LINK | {"void_on_cancel": True}], ids=str)
@pytest.mark.parametrize(("net", "total"), [("100.00", "120.00"), ("200.00", "240.00")])
def test_a_quote_that_is_accepted_again_begins_anew(bench: Any, settings: dict[str, Any], net: str, total: str) -> None:
    bench.enable(**settings)
    before = bench.accept(a_quote(installments=2))
    cancel(bench)
    if settings in (LINK, EMAIL) and total != "120.00":
        bench.webhooks()
        void(bench)  # an invoice over other amounts has to be void before
    days_later(bench, 3)

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


def test_the_installments_of_an_invoice_that_replaces_a_voided_one_go_out_on_their_days(bench: Any) -> None:
    bench.enable(**ON_DUE_DATE, void_on_cancel=True)
    bench.accept(on_terms("due_now", "net30"))
    days_later(bench, 40)
    bench.stripe.faults.add("403", path="/v1/checkout/sessions$", method="POST")
    (tried,) = bench.host.runs.installments.request_due()
    bench.work()
    assert bench.run(tried)["status"] == "needs_attention"
    cancel(bench)
    bench.accept(on_terms("due_now", "net30"))
    bench.pay(bench.stripe.objects("sessions")[-1]["id"])
    days_later(bench, 40)

    asked = bench.host.runs.installments.request_due()
    bench.work()

    assert bench.run(tried)["status"] == "dismissed"
    assert [bench.run(run_id)["status"] for run_id in asked] == ["succeeded"]


@pytest.mark.parametrize("rounds", [1, 2])
def test_the_events_of_a_voided_invoice_do_not_put_it_in_the_place_of_the_new_one(bench: Any, rounds: int) -> None:
    """A storm found that: they came while the run waited, between giving up the old invoice and making the new one."""
    bench.enable(**LINK, void_on_cancel=True)
    bench.stripe.config.update(webhooks_held=True)
    for number in range(rounds):
        accepted = bench.host.runs.acceptance.accept("ws-1", a_quote(a_line(net=f"{number + 1}00.00"), installments=1))
        bench.work()
        cancel(bench)
    bench.stripe.faults.add("500_before", method="POST", path="/v1/invoices$", times=6)
    bench.host.runs.acceptance.accept("ws-1", a_quote(a_line(net="900.00"), installments=1))
    bench.work()
    (run_id,) = accepted.run_ids
    assert bench.run(run_id)["status"] == "waiting"

    bench.webhooks()
    days_later(bench, 1)
    bench.work()

    assert bench.run(run_id)["status"] == "succeeded"
    assert sorted(one["status"] for one in bench.stripe.objects("invoices")) == ["open"] + ["void"] * rounds
    assert (bench.quote("q-7")["invoice"]["status"], bench.quote("q-7")["total_differs"]) == ("open", False)


def test_a_quote_that_is_accepted_again_before_anything_is_taken_back_goes_on(bench: Any) -> None:
    bench.enable(**LINK, void_on_cancel=True)
    bench.accept(a_quote(installments=2))
    (told,) = bench.host.runs.cancellation.cancel("ws-1", "q-7").run_ids
    run = bench.accept(a_quote(installments=2))

    assert bench.run(told)["status"] == "dismissed"
    assert run["status"] == "succeeded"
    assert [one["status"] for one in bench.stripe.objects("invoices")] == ["open"]


@pytest.mark.parametrize("recorded", [False, True], ids=["before", "after"])
def test_a_process_that_dies_while_it_forgets_a_void_invoice_makes_one_new_invoice(bench: Any, recorded: bool) -> None:
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


def test_a_corrected_quote_whose_invoice_is_void_gets_a_new_invoice(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(a_quote(installments=2))
    void(bench)

    accepted = bench.host.runs.acceptance.accept("ws-1", a_quote(a_line(net="200.00"), installments=2))
    bench.work()

    assert bench.quote("q-7")["undone"] == [] and accepted.corrected
    assert [one["total"] for one in bench.stripe.objects("invoices") if one["status"] == "open"] == [24000]


def test_an_invoice_that_became_final_unnoticed_keeps_its_amounts_when_the_quote_is_accepted_again(
    bench: Any, v1: Any
) -> None:
    bench.enable()
    run = bench.accept(a_quote())
    bench.host.runs.cancellation.cancel("ws-1", "q-7")
    v1.invoices.finalize_invoice(bench.stripe.objects("invoices")[0]["id"])

    bench.host.runs.acceptance.accept("ws-1", a_quote(a_line(net="200.00")))
    bench.work()

    found = bench.run(run["id"])
    assert found["status"] == "succeeded", found
    assert "A changed quote arrived" in notes(found)
