"""Stripe Invoice keeps the contract with the host, tried against the Stripe simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from qwoty_integrations_host import WebhookRequest
from qwoty_integrations_host.testing import PluginConformance

pytest.importorskip("stripe_simulator", reason="these tests need the distribution stripe-simulator (tools/)")

KEY = "sk_test_51Conformance0001"


class TestConformance(PluginConformance):
    plugin_id = "stripe_invoice"

    @pytest.fixture
    def service(self, stripe_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("QWOTY_STRIPE_API_BASE", stripe_simulator.url)
        return stripe_simulator

    @pytest.fixture
    def valid_settings(self, service: Any) -> Mapping[str, Any]:
        return {"workspace_api_token": KEY, "invoice_status": "open", "send_payment_link": True}

    @pytest.fixture
    def invalid_settings(self) -> Sequence[tuple[Mapping[str, Any], str]]:
        both = {"invoice_status": "open", "send_payment_link": True, "send_invoice_email": True}
        return [
            ({}, "workspace_api_token"),
            ({"workspace_api_token": "pk_test_51Conformance0001"}, "workspace_api_token"),
            ({"token_scope": "business_unit"}, "business_unit_api_tokens"),
            (
                {"token_scope": "business_unit", "business_unit_api_tokens": {"bu_1": "nothing of Stripe's"}},
                "business_unit_api_tokens.bu_1",
            ),
            ({"workspace_api_token": KEY, **both}, "send_payment_link"),
            ({"workspace_api_token": KEY, "invoice_status": "paid"}, "invoice_status"),
        ]

    @pytest.fixture
    def side_effects(self, service: Any) -> Callable[[str], int]:
        def count(quote_id: str) -> int:
            things = [*service.objects("invoices"), *service.objects("sessions")]
            return sum(thing["metadata"].get("qwoty_quote_id") == quote_id for thing in things)

        return count

    @pytest.fixture
    def signed_webhook(self, service: Any) -> Callable[..., WebhookRequest]:
        def sign(event_id: str, quote_id: str, *, type: str | None = None) -> WebhookRequest:  # noqa: A002 - its name
            (endpoint,) = service.objects("endpoints")
            session = next(s for s in service.objects("sessions") if s["metadata"]["qwoty_quote_id"] == quote_id)
            event = {
                "id": event_id,
                "object": "event",
                "type": type or "checkout.session.completed",
                "livemode": False,
                "data": {"object": session},
            }
            body, headers = service.signed(endpoint["id"], event)
            return WebhookRequest(endpoint["url"].rpartition("/")[2], body, headers)

        return sign
