"""Something happens between a lost answer and the next attempt. Storms found these cases (docs/reliability.md)."""

from __future__ import annotations

from typing import Any

from builders import LINK, a_line, a_quote

MINUTE = 60.0


def later(bench: Any, seconds: float) -> None:
    bench.clock.advance(seconds)
    bench.stripe.clock.advance(seconds)
    bench.work()


def payable(bench: Any) -> list[str]:
    return [one["id"] for one in bench.stripe.objects("sessions") if one["status"] == "open"]


def waiting(bench: Any, *, path: str, fault: str = "cut_after") -> dict[str, Any]:
    """Accept a quote, lose the answer to this request, and make Stripe unreachable; give the waiting run."""
    bench.enable(**LINK)
    bench.stripe.config.update(webhooks_held=True)
    bench.stripe.faults.add(fault, method="POST", path=path)
    bench.stripe.faults.add("cut_before", method="GET", path="/v1/(checkout|invoices)", times=99)
    run: dict[str, Any] = bench.accept(a_quote(installments=1))
    assert run["status"] == "waiting", run
    the_outage_ends(bench)
    return run


def the_outage_ends(bench: Any) -> None:
    for fault in bench.stripe.faults.pending():
        fault.times = 0


def test_endpoints_whose_answers_were_lost_are_all_deleted(bench: Any) -> None:
    bench.enable(**LINK)
    bench.stripe.faults.add("cut_after", method="POST", path="/v1/webhook_endpoints", times=3)

    assert bench.accept(a_quote(installments=1))["status"] == "succeeded"

    assert len(bench.stripe.objects("endpoints")) == 1


def test_a_link_whose_answer_was_lost_is_closed_when_the_invoice_is_paid_meanwhile(bench: Any) -> None:
    waiting(bench, path="/v1/checkout/sessions")
    assert len(payable(bench)) == 1
    bench.stripe.pay_hosted(bench.stripe.objects("invoices")[0]["id"])

    later(bench, MINUTE)

    assert payable(bench) == []


def test_a_link_that_is_paid_before_its_answer_arrives_closes_the_one_that_replaced_it(bench: Any) -> None:
    waiting(bench, path="/v1/checkout/sessions", fault="500_after")
    bench.stripe.pay(payable(bench)[0])
    later(bench, MINUTE)
    assert len(payable(bench)) == len(bench.mails()) == 1, "nobody knew of the payment, so another link was made"

    bench.webhooks()

    assert payable(bench) == []
    assert bench.quote("q-7")["payment_status"] == "paid"


def test_paying_the_invoice_closes_a_link_that_only_stripe_knows_of(bench: Any) -> None:
    run = waiting(bench, path="/v1/checkout/sessions")
    bench.host.runs.control.dismiss(run["id"], "it takes too long")
    bench.stripe.mark_paid(bench.stripe.objects("invoices")[0]["id"])

    bench.webhooks()

    assert payable(bench) == []


def test_a_waiting_run_uses_the_link_that_another_run_made_meanwhile(bench: Any) -> None:
    waiting(bench, path="/finalize$")
    bench.host.upkeep.request_for("ws-1", "stripe_invoice")
    bench.work()
    assert bench.quote("q-7")["invoice"]["status"] == "open", "what the lost answer would have said"
    assert bench.send_installment("q-7", look_first=True)["status"] == "succeeded"

    later(bench, MINUTE)

    assert bench.quote("q-7")["runs"][0]["status"] == "succeeded"
    assert len(payable(bench)) == len(bench.mails()) == 1


def test_the_correction_that_became_final_is_restored(bench: Any) -> None:
    bench.enable(invoice_status="open")
    bench.stripe.faults.add("403", method="POST", path="/finalize$", code="invoice_write")
    bench.accept(a_quote(a_line(net="100.00")))
    bench.stripe.faults.add("cut_after", method="POST", path="/finalize$")
    bench.stripe.faults.add("cut_before", method="GET", path="/v1/invoices/in_", skip=6, times=99)
    corrected = bench.accept(a_quote(a_line(net="200.00")))
    the_outage_ends(bench)
    assert corrected["status"] == "waiting", corrected

    bench.accept(a_quote(a_line(net="300.00")))

    (invoice,) = bench.stripe.objects("invoices")
    assert (invoice["status"], invoice["total"]) == ("open", 24000)
    report = bench.quote("q-7")
    assert (report["signed_total"], report["total_differs"]) == ("240.00", False)
