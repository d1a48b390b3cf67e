"""An invoice that is paid with more than it asks for: the surplus is recorded, and a person is told once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from qwoty_integrations_host.errors import Interruption
from qwoty_stripe_invoice import payments
from stripe_invoice.conftest import alerts, figures, first_link, parts, the_invoice, webhook_runs


def pay_besides(bench: Any, v1: Any, amount: int) -> str:
    """Somebody credits another payment to the invoice in the Dashboard; give that payment."""
    invoice = the_invoice(bench)
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": amount, "product_data": {"name": "Wire"}}}
    given = {
        "mode": "payment",
        "customer": invoice["customer"],
        "line_items": [line],
        "success_url": "https://x.example",
    }
    payment = bench.stripe.pay(v1.checkout.sessions.create(params=given).id)["payment_intent"]
    v1.invoices.attach_payment(invoice["id"], params={"payment_intent": payment})
    return str(payment)


def test_an_overpayment_that_stripe_credits_is_recorded_and_shown_once(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 10000)

    linked.pay(first_link(linked))
    linked.webhooks()

    (run,) = alerts(linked)
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "overpaid")
    assert "asked for 120.00 EUR and was paid with 40.00 EUR too much" in run["error"]["title"]
    assert "Refund it" in run["error"]["hint"]
    assert (*figures(linked), linked.quote("q-7")["amount_overpaid"]) == ("paid", "120.00", "0.00", "40.00")
    assert parts(linked, "payment_id")[0] == linked.stripe.objects("sessions")[0]["payment_intent"]


def test_an_overpayment_in_the_dashboard_is_shown_when_its_webhook_comes(linked: Any, v1: Any) -> None:
    pay_besides(linked, v1, 15000)
    linked.webhooks()

    (run,) = alerts(linked)
    assert run["error"]["code"] == "overpaid"
    assert "30.00 EUR too much" in run["error"]["title"]


def test_an_overpayment_without_webhooks_is_shown_by_the_next_look_at_the_invoice(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 15000)

    first = linked.send_installment("q-7", look_first=True)
    linked.webhooks()

    assert (first["status"], first["error"]["code"]) == ("needs_attention", "overpaid")
    assert [run["id"] for run in alerts(linked)] == [first["id"]]


@pytest.mark.parametrize("fault", ["cut_after", "500_after"])
def test_an_overpayment_is_shown_after_a_lost_answer(linked: Any, v1: Any, fault: str) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 10000)
    linked.stripe.faults.add(fault, path=r"/attach_payment$")

    linked.pay(first_link(linked))
    linked.webhooks()

    assert [run["error"]["code"] for run in alerts(linked)] == ["overpaid"]


class Crash(Interruption):
    """The process dies."""


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        pytest.param("overpayment_seen", 1, id="before it is seen"),
        pytest.param("overpayment_seen", 2, id="before it is on record"),
        pytest.param("shown", 1, id="before the run ends"),
    ],
)
def test_an_overpayment_is_shown_once_after_the_process_died(
    linked: Any, v1: Any, monkeypatch: pytest.MonkeyPatch, name: str, calls: int
) -> None:
    linked.stripe.config.update(webhooks_held=True)
    pay_besides(linked, v1, 10000)
    linked.stripe.pay(first_link(linked))
    original, left = getattr(payments, name), [calls]

    def dies(*given: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise Crash
        return original(*given)

    linked.stripe.deliver()
    monkeypatch.setattr(payments, name, dies)
    for _ in range(2):
        with suppress(Crash):
            linked.work()
    for run in webhook_runs(linked):
        linked.host.engine.work_again(f"{run['id']}.1")

    assert [run["error"]["code"] for run in alerts(linked)] == ["overpaid"]
    assert linked.quote("q-7")["amount_overpaid"] == "40.00"


def test_an_overpayment_that_stripe_refuses_is_recorded_and_shown(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(refuse_overpayment=True, webhooks_held=True)
    pay_besides(linked, v1, 10000)

    linked.pay(first_link(linked))
    linked.webhooks()

    (run,) = alerts(linked)
    payment = linked.stripe.objects("sessions")[0]["payment_intent"]
    assert (run["status"], run["error"]["code"]) == ("needs_attention", "payment_not_attached")
    assert f"The customer paid 60.00 EUR ({payment})" in run["error"]["title"]
    assert "open with 20.00 EUR left to pay" in run["error"]["title"]
    assert (parts(linked, "status")[0], parts(linked, "payment_id")[0]) == ("paid", payment)
    assert figures(linked) == ("partially_paid", "100.00", "20.00")


def test_the_next_link_leaves_out_a_payment_that_stripe_refused_to_credit(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(refuse_overpayment=True, webhooks_held=True)
    pay_besides(linked, v1, 10000)
    linked.pay(first_link(linked))
    linked.webhooks()

    run = linked.send_installment("q-7", look_first=True)

    assert (run["status"], run["outcome"]["payment_link"]["amount"]) == ("succeeded", "20.00")
    assert (
        len(linked.posts(f"/v1/invoices/{the_invoice(linked)['id']}/attach_payment")) == 2
    )  # one by somebody else and one of ours


@pytest.mark.parametrize("refused", [True, False], ids=["refuses too much", "credits too much"])
def test_a_debit_that_succeeds_after_the_hosted_page_paid_everything_is_shown(linked: Any, refused: bool) -> None:
    linked.stripe.config.update(refuse_overpayment=refused)
    linked.stripe.pay_later(first_link(linked))
    linked.webhooks()
    assert figures(linked) == ("processing", "0.00", "120.00")

    linked.stripe.pay_hosted(the_invoice(linked)["id"])
    linked.stripe.settle(first_link(linked))
    linked.webhooks()

    (run,) = alerts(linked)
    assert run["error"]["code"] == "payment_not_attached"
    assert "60.00 EUR" in run["error"]["title"] and "which is paid" in run["error"]["title"]
    assert parts(linked, "payment_id")[0] == linked.stripe.objects("sessions")[0]["payment_intent"]


def test_a_retry_sees_that_a_person_attached_the_payment(linked: Any, v1: Any) -> None:
    linked.stripe.config.update(refuse_overpayment=True, webhooks_held=True)
    other = pay_besides(linked, v1, 10000)
    linked.pay(first_link(linked))
    (run,) = alerts(linked)
    assert other not in run["error"]["title"]
    linked.stripe.config.update(refuse_overpayment=False)
    payment = linked.stripe.objects("sessions")[0]["payment_intent"]
    v1.invoices.attach_payment(the_invoice(linked)["id"], params={"payment_intent": payment})

    run = linked.retry(run["id"])

    assert (run["status"], run["error"]["code"]) == ("needs_attention", "overpaid")
    assert linked.retry(run["id"])["status"] == "succeeded"
