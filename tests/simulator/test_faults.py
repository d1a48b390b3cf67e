"""Faults that a test orders from the simulator."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import stripe

from stripe_simulator.faults import ODD_ANSWERS


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("401", stripe.AuthenticationError, None),
        ("403", stripe.PermissionError, None),
        ("403_account", stripe.PermissionError, "account_invalid"),
        ("403_address", stripe.PermissionError, None),
        ("404", stripe.InvalidRequestError, "resource_missing"),
        ("409_in_flight", stripe.APIError, "idempotency_key_in_use"),
        ("429", stripe.RateLimitError, "rate_limit"),
        ("500_before", stripe.APIError, None),
        ("500_after", stripe.APIError, None),
        ("key_reused", stripe.IdempotencyError, None),
        ("unknown_parameter", stripe.InvalidRequestError, "parameter_unknown"),
        ("cut_before", stripe.APIConnectionError, None),
        ("cut_after", stripe.APIConnectionError, None),
        ("hang", stripe.APIConnectionError, None),
    ],
)
def test_each_fault_reaches_the_client_once(shop, fault, error, code):
    shop.sim.faults.add(fault, seconds=0.05)

    with pytest.raises(error) as caught:
        shop.a_customer()

    assert caught.value.error is None or caught.value.error.code == code
    assert shop.sim.requests[0].fault == fault
    assert shop.a_customer().id
    assert shop.sim.faults.pending() == []


@pytest.mark.parametrize(
    ("fault", "made"), [("cut_before", 0), ("500_before", 0), ("cut_after", 1), ("500_after", 1), ("429", 0)]
)
def test_a_fault_strikes_before_or_after_the_commit(shop, fault, made):
    shop.sim.faults.add(fault)
    with pytest.raises(stripe.StripeError):
        shop.a_customer()

    assert len(shop.sim.objects("customers")) == made


def test_a_retry_after_a_lost_answer_finds_the_first_one(shop_for, monkeypatch):
    monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", lambda *_, **__: 0)
    shop = shop_for(retries=2)
    shop.sim.faults.add("cut_after")

    customer = shop.a_customer()

    assert [made["id"] for made in shop.sim.objects("customers")] == [customer.id]
    assert [(entry.status, entry.replayed) for entry in shop.sim.requests] == [(None, False), (200, True)]


@pytest.mark.parametrize(("headers", "requests_seen"), [({}, 1), ({"Stripe-Should-Retry": "true"}, 2)])
def test_a_429_is_retried_only_when_its_header_says_so(shop_for, monkeypatch, headers, requests_seen):
    monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", lambda *_, **__: 0)
    shop = shop_for(retries=2)
    shop.sim.faults.add("429", code="lock_timeout", headers=headers)

    if requests_seen == 1:
        with pytest.raises(stripe.RateLimitError) as caught:
            shop.a_customer()
        assert caught.value.error.code == "lock_timeout"
    else:
        shop.a_customer()

    assert len(shop.sim.requests) == requests_seen


@pytest.mark.parametrize(("fault", "made"), [("odd_before", 0), ("odd_after", 1)])
@pytest.mark.parametrize("odd", sorted(ODD_ANSWERS))
def test_somebody_else_answers_before_or_after_the_commit(shop, fault, made, odd):
    shop.sim.faults.add(fault, code=odd)

    answer = requests.post(
        f"{shop.sim.url}/v1/customers", auth=("sk_test_0123456789", ""), allow_redirects=False, timeout=5
    )

    status, content_type, body = ODD_ANSWERS[odd]
    assert (answer.status_code, answer.text) == (status, body)
    assert answer.headers["Content-Type"].startswith(content_type)
    assert len(shop.sim.objects("customers")) == made


def test_a_fault_aims_at_a_method_and_path_and_skips_some(shop):
    shop.sim.faults.add("500_before", method="POST", path=r"^/v1/invoices/in_\w+/finalize$", skip=1, times=2)
    first, second = shop.a_draft({"amount": 100}), shop.a_draft({"amount": 100})

    shop.v1.invoices.finalize_invoice(first.id)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            shop.v1.invoices.finalize_invoice(second.id)

    assert shop.v1.invoices.finalize_invoice(second.id).status == "open"


def test_a_fault_may_bring_its_own_body(shop):
    shop.sim.faults.add("429", body={"error": {"type": "invalid_request_error", "code": "odd", "message": "m"}})

    with pytest.raises(stripe.RateLimitError) as caught:
        shop.a_customer()

    assert caught.value.error.code == "odd"


@pytest.mark.parametrize(("atomic", "kept"), [(True, 0), (False, 2)])
def test_add_lines_can_fail_half_way(shop, atomic, kept):
    shop.sim.config.update(add_lines_atomic=atomic)
    shop.sim.faults.add("500_midway")
    draft = shop.a_draft()

    with pytest.raises(stripe.APIError):
        shop.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1}] * 4})

    assert shop.v1.invoices.retrieve(draft.id).lines.total_count == kept


def test_a_slow_answer_outlasts_an_impatient_client(shop_for):
    shop = shop_for(timeout=0.1)
    shop.sim.faults.add("slow", seconds=0.3)

    with pytest.raises(stripe.APIConnectionError):
        shop.a_customer()


def test_an_unknown_fault_is_refused(shop):
    with pytest.raises(ValueError, match="no fault 'flood'"):
        shop.sim.faults.add("flood")


def test_a_reset_wakes_a_slow_request_and_keeps_it_out_of_the_next_test(shop):
    shop.sim.faults.add("slow", seconds=30)

    def impatient():
        with pytest.raises(stripe.APIConnectionError):
            shop.a_customer()

    slow = threading.Thread(target=impatient)
    slow.start()
    while not shop.sim.requests.find("POST"):
        time.sleep(0.01)
    time.sleep(0.05)

    shop.sim.reset()

    slow.join(2)
    assert not slow.is_alive()
    assert shop.sim.objects("customers") == []


def test_many_clients_at_once_do_not_disturb_each_other(shop):
    def work(number: int) -> int:
        invoice = shop.an_open_invoice(1000 + number)
        return shop.attach(invoice, 1000 + number).amount_paid

    with ThreadPoolExecutor(8) as pool:
        paid = list(pool.map(work, range(32)))

    assert paid == [1000 + number for number in range(32)]
    assert len(shop.sim.objects("invoices")) == 32
