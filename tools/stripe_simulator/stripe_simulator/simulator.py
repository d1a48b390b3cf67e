"""The simulator as a Python object."""

from __future__ import annotations

import copy
import json
import ssl
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from stripe_simulator import checkout, endpoints, payments, refunds
from stripe_simulator.api import Api
from stripe_simulator.app import create_app
from stripe_simulator.clock import Clock
from stripe_simulator.config import Config
from stripe_simulator.delivery import Deliveries, signature
from stripe_simulator.errors import missing_in_path
from stripe_simulator.faults import Faults
from stripe_simulator.invoices import shown as shown_invoice
from stripe_simulator.items import shown_item
from stripe_simulator.journal import Journal
from stripe_simulator.keys import DEFAULT_ACCOUNT, KeyRing
from stripe_simulator.server import HttpServer
from stripe_simulator.state import AccountState, Call, Json, Snapshot, World

KINDS = (
    "customers",
    "tax_rates",
    "invoices",
    "items",
    "invoice_payments",
    "payment_intents",
    "charges",
    "sessions",
    "endpoints",
    "events",
    "sent",
)


class StripeSimulator:
    """A stateful Stripe on loopback.

    Example:
        with StripeSimulator() as sim:
            client = stripe.StripeClient("sk_test_1", base_addresses={"api": sim.url})
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency_ms: int = 0,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.config = Config(latency_ms=latency_ms)
        self.world = World(self.clock, self.config)
        self.faults = Faults()
        self.requests = Journal()
        self.keys = KeyRing()
        self.api = Api(self.world, self.keys, self.faults, self.requests)
        self._deliveries = Deliveries(self.world)
        self._address, self._tls = (host, port), tls
        self._server: HttpServer | None = None
        self.world.publish = self._deliveries.publish
        self.clock.on_move = lambda: checkout.expire_overdue(self.world)

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return self.world.base_url

    def start(self) -> StripeSimulator:
        """Start serving, and return the simulator."""
        self.api.stopping.clear()
        self._server = HttpServer(create_app(self), *self._address, self._tls)
        self.world.base_url = self._server.url
        self._deliveries.start()
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop serving, and cut requests that still hang."""
        self.api.stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None
        self._deliveries.stop()

    def __enter__(self) -> StripeSimulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def reset(self) -> None:
        """Delete objects, keys, faults and log, and reset switches and clock; the address stays."""
        # End hanging requests now, so that they cannot reach into the next test.
        self.api.stopping.set()
        for part in (self.faults, self.config, self.clock, self.world, self.requests, self.keys, self.api.idempotency):
            part.reset()
        self._deliveries.reset()
        self.api.stopping.clear()

    def snapshot(self) -> Snapshot:
        """Return a copy of all accounts' objects for ``restore``, without pending deliveries."""
        return self.world.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Reset, then restore the objects of a snapshot."""
        self.reset()
        self.world.restore(snapshot)

    def add_key(
        self,
        key: str,
        *,
        account: str = DEFAULT_ACCOUNT,
        permissions: Iterable[str] | None = None,
        revoked: bool = False,
        expired: bool = False,
    ) -> str:
        """Register a key and return it; without ``permissions`` it may do everything."""
        self.keys.add(key, account=account, permissions=permissions, revoked=revoked, expired=expired)
        return key

    def pay(self, session_id: str) -> Json:
        """Pay a Checkout Session by card."""
        return self._session_act(session_id, checkout.pay)

    def pay_later(self, session_id: str) -> Json:
        """Pay a Checkout Session by a method that settles later: it is complete, but unpaid."""
        return self._session_act(session_id, checkout.pay_later)

    def settle(self, session_id: str) -> Json:
        """Let the delayed payment succeed."""
        return self._session_act(session_id, checkout.settle)

    def fail(self, session_id: str) -> Json:
        """Let the delayed payment fail."""
        return self._session_act(session_id, checkout.fail)

    def expire(self, session_id: str) -> Json:
        """Expire an open Session."""
        return self._session_act(session_id, checkout.expire)

    def pay_hosted(self, invoice_id: str) -> Json:
        """Pay what remains of an invoice on its hosted page."""
        return self._invoice_act(invoice_id, payments.pay_rest)

    def mark_paid(self, invoice_id: str) -> Json:
        """Mark an invoice as paid outside Stripe, as a person does in the Dashboard."""
        return self._invoice_act(invoice_id, payments.mark_paid)

    def refund(self, payment_intent: str, amount: int | None = None) -> Json:
        """Refund a payment in whole or in part, as a person does in the Dashboard; return its charge."""
        with self.world.lock:
            state = refunds.owner(self.world, payment_intent)
            return copy.deepcopy(refunds.refund(Call(self.world, state, id=payment_intent), amount))

    def _invoice_act(self, invoice_id: str, act: Callable[[Call, Json, payments.Shown], None]) -> Json:
        with self.world.lock:
            state = self._owner(checkout.find_invoice(self.world, invoice_id), "invoice", invoice_id)
            call = Call(self.world, state)
            act(call, state.invoices[invoice_id], shown_invoice)
            return copy.deepcopy(shown_invoice(call, state.invoices[invoice_id]))

    def _session_act(self, session_id: str, act: Callable[[Call], Json]) -> Json:
        with self.world.lock:
            checkout.expire_overdue(self.world)
            state = self._owner(checkout.find(self.world, session_id), "checkout.session", session_id)
            return copy.deepcopy(act(Call(self.world, state, id=session_id)))

    def _owner(self, state: AccountState | None, kind: str, object_id: str) -> AccountState:
        if state is None:
            raise missing_in_path(kind, object_id)
        return state

    def objects(self, kind: str, *, account: str = DEFAULT_ACCOUNT, livemode: bool = False) -> list[Json]:
        """Return copies of all objects of a kind, oldest first."""
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}.")
        with self.world.lock:
            checkout.expire_overdue(self.world)
            call = Call(self.world, self.world.state(account, livemode))
            return copy.deepcopy(_objects(call, kind))

    @property
    def deliveries(self) -> list[Json]:
        """Return every delivery so far: event, type, endpoint, url, status, attempts, held."""
        return self._deliveries.all()

    def wait_for_webhooks(self, timeout: float = 5.0) -> bool:
        """Wait until no delivery is pending; False if one still is."""
        return self._deliveries.wait(timeout)

    def deliver(self, *, newest_first: bool = False, again: bool = False, timeout: float = 10.0) -> bool:
        """Deliver pending, held and undelivered events now; ``again`` also repeats delivered ones."""
        return self._deliveries.deliver(newest_first=newest_first, again=again, timeout=timeout)

    def signed(self, endpoint_id: str, event: Json) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of your own event, as they would be delivered to an endpoint."""
        with self.world.lock:
            owners = [state for state in self.world.states() if endpoint_id in state.endpoints]
            state = self._owner(owners[0] if owners else None, "webhook endpoint", endpoint_id)
            secrets = list(state.endpoint_secrets[endpoint_id])
        body = json.dumps(event, indent=2)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return body.encode(), {**headers, "Stripe-Signature": signature(body, secrets, self.world.clock.now())}

    def roll_secret(self, endpoint_id: str, *, keep_old: bool = True) -> str:
        """Roll an endpoint's secret as the Dashboard does, and return the new one."""
        with self.world.lock:
            owners = [state for state in self.world.states() if endpoint_id in state.endpoints]
            state = self._owner(owners[0] if owners else None, "webhook endpoint", endpoint_id)
            return endpoints.roll_secret(state, endpoint_id, keep_old=keep_old)


def _objects(call: Call, kind: str) -> list[Any]:
    if kind == "invoices":
        return [shown_invoice(call, invoice) for invoice in call.state.invoices.values()]
    if kind == "items":
        return [shown_item(call, item) for item in call.state.items.values()]
    found = getattr(call.state, kind)
    return list(found.values()) if isinstance(found, dict) else list(found)
