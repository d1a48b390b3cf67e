"""A bank debit is paid days after the customer starts it: it can succeed, fail, or come too late."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_invoice.conftest import alerts, figures, first_link, notes, open_links, parts, the_invoice, webhook_runs


@pytest.mark.parametrize(
    ("act", "status", "found"),
    [
        pytest.param("settle", "paid", ["payment_not_attached"], id="it succeeds, and that is shown"),
        pytest.param("fail", "failed", [], id="it fails, and nothing is left to do"),
    ],
)
def test_a_debit_that_ends_after_the_invoice_was_voided_is_reported_if_it_succeeds(
    linked: Any, v1: Any, act: str, status: str, found: list[str]
) -> None:
    linked.stripe.pay_later(first_link(linked))
    linked.webhooks()
    v1.invoices.void_invoice(the_invoice(linked)["id"])
    linked.webhooks()

    getattr(linked.stripe, act)(first_link(linked))
    linked.webhooks()

    assert (linked.quote("q-7")["payment_status"], parts(linked, "status")[0]) == ("void", status)
    assert [run["error"]["code"] for run in alerts(linked)] == found


def test_a_debit_that_succeeds_later_is_processing_until_then(linked: Any) -> None:
    linked.stripe.pay_later(first_link(linked))
    linked.webhooks()
    assert (parts(linked, "status"), figures(linked)) == (["processing", "scheduled"], ("processing", "0.00", "120.00"))

    linked.stripe.settle(first_link(linked))
    linked.webhooks()

    assert (parts(linked, "status"), figures(linked)) == (["paid", "scheduled"], ("partially_paid", "60.00", "60.00"))
    assert alerts(linked) == []


@pytest.mark.parametrize("newest_first", [False, True], ids=["in order", "newest first"])
def test_a_debit_that_fails_later_can_be_asked_for_again(linked: Any, newest_first: bool) -> None:
    linked.stripe.config.update(webhooks_held=True)
    linked.stripe.pay_later(first_link(linked))
    linked.stripe.fail(first_link(linked))
    linked.stripe.deliver(newest_first=newest_first)
    linked.work()
    assert (parts(linked, "status"), figures(linked)) == (["failed", "scheduled"], ("unpaid", "0.00", "120.00"))
    assert "The payment failed; the installment can be sent again." in notes(*webhook_runs(linked))

    run = linked.send_installment("q-7", 1)

    assert (run["status"], open_links(linked), len(linked.mails())) == ("succeeded", 1, 2)
    linked.pay(linked.stripe.objects("sessions")[1]["id"])
    assert figures(linked) == ("partially_paid", "60.00", "60.00")
