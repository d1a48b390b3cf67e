"""The state of the simulated Stripe, separate for each account and mode."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from stripe_simulator.clock import Clock
from stripe_simulator.config import Config
from stripe_simulator.errors import missing_in_body, missing_in_path

Json = dict[str, Any]
API_VERSION = "2026-10-28.endive"


@dataclass
class Item:
    """One item, which Stripe shows as an invoice item and, on an invoice, as a line."""

    id: str
    line_id: str
    customer: str
    invoice: str | None
    amount: int
    currency: str
    created: int
    description: str | None = None
    quantity: int = 1
    quantity_decimal: Decimal = Decimal(1)
    pricing: Json | None = None
    # None means that the invoice's default rates apply; an empty list means no tax.
    tax_rates: list[str] | None = None
    # Taxes that the caller computed, as given; if there are any, no rate applies.
    tax_amounts: list[Json] = field(default_factory=list)
    discountable: bool = True
    metadata: dict[str, str] = field(default_factory=dict)
    period: dict[str, int] = field(default_factory=dict)


@dataclass
class AccountState:
    """All objects of one account in one mode; dictionaries keep the order of creation."""

    account: str
    livemode: bool
    customers: dict[str, Json] = field(default_factory=dict)
    tax_rates: dict[str, Json] = field(default_factory=dict)
    # rate data of a tax amount -> id of the archived rate created from it
    rates_of_amounts: dict[frozenset[tuple[str, object]], str] = field(default_factory=dict)
    invoices: dict[str, Json] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    # invoice id -> ids of its items, in the order of its lines
    invoice_items: dict[str, list[str]] = field(default_factory=dict)
    days_until_due: dict[str, int] = field(default_factory=dict)
    invoice_payments: dict[str, Json] = field(default_factory=dict)
    sessions: dict[str, Json] = field(default_factory=dict)
    # session id -> payment_intent_data and the texts of the pay page
    session_plans: dict[str, Json] = field(default_factory=dict)
    payment_intents: dict[str, Json] = field(default_factory=dict)
    # charges of refunded payments; others are never created
    charges: dict[str, Json] = field(default_factory=dict)
    endpoints: dict[str, Json] = field(default_factory=dict)
    # endpoint id -> secrets, the newest first; two while a secret is rolled
    endpoint_secrets: dict[str, list[str]] = field(default_factory=dict)
    events: dict[str, Json] = field(default_factory=dict)
    sent: list[Json] = field(default_factory=list)
    # customer id -> (time of the write, the customer as written), for the search's lag
    search_index: dict[str, list[tuple[float, Json | None]]] = field(default_factory=dict)


def items_of(state: AccountState, invoice: Json) -> list[Item]:
    """Return the items of an invoice, in the order of its lines; empty while the draft is being created."""
    return [state.items[item_id] for item_id in state.invoice_items.get(invoice["id"], [])]


Links = dict[str, tuple[AccountState, str]]
Snapshot = tuple[dict[tuple[str, bool], AccountState], Links]


class World:
    """The states of all accounts, the clock, the switches, and one lock for all changes."""

    def __init__(self, clock: Clock, config: Config) -> None:
        self.clock = clock
        self.config = config
        self.lock = threading.RLock()
        self.base_url = ""
        self.publish: Callable[[AccountState, Json], None] = lambda _state, _event: None
        self._states: dict[tuple[str, bool], AccountState] = {}
        # token in a public link -> (state, invoice id)
        self.links: Links = {}

    def state(self, account: str, livemode: bool) -> AccountState:
        with self.lock:
            return self._states.setdefault((account, livemode), AccountState(account, livemode))

    def states(self) -> list[AccountState]:
        with self.lock:
            return list(self._states.values())

    def reset(self) -> None:
        self.restore(({}, {}))

    def snapshot(self) -> Snapshot:
        """Return a copy of all objects for ``restore``."""
        with self.lock:
            return copy.deepcopy((self._states, self.links))

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the objects of a snapshot."""
        with self.lock:
            self._states, self.links = copy.deepcopy(snapshot)


@dataclass
class Call:
    """The execution of one request, or of a payer's act, which has no request."""

    world: World
    state: AccountState
    params: Json = field(default_factory=dict)
    id: str = ""
    path: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None
    restricted: bool = False
    # A fault may stop add_lines half way: the server fails after this many lines.
    stop_after_lines: int | None = None

    @property
    def config(self) -> Config:
        return self.world.config

    def now(self) -> int:
        return self.world.clock.now()

    def in_path(self, collection: str, kind: str) -> Json:
        """Return the object in the path. Raises: StripeError (404)."""
        found: Json | None = getattr(self.state, collection).get(self.id)
        if found is None:
            raise missing_in_path(kind, self.id, self._other_mode(collection, self.id))
        return found

    def in_body(self, collection: str, kind: str, object_id: str, *, param: str) -> Json:
        """Return the object that a parameter names. Raises: StripeError (400, with the code of a 404)."""
        found: Json | None = getattr(self.state, collection).get(object_id)
        if found is None or found.get("deleted"):
            raise missing_in_body(kind, object_id, param=param, hint=self._other_mode(collection, object_id))
        return found

    def _other_mode(self, collection: str, object_id: str) -> str:
        other = self.world.state(self.state.account, not self.state.livemode)
        if object_id not in getattr(other, collection):
            return ""
        here, there = ("live", "test") if self.state.livemode else ("test", "live")
        return f"; a similar object exists in {there} mode, but a {here} mode key was used to make this request."
