"""Events that Stripe delivers to a bench, signed with its endpoint's secret, and the figures of the bench's quote."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import requests


def an_event(thing: dict[str, Any], kind: str, id: str = "evt_test") -> dict[str, Any]:
    return {"id": id, "object": "event", "type": kind, "livemode": False, "data": {"object": thing}}


def endpoint_url(bench: Any) -> str:
    return str(bench.stripe.objects("endpoints")[0]["url"])


def secret_of(bench: Any) -> str:
    (endpoint,) = bench.stripe.objects("endpoints")
    return str(bench.stripe.world.states()[0].endpoint_secrets[endpoint["id"]][0])


def v1_of(body: bytes, secret: str, timestamp: int) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def post(bench: Any, body: bytes, header: str | None) -> requests.Response:
    headers = {} if header is None else {"Stripe-Signature": header}
    return requests.post(endpoint_url(bench), data=body, headers=headers, timeout=5)


def deliver(bench: Any, event: Any, *, raw: bytes | None = None) -> requests.Response:
    """Deliver an event as Stripe does, signed with the endpoint's secret and the present time."""
    body = json.dumps(event).encode() if raw is None else raw
    now = int(bench.clock.now().timestamp())
    return post(bench, body, f"t={now},v1={v1_of(body, secret_of(bench), now)}")
