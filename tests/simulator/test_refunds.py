"""Refunds of the simulator, and the events that tell of them."""

from __future__ import annotations

import pytest

from stripe_simulator.contract import check_response
from stripe_simulator.errors import StripeError

CHARGE_KEYS = """id object amount amount_captured amount_refunded application application_fee application_fee_amount
balance_transaction billing_details calculated_statement_descriptor captured created currency customer description
disputed failure_balance_transaction failure_code failure_message fraud_details livemode metadata on_behalf_of outcome
paid payment_intent payment_method payment_method_details receipt_email receipt_number receipt_url refunded review
shipping source_transfer statement_descriptor statement_descriptor_suffix status transfer_data transfer_group"""


def a_payment(shop, amount=1000):
    customer = shop.a_customer().id
    session = shop.a_session(amount, customer=customer, payment_intent_data={"metadata": {"order": "7"}})
    return shop.sim.pay(session.id)["payment_intent"]


def refund_events(shop):
    return [event for event in shop.sim.objects("events") if event["type"] == "charge.refunded"]


def test_the_event_of_a_refund_has_the_charge_and_its_previous_values(shop):
    intent = a_payment(shop)

    shop.sim.refund(intent, 300)
    shop.sim.refund(intent)

    told = [
        (e["data"]["object"]["amount_refunded"], e["data"]["object"]["refunded"], e["data"]["previous_attributes"])
        for e in refund_events(shop)
    ]
    assert told == [
        (300, False, {"amount_refunded": 0, "refunded": False}),
        (1000, True, {"amount_refunded": 300, "refunded": False}),
    ]


def test_the_charge_has_the_shape_that_the_sdk_publishes(shop):
    charge = shop.sim.refund(a_payment(shop))

    assert check_response(charge) == []
    assert set(CHARGE_KEYS.split()) - set(charge) == set()
    assert shop.sim.objects("charges") == [charge]


@pytest.mark.parametrize(("copied", "metadata"), [(True, {"order": "7"}), (False, {})])
def test_the_payments_metadata_is_copied_to_the_charge_unless_the_switch_says_no(shop, copied, metadata):
    shop.sim.config.update(charges_copy_metadata=copied)

    assert shop.sim.refund(a_payment(shop))["metadata"] == metadata


def test_a_refund_leaves_the_invoice_as_it_is(shop):
    invoice = shop.an_open_invoice(1000)
    intent = shop.a_payment(400, invoice.customer)
    before = shop.v1.invoices.attach_payment(invoice.id, {"payment_intent": intent}).to_dict()

    shop.sim.refund(intent)

    assert shop.v1.invoices.retrieve(invoice.id).to_dict() == before


@pytest.mark.parametrize("amount", [0, -1, 1001])
def test_a_refund_of_nothing_or_of_more_than_the_payment_is_refused(shop, amount):
    with pytest.raises(StripeError):
        shop.sim.refund(a_payment(shop), amount)

    assert refund_events(shop) == []


def test_a_refund_of_an_unpaid_or_refunded_payment_is_refused(shop):
    intent = a_payment(shop)
    shop.sim.refund(intent)
    later = shop.sim.pay_later(shop.a_session(500).id)["payment_intent"]

    for payment in (intent, later, "pi_gone"):
        with pytest.raises(StripeError):
            shop.sim.refund(payment)
