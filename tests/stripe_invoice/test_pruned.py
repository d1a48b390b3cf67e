"""A quote whose run was pruned is still invoiced once when it is accepted again, corrected, paid or retried."""

from __future__ import annotations

from typing import Any

import pytest

from builders import LINK, a_line, a_quote, the_example

YEAR = 401 * 24 * 3600.0


def prune(bench: Any) -> None:
    bench.clock.advance(YEAR)
    bench.stripe.clock.advance(YEAR)
    counts = bench.host.pruning.prune()
    assert counts["jobs"] and counts["timelines"]


def test_a_quote_accepted_again_after_its_run_was_pruned_is_not_invoiced_again(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(the_example())
    bench.pay(bench.stripe.objects("sessions")[0]["id"])
    prune(bench)
    before = bench.posts()

    run = bench.accept(the_example())

    assert (run["status"], run["steps"], bench.posts()) == ("succeeded", [], before)
    assert bench.quote("q-1")["payment_status"] == "partially_paid"
    assert bench.send_installment("q-1", 2)["status"] == "succeeded"
    assert len(bench.stripe.objects("invoices")) == 1


def test_a_payment_that_is_told_after_its_run_was_pruned_is_attached(bench: Any) -> None:
    bench.enable(**LINK)
    bench.accept(the_example())
    bench.stripe.pay(bench.stripe.objects("sessions")[0]["id"])
    prune(bench)

    bench.webhooks()

    assert bench.quote("q-1")["payment_status"] == "partially_paid"


@pytest.mark.parametrize("path", ["^/v1/invoices$", "/add_lines$", "/finalize$"])
@pytest.mark.parametrize("fault", ["500_before", "500_after"])
def test_a_run_given_up_long_ago_is_retried_without_a_second_invoice(bench: Any, path: str, fault: str) -> None:
    bench.stripe.faults.add(fault, method="POST", path=path)
    bench.stripe.faults.add("401", method="GET", path="^/v1/invoices", times=99)
    bench.stripe.faults.add("401", method="POST", path=path, times=99, skip=1)
    bench.enable(invoice_status="open")
    run = bench.accept(a_quote(a_line(net="100.00")))
    assert run["status"] == "needs_attention", run
    bench.stripe.faults.reset()
    prune(bench)

    run = bench.retry(run["id"])

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "120.00"), run
    (invoice,) = bench.stripe.objects("invoices")
    assert (invoice["status"], [line["amount"] for line in invoice["lines"]["data"]]) == ("open", [10000])


def test_a_draft_whose_quote_is_corrected_after_a_year_is_replaced(bench: Any) -> None:
    bench.enable()
    bench.accept(a_quote(a_line(net="100.00")))
    prune(bench)

    run = bench.accept(a_quote(a_line(net="250.00")))

    assert (run["status"], run["outcome"]["total"]) == ("succeeded", "300.00")
    assert [(invoice["status"], invoice["total"]) for invoice in bench.stripe.objects("invoices")] == [("draft", 30000)]
