"""A payment that comes after its invoice was closed: it is recorded, and a person is told."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_invoice.conftest import alerts, figures, first_link, notes, open_links, parts, the_invoice, webhook_runs


def _void(bench: Any, v1: Any) -> None:
    v1.invoices.void_invoice(the_invoice(bench)["id"])


def _pay_hosted(bench: Any, v1: Any) -> None:
    bench.stripe.pay_hosted(the_invoice(bench)["id"])


def _mark_uncollectible(bench: Any, v1: Any) -> None:
    bench.stripe.config.update(uncollectible_takes_payments=False)
    v1.invoices.mark_uncollectible(the_invoice(bench)["id"])


CLOSED = [
    pytest.param(_void, "void", id="after the invoice was voided"),
    pytest.param(_pay_hosted, "paid", id="after the invoice was paid elsewhere"),
    pytest.param(_mark_uncollectible, "uncollectible", id="after the invoice was marked uncollectible"),
]


@pytest.mark.parametrize(("close", "status"), CLOSED)
def test_a_payment_after_the_invoice_was_closed_is_recorded_and_reported(
    linked: Any, v1: Any, close: Any, status: str
) -> None:
    linked.stripe.config.update(webhooks_held=True)
    close(linked, v1)

    linked.pay(first_link(linked))
    linked.stripe.deliver(again=True)
    linked.work()

    (run,) = alerts(linked)
    payment = linked.stripe.objects("sessions")[0]["payment_intent"]
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "payment_not_attached")
    assert f"60.00 EUR ({payment})" in run["error"]["title"] and f"which is {status}." in run["error"]["title"]
    assert (parts(linked, "status")[0], parts(linked, "payment_id")[0]) == ("paid", payment)
    assert linked.quote("q-7")["payment_status"] == status


@pytest.mark.parametrize(("close", "status"), CLOSED)
def test_a_late_payment_is_not_attached_again_without_a_person(linked: Any, v1: Any, close: Any, status: str) -> None:
    linked.stripe.config.update(webhooks_held=True)
    close(linked, v1)
    linked.pay(first_link(linked))
    linked.stripe.requests.reset()

    linked.clock.advance(7 * 86400)
    linked.work()

    assert len(linked.stripe.requests) == 0


def test_a_retry_succeeds_once_the_late_payment_is_refunded(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    _pay_hosted(linked, v1)
    linked.pay(first_link(linked))
    (run,) = [found for found in alerts(linked) if found["error"]["code"] == "payment_not_attached"]
    linked.stripe.refund(linked.stripe.objects("sessions")[0]["payment_intent"])
    linked.webhooks()

    assert linked.retry(run["id"])["status"] == "succeeded"


def test_a_late_payment_is_credited_to_an_uncollectible_invoice_that_takes_it(linked: Any, v1: Any) -> None:
    v1.invoices.mark_uncollectible(the_invoice(linked)["id"])
    linked.webhooks()

    linked.pay(first_link(linked))

    assert alerts(linked) == []
    assert figures(linked) == ("uncollectible", "60.00", "60.00")


@pytest.mark.parametrize("close", [_void, _pay_hosted], ids=["voided", "paid on the hosted page"])
def test_a_link_is_closed_with_its_invoice(linked: Any, v1: Any, close: Any) -> None:
    assert open_links(linked) == 1
    close(linked, v1)

    linked.webhooks()

    assert open_links(linked) == 0
    assert "The payment link of installment 1 was closed." in notes(*webhook_runs(linked))
    assert alerts(linked) == []
