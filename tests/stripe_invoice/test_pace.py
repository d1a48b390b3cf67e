"""Requests to Stripe are spaced by endpoint and account, over all machines together."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from builders import KEY, LINK, the_example
from qwoty_integrations_host.store.database import open_database
from qwoty_stripe_invoice.gateway import REQUESTS_PER_SECOND, endpoint_of

#: How many requests a second Stripe allows for each endpoint and account.
ALLOWED = 25
#: A process in which eight threads repeat one request from a common start.
FLOOD = textwrap.dedent("""
    import sys, threading, time
    from contextlib import suppress
    from datetime import UTC, datetime
    from qwoty_integrations_host import Attempt
    from qwoty_integrations_host.clock import SystemClock
    from qwoty_integrations_host.concurrency.rate_limits import RateLimits
    from qwoty_integrations_host.store.database import open_database
    from qwoty_integrations_host.store.rate_limits import SharedSlots
    from qwoty_stripe_invoice.gateway import Gateway
    from qwoty_stripe_invoice.stripe_errors import StripeRefused

    url, key, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    limits = RateLimits(SharedSlots(open_database(url)), SystemClock())
    stripe = Gateway(key, workspace="ws-1", pace=lambda name, *, per_second: limits.acquire(name, per_second))

    def flood():
        while time.monotonic() < end:
            with suppress(StripeRefused):
                stripe.read(Attempt(1, 1, datetime.now(UTC)), lambda v1: v1.customers.retrieve("cus_1"))

    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
""")


def busiest(times: list[float], seconds: float = 1.0) -> int:
    """The largest number of requests in any window of that length."""
    return max(sum(start <= time < start + seconds for time in times) for start in times)


@pytest.mark.parametrize(
    ("method", "url", "endpoint"),
    [
        ("get", "https://api.stripe.com/v1/invoices/in_1QxYz0", "GET /v1/invoices/{id}"),
        ("post", "https://api.stripe.com/v1/invoices/in_1QxYz0/finalize", "POST /v1/invoices/{id}/finalize"),
        ("get", "https://api.stripe.com/v1/customers/search?query=x", "GET /v1/customers/search"),
        (
            "post",
            "http://127.0.0.1:1/v1/checkout/sessions/cs_test_a1B/expire",
            "POST /v1/checkout/sessions/{id}/expire",
        ),
        ("get", "https://api.stripe.com/v1/webhook_endpoints", "GET /v1/webhook_endpoints"),
    ],
)
def test_requests_are_counted_as_stripe_counts_them(method: str, url: str, endpoint: str) -> None:
    assert endpoint_of(method, url) == endpoint


def test_two_processes_that_flood_one_endpoint_stay_below_what_stripe_allows(
    postgresql: str, stripe_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWOTY_STRIPE_API_BASE", stripe_simulator.url)
    other = stripe_simulator.add_key("sk_test_OtherAccount01", account="acct_other")
    open_database(postgresql).dispose()
    seconds = 2.5
    flooding = [
        subprocess.Popen(
            [sys.executable, "-c", FLOOD, postgresql, key, str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for key in (KEY, KEY, other)
    ]
    for process in flooding:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in flooding:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(timeout=60) for process in flooding] == [0, 0, 0]
    for process in flooding:
        process.communicate()

    by_account: dict[str, list[float]] = {}
    for request in stripe_simulator.requests:
        by_account.setdefault(request.key_fingerprint, []).append(request.arrived)
    assert len(by_account) == 2, "one account does not slow down another"
    for times in by_account.values():
        assert busiest(times) <= ALLOWED
        assert len(times) > 0.5 * seconds * REQUESTS_PER_SECOND, "the pace is used, too"


def test_a_run_acquires_a_slot_before_each_request(bench: Any) -> None:
    acquired: list[str] = []
    limits = bench.host.integrations.contexts.rate_limits
    acquire = limits.acquire
    limits.acquire = lambda name, per_second: (acquired.append(name), acquire(name, per_second))
    bench.enable(**LINK)

    bench.accept(the_example())

    asked = [f"stripe_invoice/{endpoint_of(r.method, r.path)}" for r in bench.stripe.requests]
    waited_for = [name.rpartition(" ")[0] for name in acquired]
    # Tax Rates are read at the same time as the customer, so their place among the requests varies.
    meanwhile = "stripe_invoice/GET /v1/tax_rates"
    assert waited_for.count(meanwhile) == asked.count(meanwhile) == 1
    assert [each for each in waited_for if each != meanwhile] == [each for each in asked if each != meanwhile]
    assert len({name.rpartition(" ")[2] for name in acquired}) == 1
    assert KEY not in str(acquired)
