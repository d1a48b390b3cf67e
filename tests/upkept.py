"""Upkeep of a workspace's webhooks: how to request it, and what must be true afterwards."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from uuid import uuid4

import requests

from qwoty_integrations_host.store import tables
from qwoty_stripe_invoice.endpoint_spec import EVENTS
from qwoty_stripe_invoice.gateway import API_VERSION

HOUR, DAY = 3600, 24 * 3600


def look_after(bench: Any, *, roll: bool = False) -> dict[str, Any]:
    """Request an upkeep as a person does, work it and the runs that follow, and return its run."""
    (run_id,) = bench.host.upkeep.request("ws-1", roll_secrets=roll)
    bench.work()
    found: dict[str, Any] = bench.run(run_id)
    return found


def later(bench: Any, seconds: float) -> None:
    bench.clock.advance(seconds)
    bench.stripe.clock.advance(seconds)


def endpoint(bench: Any) -> dict[str, Any]:
    (only,) = bench.stripe.objects("endpoints")
    return dict(only)


def secret_of(bench: Any, endpoint_id: str) -> str:
    return str(bench.stripe.world.states()[0].endpoint_secrets[endpoint_id][0])


def post(bench: Any, url: str, secret: str, event: dict[str, Any]) -> requests.Response:
    """Deliver an event as Stripe does, signed with this secret and the present time."""
    body, now = json.dumps(event), int(bench.clock.now().timestamp())
    signed = hmac.new(secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    return requests.post(url, data=body.encode(), headers={"Stripe-Signature": f"t={now},v1={signed}"}, timeout=5)


def a_ping(event_id: str = "evt_1") -> dict[str, Any]:
    """An event about no object."""
    return {"id": event_id, "object": "event", "type": "ping", "data": {"object": {}}}


def held(bench: Any) -> Any:
    """Let Stripe hold its events back from now on."""
    bench.stripe.config.update(webhooks_held=True)
    return bench


def attached(bench: Any) -> list[int]:
    """The amounts of the payments that were attached to an invoice, without the hosted page's own payment."""
    return [p["amount_paid"] for p in bench.stripe.objects("invoice_payments") if not p["is_default"]]


def assert_told_again(bench: Any) -> None:
    """Expect one correct endpoint of the host, which accepts a new event."""
    found = endpoint(bench)
    assert (found["status"], found["api_version"]) == ("enabled", API_VERSION)
    assert set(EVENTS) <= set(found["enabled_events"])
    assert found["url"].startswith(f"{bench.url}/webhooks/stripe_invoice/ws-1/")
    proof = a_ping(f"evt_{uuid4().hex}")
    answer = post(bench, found["url"], secret_of(bench, found["id"]), proof)
    assert (answer.status_code, answer.json()) == (200, {"received": "ignored"})


# -- changes of the endpoint ---------------------------------------------------------------------------------


def as_it_was(bench: Any, v1: Any) -> None:
    pass


def deleted(bench: Any, v1: Any) -> None:
    v1.webhook_endpoints.delete(endpoint(bench)["id"])


def disabled(bench: Any, v1: Any) -> None:
    v1.webhook_endpoints.update(endpoint(bench)["id"], params={"disabled": True})


def unsubscribed(bench: Any, v1: Any) -> None:
    v1.webhook_endpoints.update(endpoint(bench)["id"], params={"enabled_events": ["invoice.paid"]})


def moved(bench: Any, v1: Any) -> None:
    token = endpoint(bench)["url"].rsplit("/", 1)[-1]
    v1.webhook_endpoints.update(endpoint(bench)["id"], params={"url": f"https://former.example/hooks/{token}"})


def sent_elsewhere(bench: Any, v1: Any) -> None:
    v1.webhook_endpoints.update(endpoint(bench)["id"], params={"url": "https://elsewhere.example/"})


def several_at_once(bench: Any, v1: Any) -> None:
    for change in (disabled, unsubscribed, moved):
        change(bench, v1)


def of_another_version(bench: Any, v1: Any) -> None:
    bench.stripe.world.states()[0].endpoints[endpoint(bench)["id"]]["api_version"] = "2020-08-27"


def disabled_and_of_another_version(bench: Any, v1: Any) -> None:
    disabled(bench, v1)
    of_another_version(bench, v1)


def without_our_secret(bench: Any, v1: Any) -> None:
    with bench.host.store.write() as db:
        db.execute(tables.secrets.delete().where(tables.secrets.c.field.startswith("kept/webhook:")))
