"""Checkout sessions of the simulator: how they are paid, how they expire, and what is refused."""

from __future__ import annotations

import pytest
import requests

from simulator.conftest import refused


def last_event(shop):
    return shop.sim.objects("events")[-1]["type"]


def facts(session):
    return session.status, session.payment_status, session.payment_intent is not None, session.url is not None


def test_a_session_has_no_payment_until_the_customer_pays(shop):
    session = shop.a_session(5000, customer=shop.a_customer().id)

    assert facts(session) == ("open", "unpaid", False, True)
    assert (session.amount_total, session.currency) == (5000, "eur")
    assert session.expires_at == session.created + 86_400


def test_a_paid_session_carries_its_payment(shop):
    session = shop.a_session(metadata={"only": "here"}, payment_intent_data={"metadata": {"quote": "1"}})

    shop.sim.pay(session.id)

    session = shop.v1.checkout.sessions.retrieve(session.id)
    assert facts(session) == ("complete", "paid", True, False)
    intent = shop.v1.payment_intents.retrieve(session.payment_intent)
    assert (intent.status, intent.amount_received, intent.metadata.to_dict()) == (
        "succeeded",
        5000,
        {"quote": "1"},
    )
    assert last_event(shop) == "checkout.session.completed"


@pytest.mark.parametrize(
    ("act", "payment_status", "event"),
    [
        ("settle", "paid", "checkout.session.async_payment_succeeded"),
        ("fail", "unpaid", "checkout.session.async_payment_failed"),
    ],
)
def test_a_delayed_payment_completes_its_session_first_and_ends_later(shop, act, payment_status, event):
    session = shop.a_session()
    shop.sim.pay_later(session.id)
    assert facts(shop.v1.checkout.sessions.retrieve(session.id)) == ("complete", "unpaid", True, False)
    assert last_event(shop) == "checkout.session.completed"

    getattr(shop.sim, act)(session.id)

    assert shop.v1.checkout.sessions.retrieve(session.id).payment_status == payment_status
    assert last_event(shop) == event


def test_a_session_can_be_expired_once(shop):
    session = shop.a_session()

    assert facts(shop.v1.checkout.sessions.expire(session.id)) == ("expired", "unpaid", False, False)
    assert refused(shop.v1.checkout.sessions.expire, session.id).http_status == 400
    assert last_event(shop) == "checkout.session.expired"


def test_a_session_expires_when_the_clock_passes_its_time(shop):
    session = shop.a_session()

    shop.sim.clock.advance(86_401)

    assert last_event(shop) == "checkout.session.expired"
    assert shop.v1.checkout.sessions.retrieve(session.id).status == "expired"


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (49, "eur", "amount_too_small"),
        (49, "usd", "amount_too_small"),
        (0, "jpy", "amount_too_small"),
        (100_000_000, "eur", "amount_too_large"),
        (100_000_000, "jpy", "amount_too_large"),
        (1_000_000_000_000, "idr", "amount_too_large"),
        (1234, "kwd", None),
        (150, "isk", None),
    ],
)
def test_an_amount_that_no_payment_can_have_is_refused(shop, amount, currency, code):
    error = refused(shop.a_session, amount, currency)

    assert (error.http_status, error.code) == (400, code)
    assert code is None or error.param is None


@pytest.mark.parametrize(("amount", "currency"), [(99_999_999, "eur"), (100_000_000, "idr"), (999_999_999_999, "idr")])
def test_the_largest_amount_of_a_currency_can_be_paid(shop, amount, currency):
    assert shop.a_session(amount, currency).amount_total == amount


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"customer": "cus_gone"}, "customer"),
        ({"customer": "cus_gone", "customer_email": "a@b.c"}, "customer"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
        ({"client_reference_id": "x" * 201}, "client_reference_id"),
        ({"mode": "setup"}, "mode"),
        ({"expires_at": 1}, "expires_at"),
        ({"line_items": [{"price": "price_1", "quantity": 1}]}, "line_items[0][price]"),
    ],
)
def test_a_session_with_a_bad_parameter_is_refused(shop, params, param):
    assert refused(shop.a_session, **params).param == param


def test_sessions_are_listed_by_customer_and_status(shop):
    customer = shop.a_customer().id
    first, second = shop.a_session(customer=customer), shop.a_session(customer=customer)
    shop.a_session()
    shop.sim.pay(first.id)

    found = shop.v1.checkout.sessions.list({"customer": customer, "status": "open"})

    assert [session.id for session in found.data] == [second.id]


def test_the_pay_page_pays_and_sends_the_customer_back(shop):
    session = shop.a_session(
        227_550,
        success_url="https://shop.example/ok?s={CHECKOUT_SESSION_ID}",
        cancel_url="https://shop.example/no",
    )
    page = requests.get(session.url, timeout=2)
    assert "not Stripe" in page.text
    assert "2275.50 EUR" in page.text
    assert "https://shop.example/no" in page.text

    answer = requests.post(session.url, timeout=2, allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"https://shop.example/ok?s={session.id}",
    )
    assert shop.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert requests.post(session.url, timeout=2, allow_redirects=False).status_code == 400


def test_the_pay_page_offers_a_bank_debit_that_settles_later(shop):
    session = shop.a_session()

    requests.post(session.url, data={"act": "pay_later"}, timeout=2, allow_redirects=False)

    assert facts(shop.v1.checkout.sessions.retrieve(session.id)) == ("complete", "unpaid", True, False)


def test_the_hosted_invoice_page_pays_the_rest(shop):
    invoice = shop.an_open_invoice(10_000)
    assert "100.00 EUR" in requests.get(invoice.hosted_invoice_url, timeout=2).text

    after = requests.post(invoice.hosted_invoice_url, timeout=2)

    assert "paid" in after.text
    assert shop.v1.invoices.retrieve(invoice.id).status == "paid"


def test_the_pdf_is_reached_by_a_redirect_and_takes_no_key(shop):
    invoice = shop.an_open_invoice()

    first = requests.get(invoice.invoice_pdf, timeout=2, allow_redirects=False)
    file = requests.get(first.headers["Location"], timeout=2)

    assert first.status_code == 302
    assert file.headers["Content-Type"] == "application/pdf"
    assert file.content.startswith(b"%PDF-")
    assert invoice.number.encode() in file.content
    with_key = requests.get(invoice.invoice_pdf, timeout=2, headers={"Authorization": "Bearer x"})
    assert with_key.status_code == 400
