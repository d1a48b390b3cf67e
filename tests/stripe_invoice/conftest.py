"""Stripe as somebody else uses it: another key of the same account, through the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

stripe.enable_telemetry = False
SOMEBODY = "sk_test_SomebodyElse0001"


@pytest.fixture
def v1(bench: Any) -> Iterator[Any]:
    """The SDK's client of a person who works in the Stripe Dashboard meanwhile."""
    http = stripe.RequestsClient(timeout=5)
    yield stripe.StripeClient(SOMEBODY, base_addresses={"api": bench.stripe.url}, http_client=http).v1
    http.close()
