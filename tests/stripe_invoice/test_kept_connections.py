"""Connections to Stripe are kept, for all threads and over TLS; a dead one costs no attempt of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from builders import KEY
from certificates import Authority
from qwoty_integrations_host import Attempt, RetryableError
from qwoty_stripe_invoice.gateway import Gateway
from stripe_simulator import StripeSimulator


class Overtaken(Exception):
    """Another worker has taken the run over."""


@pytest.fixture
def stripe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeSimulator]:
    """A Stripe over TLS, whose authority the operator trusts."""
    authority = Authority(tmp_path)
    with StripeSimulator(tls=authority.serves("127.0.0.1")) as simulator:
        monkeypatch.setenv("QWOTY_STRIPE_API_BASE", simulator.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        yield simulator


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(KEY, workspace="ws-1", pace=lambda *_, **__: None)


def an_attempt(confirm: Callable[[], None] = lambda: None) -> Attempt:
    return Attempt(1, 1, datetime.now(UTC), confirm=confirm)


def rates(gateway: Gateway) -> Any:
    return gateway.read(an_attempt(), lambda v1: v1.tax_rates.list())


def a_customer(gateway: Gateway, attempt: Attempt) -> Any:
    params = {"name": "Ada"}
    return gateway.write(attempt, "customer", "c-1", params, lambda v1, p, o: v1.customers.create(p, o))


def new_connections(stripe: StripeSimulator) -> int:
    return sum(request.new_connection for request in stripe.requests)


def test_all_threads_share_the_connections_of_a_key(stripe: StripeSimulator) -> None:
    threads = 8

    def ask(_: int) -> None:
        rates(Gateway(KEY, workspace="ws-1", pace=lambda *_, **__: None))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, range(200)))

    assert len(stripe.requests) == 200
    assert new_connections(stripe) <= threads


def test_an_authority_that_nobody_named_is_not_trusted(
    stripe: StripeSimulator, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(RetryableError):
        rates(gateway)

    assert len(stripe.requests) == 0


@pytest.mark.parametrize("fault", ["died_before", "died_after"])
def test_a_request_over_a_dead_connection_is_sent_once_more_under_its_key(
    stripe: StripeSimulator, gateway: Gateway, fault: str
) -> None:
    rates(gateway)
    stripe.faults.add(fault, method="POST")

    made = a_customer(gateway, an_attempt())

    first, second = stripe.requests.find("POST")
    assert first.idempotency_key == second.idempotency_key
    assert [customer["id"] for customer in stripe.objects("customers")] == [made["id"]]
    assert (first.new_connection, second.new_connection) == (False, True)


@pytest.mark.parametrize("fault", ["cut_before", "cut_after"])
def test_a_request_is_sent_once_more_and_no_oftener(stripe: StripeSimulator, gateway: Gateway, fault: str) -> None:
    rates(gateway)
    stripe.faults.add(fault, method="POST")

    with pytest.raises(RetryableError):
        a_customer(gateway, an_attempt())

    assert len(stripe.requests.find("POST")) == 2


@pytest.mark.parametrize("fault", ["died_before", "died_after"])
def test_a_request_over_a_new_connection_is_not_sent_again(
    stripe: StripeSimulator, gateway: Gateway, fault: str
) -> None:
    stripe.faults.add(fault, method="POST")

    with pytest.raises(RetryableError):
        a_customer(gateway, an_attempt())

    assert len(stripe.requests.find("POST")) == 1


def test_a_worker_that_was_overtaken_meanwhile_does_not_send_it_again(
    stripe: StripeSimulator, gateway: Gateway
) -> None:
    confirmed: list[bool] = []

    def confirm() -> None:
        if confirmed:
            raise Overtaken
        confirmed.append(True)

    rates(gateway)
    stripe.faults.add("died_before", method="POST")

    with pytest.raises(Overtaken):
        a_customer(gateway, an_attempt(confirm))

    assert len(stripe.requests.find("POST")) == 1


def test_each_sending_waits_for_its_turn(stripe: StripeSimulator) -> None:
    turns: list[str] = []
    gateway = Gateway(KEY, workspace="ws-1", pace=lambda what, **_: turns.append(what))
    rates(gateway)
    stripe.faults.add("died_before", method="POST")

    a_customer(gateway, an_attempt())

    assert [turn.split()[0] for turn in turns] == ["GET", "POST", "POST"]
