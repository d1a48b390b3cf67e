"""Payments of the simulator and the invoices that they are attached to."""

from __future__ import annotations

import pytest

from simulator.conftest import refused
from stripe_simulator.errors import StripeError


def event_types(shop):
    return [event["type"] for event in shop.sim.objects("events")]


def test_installments_leave_the_invoice_open_until_nothing_remains(shop):
    invoice = shop.an_open_invoice(910_200)

    seen = [shop.attach(invoice, 227_550) for _ in range(4)]

    assert [(i.status, i.amount_paid, i.amount_remaining) for i in seen] == [
        ("open", 227_550, 682_650),
        ("open", 455_100, 455_100),
        ("open", 682_650, 227_550),
        ("paid", 910_200, 0),
    ]
    assert event_types(shop).count("invoice_payment.paid") == 4
    assert event_types(shop).count("invoice.paid") == 1


def test_an_attached_payment_can_be_looked_up_by_invoice_and_intent(shop):
    invoice = shop.an_open_invoice(1000)
    intent = shop.a_payment(400, invoice.customer)
    query = {"invoice": invoice.id, "payment": {"type": "payment_intent", "payment_intent": intent}}
    assert shop.v1.invoice_payments.list(query).data == []

    shop.v1.invoices.attach_payment(invoice.id, {"payment_intent": intent})

    (payment,) = shop.v1.invoice_payments.list(query).data
    assert (payment.status, payment.amount_paid, payment.is_default) == ("paid", 400, False)
    assert shop.v1.invoice_payments.retrieve(payment.id).id == payment.id


def test_the_default_payment_follows_what_remains(shop):
    invoice = shop.an_open_invoice(1000)

    shop.attach(invoice, 300)

    (default,) = shop.v1.invoice_payments.list({"invoice": invoice.id, "status": "open"}).data
    assert (default.is_default, default.amount_requested) == (True, 700)


def test_the_same_payment_cannot_be_attached_twice(shop):
    invoice = shop.an_open_invoice(1000)
    intent = {"payment_intent": shop.a_payment(1000, invoice.customer)}
    shop.v1.invoices.attach_payment(invoice.id, intent)

    assert refused(shop.v1.invoices.attach_payment, invoice.id, intent).code == "resource_already_exists"


@pytest.mark.parametrize("state", ["draft", "void", "paid"])
def test_nothing_is_attached_to_an_invoice_that_is_not_open(shop, state):
    invoice = shop.a_draft({"amount": 1000}) if state == "draft" else shop.an_open_invoice(1000)
    if state == "void":
        shop.v1.invoices.void_invoice(invoice.id)
    if state == "paid":
        shop.sim.pay_hosted(invoice.id)

    error = refused(shop.attach, invoice, 1000)

    assert error.http_status == 400


@pytest.mark.parametrize("takes", [True, False])
def test_a_switch_says_whether_an_uncollectible_invoice_takes_payments(shop, takes):
    shop.sim.config.update(uncollectible_takes_payments=takes)
    invoice = shop.an_open_invoice(1000)
    shop.v1.invoices.mark_uncollectible(invoice.id)

    if takes:
        assert shop.attach(invoice, 1000).status == "paid"
    else:
        assert refused(shop.attach, invoice, 1000).http_status == 400


@pytest.mark.parametrize("other", ["customer", "currency", "unknown"])
def test_a_payment_that_does_not_fit_is_refused(shop, other):
    invoice = shop.an_open_invoice(1000)
    intent = {
        "customer": lambda: shop.a_payment(1000, shop.a_customer().id),
        "currency": lambda: shop.a_payment(1000, invoice.customer, "usd"),
        "unknown": lambda: "pi_gone",
    }[other]()

    error = refused(shop.v1.invoices.attach_payment, invoice.id, {"payment_intent": intent})

    assert (error.http_status, error.param) == (400, "payment_intent")


def test_overpayment_is_credited_to_the_customer(shop):
    invoice = shop.an_open_invoice(1000)

    paid = shop.attach(invoice, 1300)

    assert (paid.status, paid.amount_paid, paid.amount_remaining, paid.amount_overpaid) == (
        "paid",
        1000,
        0,
        300,
    )
    assert shop.v1.customers.retrieve(invoice.customer).balance == -300
    assert "invoice.overpaid" in event_types(shop)


def test_overpayment_is_refused_when_the_switch_says_so(shop):
    shop.sim.config.update(refuse_overpayment=True)
    invoice = shop.an_open_invoice(1000)

    refused(shop.attach, invoice, 1300)

    assert shop.v1.invoices.retrieve(invoice.id).amount_paid == 0


def test_the_hosted_page_pays_the_whole_rest(shop):
    invoice = shop.an_open_invoice(1000)
    shop.attach(invoice, 300)

    shop.sim.pay_hosted(invoice.id)

    paid = shop.v1.invoices.retrieve(invoice.id)
    assert (paid.status, paid.amount_paid) == ("paid", 1000)


def test_an_invoice_with_a_payment_cannot_be_voided(shop):
    invoice = shop.an_open_invoice(1000)
    shop.attach(invoice, 300)

    refused(shop.v1.invoices.void_invoice, invoice.id)


def test_a_payment_attached_early_is_credited_when_it_settles(shop):
    invoice = shop.an_open_invoice(1000)
    session = shop.a_session(1000, customer=invoice.customer)
    intent = shop.sim.pay_later(session.id)["payment_intent"]
    attached = shop.v1.invoices.attach_payment(invoice.id, {"payment_intent": intent})
    assert (attached.status, attached.amount_paid) == ("open", 0)

    shop.sim.settle(session.id)

    assert shop.v1.invoices.retrieve(invoice.id).status == "paid"


def test_a_payment_cannot_pay_two_invoices(shop):
    customer = shop.a_customer().id
    first, second = (shop.an_open_invoice(1000, customer=customer) for _ in range(2))
    intent = {"payment_intent": shop.a_payment(1000, customer)}
    shop.v1.invoices.attach_payment(first.id, intent)

    assert refused(shop.v1.invoices.attach_payment, second.id, intent).param == "payment_intent"


@pytest.mark.parametrize(("holds_outside", "figures"), [(False, (0, 1000)), (True, (1000, 0))])
def test_an_invoice_can_be_marked_as_paid_outside_in_either_form(shop, holds_outside, figures):
    shop.sim.config.update(amount_paid_holds_outside=holds_outside)
    invoice = shop.an_open_invoice(1000)

    marked = shop.sim.mark_paid(invoice.id)

    assert (marked["status"], marked["amount_paid"], marked["amount_remaining"]) == ("paid", *figures)
    assert [payment["status"] for payment in shop.sim.objects("invoice_payments")] == ["canceled"]
    assert "invoice.paid" in [event["type"] for event in shop.sim.objects("events")]
    with pytest.raises(StripeError, match="can't be marked as paid"):
        shop.sim.mark_paid(invoice.id)
