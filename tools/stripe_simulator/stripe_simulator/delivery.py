"""Deliver events to webhook endpoints in the background: signed, with retries, and only to loopback."""

from __future__ import annotations

import copy
import hashlib
import hmac
import ipaddress
import json
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from stripe_simulator.endpoints import subscribed
from stripe_simulator.state import API_VERSION, AccountState, Json, World

RETRY_GAPS = (0.2, 0.5, 1.0, 2.0, 4.0)
TIMEOUT = 5.0


@dataclass
class Delivery:
    """The delivery of one event to one endpoint."""

    event: Json
    endpoint_id: str
    url: str
    body: str
    account: str
    livemode: bool
    status: str = "pending"
    attempts: list[str] = field(default_factory=list)
    due: float = 0.0
    held: bool = False

    def as_dict(self) -> Json:
        return {
            "event": self.event["id"],
            "type": self.event["type"],
            "endpoint": self.endpoint_id,
            "url": self.url,
            "status": self.status,
            "attempts": list(self.attempts),
            "held": self.held,
        }


class Deliveries:
    """The queue of deliveries, and the one thread that sends them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._all: list[Delivery] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._busy = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="stripe-simulator-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(TIMEOUT + 1)

    def publish(self, state: AccountState, event: Json) -> None:
        """Queue an event for every endpoint that subscribed to it."""
        config = self._world.config
        fresh = [
            self._new(state, event, endpoint)
            for endpoint in subscribed(state, event["type"])
            for _ in range(config.webhook_copies)
        ]
        event["pending_webhooks"] = len({delivery.endpoint_id for delivery in fresh})
        with self._changed:
            self._all += fresh
            self._changed.notify_all()

    def _new(self, state: AccountState, event: Json, endpoint: Json) -> Delivery:
        sent = copy.deepcopy(event) | {"api_version": endpoint["api_version"] or API_VERSION, "pending_webhooks": 1}
        delivery = Delivery(
            event, endpoint["id"], endpoint["url"], json.dumps(sent, indent=2), state.account, state.livemode
        )
        delivery.held = self._world.config.webhooks_held
        if not is_loopback(endpoint["url"]):
            delivery.status = "not delivered: not loopback"
        return delivery

    def all(self) -> list[Json]:
        with self._changed:
            return [delivery.as_dict() for delivery in self._all]

    def deliver(self, *, newest_first: bool = False, again: bool = False, timeout: float = 10.0) -> bool:
        """Send pending, held and undelivered events now; ``again`` also repeats delivered ones."""
        with self._changed:
            chosen = [
                d for d in self._all if d.status in ("pending", "undelivered") or (again and d.status == "delivered")
            ]
            for number, delivery in enumerate(reversed(chosen) if newest_first else chosen):
                delivery.status, delivery.held = "pending", False
                # Due times a millisecond apart, in the past, keep the chosen order.
                delivery.due = time.monotonic() - 1_000 + number / 1_000
            self._changed.notify_all()
        return self.wait(timeout)

    def wait(self, timeout: float = 5.0) -> bool:
        """Wait until no delivery is pending; False if one still is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy and not self._waiting(), timeout)

    def reset(self) -> None:
        with self._changed:
            self._all.clear()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy, TIMEOUT)

    def _waiting(self) -> list[Delivery]:
        return [delivery for delivery in self._all if delivery.status == "pending" and not delivery.held]

    def _run(self) -> None:
        with requests.Session() as session:
            # Ignore a proxy from the environment: both ends are on loopback.
            session.trust_env = False
            while (delivery := self._next()) is not None:
                outcome = self._attempt(session, delivery)
                self._finish(delivery, outcome)

    def _next(self) -> Delivery | None:
        with self._changed:
            while not self._stopping:
                waiting = self._waiting()
                first = min(waiting, key=lambda delivery: delivery.due) if waiting else None
                if first is not None and first.due <= time.monotonic():
                    self._busy = True
                    return first
                self._changed.wait(None if first is None else first.due - time.monotonic())
            return None

    def _attempt(self, session: requests.Session, delivery: Delivery) -> str | None:
        """Send once; return the status or the name of the error, None if the endpoint is gone or disabled."""
        with self._world.lock:
            endpoint = self._world.state(delivery.account, delivery.livemode).endpoints.get(delivery.endpoint_id)
            if endpoint is None or endpoint["status"] != "enabled":
                return None
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (stripe-simulator)"}
        headers["Stripe-Signature"] = self._signature(delivery)
        headers["X-Simulated"] = "stripe-simulator"
        try:
            answer = session.post(
                delivery.url, data=delivery.body.encode(), headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            return type(error).__name__
        return str(answer.status_code)

    def _signature(self, delivery: Delivery) -> str:
        with self._world.lock:
            state = self._world.state(delivery.account, delivery.livemode)
            secrets = list(state.endpoint_secrets.get(delivery.endpoint_id, []))
        if self._world.config.webhook_bad_signature:
            secrets = ["whsec_wrong"]
        return signature(delivery.body, secrets, self._world.clock.now())

    def _finish(self, delivery: Delivery, outcome: str | None) -> None:
        with self._changed:
            if outcome is not None:
                delivery.attempts.append(outcome)
            if outcome is None:
                # Stripe stops retrying when the endpoint is deleted or disabled.
                delivery.status = "dropped"
            elif outcome.startswith("2"):
                delivery.status = "delivered"
                self._count_down(delivery)
            elif len(delivery.attempts) <= len(RETRY_GAPS):
                delivery.due = time.monotonic() + RETRY_GAPS[len(delivery.attempts) - 1]
            else:
                delivery.status = "undelivered"
            self._busy = False
            self._changed.notify_all()

    def _count_down(self, delivery: Delivery) -> None:
        open_ends = {d.endpoint_id for d in self._all if d.event is delivery.event and d.status != "delivered"}
        delivery.event["pending_webhooks"] = len(open_ends)


def signature(body: str, secrets: list[str], timestamp: int) -> str:
    signed = f"{timestamp}.{body}".encode()
    parts = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={timestamp}", *parts])


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
