"""A test can sign an event of its own as the simulator signs its events."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def test_a_custom_event_is_signed_with_the_endpoints_secret(stripe_simulator: Any) -> None:
    http = stripe.RequestsClient()
    client = stripe.StripeClient("sk_test_1", base_addresses={"api": stripe_simulator.url}, http_client=http)
    endpoint = client.v1.webhook_endpoints.create({"url": "https://x.example/hook", "enabled_events": ["invoice.paid"]})
    http.close()

    body, headers = stripe_simulator.signed(endpoint.id, {"id": "evt_1", "object": "event", "type": "invoice.paid"})

    signature = headers["Stripe-Signature"]
    assert stripe.Webhook.construct_event(body, signature, endpoint.secret)["id"] == "evt_1"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", signature, endpoint.secret)
