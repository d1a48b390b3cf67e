"""Stripe as somebody else uses it: another key of the same account, through the real SDK."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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


@pytest.fixture
def meanwhile(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Callable[[], Any]], list[Any]]:
    """Order something for this very moment, once: Stripe has done what a request asks for, we have no answer yet.

    What was ordered stands in the list that is given until it is done.
    """
    answer = bench.stripe.api.answer

    def order(method: str, path: str, act: Callable[[], Any]) -> list[Any]:
        open_orders = [act]

        def answering(given: Any) -> Any:
            try:
                return answer(given)
            finally:
                if open_orders and given.method == method and re.search(path, given.path):
                    open_orders.pop()()

        monkeypatch.setattr(bench.stripe.api, "answer", answering)
        return open_orders

    return order
