"""Idempotency keys of the simulator: what is stored, replayed and refused."""

from __future__ import annotations

import threading
import time

import pytest
import stripe

from builders import LIVE

KEYED = {"idempotency_key": "qwoty:1"}


def create(shop, name="Ada", **options):
    return shop.v1.customers.create({"name": name}, {**KEYED, **options})


def test_a_repeated_key_replays_the_first_answer(shop):
    first = create(shop)
    second = create(shop)

    assert second.id == first.id
    assert len(shop.sim.objects("customers")) == 1
    original, replay = first.last_response.headers, second.last_response.headers
    assert replay["Idempotent-Replayed"] == "true"
    assert replay["Original-Request"] == original["Request-Id"] != replay["Request-Id"]
    assert [entry.replayed for entry in shop.sim.requests] == [False, True]


def test_the_same_key_with_other_parameters_is_refused(shop):
    create(shop)

    with pytest.raises(stripe.IdempotencyError) as caught:
        create(shop, name="Eve")
    with pytest.raises(stripe.IdempotencyError):
        shop.v1.tax_rates.create({"display_name": "x", "inclusive": False, "percentage": "1"}, KEYED)

    assert (caught.value.http_status, caught.value.error.type) == (400, "idempotency_error")


def test_a_key_in_flight_is_a_conflict_and_then_replays(shop, shop_for):
    shop.sim.faults.add("slow", seconds=0.4)
    first = threading.Thread(target=create, args=(shop,))
    first.start()
    time.sleep(0.15)

    with pytest.raises(stripe.APIError) as caught:
        create(shop_for())
    first.join()

    assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
    assert create(shop).last_response.headers["Idempotent-Replayed"] == "true"


def test_a_500_after_the_execution_is_stored_and_replayed(shop):
    shop.sim.faults.add("500_after")

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            create(shop)

    assert len(shop.sim.objects("customers")) == 1
    assert [(entry.status, entry.replayed) for entry in shop.sim.requests] == [(500, False), (500, True)]


def test_a_refusal_during_execution_is_stored_too(shop):
    invoice = shop.a_draft()
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError):
            shop.v1.invoices.finalize_invoice(invoice.id, None, KEYED)

    assert [entry.replayed for entry in shop.sim.requests.find("POST", f"/v1/invoices/{invoice.id}/fin")] == [
        False,
        True,
    ]


@pytest.mark.parametrize("fault", ["401", "403", "404", "409_in_flight", "429", "500_before", "unknown_parameter"])
def test_an_error_before_the_execution_is_not_stored(shop, fault):
    shop.sim.faults.add(fault)
    with pytest.raises(stripe.StripeError):
        create(shop)

    assert "Idempotent-Replayed" not in create(shop).last_response.headers


def test_a_refusal_by_the_contract_frees_the_key(shop):
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.customers.create({"colour": "red"}, KEYED)

    assert create(shop).name == "Ada"


def test_a_key_is_forgotten_after_a_day(shop):
    first = create(shop)
    shop.sim.clock.advance(86_399)
    assert create(shop).id == first.id

    shop.sim.clock.advance(2)

    assert create(shop).id != first.id


def test_keys_live_per_account_and_mode(shop, shop_for):
    live = shop_for(f"sk_{LIVE}_0123456789")

    assert create(shop).id != create(live).id


def test_a_key_that_is_too_long_is_refused(shop):
    with pytest.raises(stripe.InvalidRequestError):
        create(shop, idempotency_key="k" * 256)
