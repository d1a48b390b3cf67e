"""Helpers for recording from Stripe's test mode: refusals, rate limit, the person who pays, and cleaning up.

None of this was ever run against Stripe. The refusals and the rate limit are tested; the rest runs against the
simulator (tests/cassette_honesty).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import stripe

_TEST_KEY = re.compile(r"(?:sk|rk)_test_[A-Za-z0-9]{8,}")
MOST_PER_SECOND = 25


class RecordingRefused(Exception):
    """Nothing is recorded; the message says why and never holds a key."""


def require_test_key(env: Mapping[str, str], name: str = "STRIPE_TEST_KEY") -> str:
    """The key to record with. Raises: RecordingRefused for anything but a secret or restricted test key."""
    key = env.get(name, "").strip()
    if not key:
        raise RecordingRefused(f"Set {name} to a Stripe test key (sk_test_… or rk_test_…) to record from Stripe.")
    if "_live_" in key:
        raise RecordingRefused(f"{name} holds a live key. Recordings are made with test keys only; nothing was sent.")
    if key.startswith("pk_"):
        raise RecordingRefused(f"{name} holds a publishable key; a secret or restricted test key is needed.")
    if not _TEST_KEY.fullmatch(key):
        raise RecordingRefused(f"{name} does not look like a Stripe test key (sk_test_… or rk_test_…).")
    return key


def require_test_mode(v1: Any) -> None:
    """Create one customer. Raises: RecordingRefused unless Stripe says that the customer belongs to test mode."""
    made = v1.customers.create({"name": "Qwoty cassette recording: is this test mode?"}).to_dict()
    if made.get("livemode") is not False:
        raise RecordingRefused(
            f"The first object made, {made['id']}, does not say livemode: false. Nothing else was sent; "
            "look at it in the Stripe Dashboard and delete it there."
        )
    v1.customers.delete(made["id"])


class Wire:
    """Lets requests pass to Stripe only, and at most 25 a second."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._next = 0.0

    def pass_through(self, url: str) -> None:
        """Wait until the next request is allowed. Raises: RecordingRefused for an address that is not Stripe's."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not (parts.hostname or "").endswith(".stripe.com"):
            raise RecordingRefused("Something else than Stripe was to be called while recording from Stripe.")
        self._sleep(max(self._next - self._clock(), 0))
        self._next = max(self._clock(), self._next) + 1 / MOST_PER_SECOND

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Check every request that the requests library sends."""
        send = requests.adapters.HTTPAdapter.send

        def watched_send(adapter: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            self.pass_through(request.url or "")
            return send(adapter, request, **options)

        requests.adapters.HTTPAdapter.send = watched_send  # type: ignore[method-assign]
        try:
            yield
        finally:
            requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]


def wait_for_payer(v1: Any, session_id: str, show: Callable[[str], None], *, minutes: float = 10) -> None:
    """Show a person the payment page and wait for the payment, because Stripe's hosted page refuses robots."""
    session = v1.checkout.sessions.retrieve(session_id)
    show(f"Pay with the test card 4242 4242 4242 4242: {session['url']}")
    until = time.monotonic() + minutes * 60
    while v1.checkout.sessions.retrieve(session_id)["payment_status"] != "paid":
        if time.monotonic() > until:
            raise TimeoutError(f"Nobody paid within {minutes:g} minutes.")
        time.sleep(3)


def tidy(v1: Any, *, email: str, token: str, taxes: str) -> None:
    """Delete the objects of a recording as far as Stripe allows it; final invoices stay."""
    for endpoint in _listed(v1.webhook_endpoints):
        if endpoint["url"].endswith(token):
            v1.webhook_endpoints.delete(endpoint["id"])
    for rate in _listed(v1.tax_rates, active=True):
        if (rate["metadata"] or {}).get("qwoty_tax", "").startswith(taxes):
            v1.tax_rates.update(rate["id"], {"active": False})
    for customer in _listed(v1.customers, email=email):
        for invoice in _listed(v1.invoices, customer=customer["id"], status="draft"):
            v1.invoices.delete(invoice["id"])
        # A restricted key may lack the permission, and Stripe keeps a customer with a final object.
        with contextlib.suppress(stripe.InvalidRequestError, stripe.PermissionError):
            v1.customers.delete(customer["id"])


def _listed(service: Any, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.list({"limit": 100, **params}).to_dict()["data"]
    return found
