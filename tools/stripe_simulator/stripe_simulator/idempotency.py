"""The idempotency store: the first answer to a key is repeated for a day."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from stripe_simulator.clock import Clock
from stripe_simulator.errors import bad_request, key_in_use, key_reused

LIFETIME = 86_400
LONGEST_KEY = 255
# Never stored: these answers come before execution, or ask for a retry.
NOT_STORED = frozenset({401, 403, 404, 409, 429})

Scope = tuple[str, bool, str]


@dataclass
class Stored:
    request: str
    created: int
    status: int | None = None
    body: str = ""
    request_id: str = ""

    @property
    def in_flight(self) -> bool:
        return self.status is None


class IdempotencyStore:
    """Answers by (account, mode, key)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stored: dict[Scope, Stored] = {}
        self._lock = threading.Lock()

    def begin(self, scope: Scope, request: str) -> Stored | None:
        """Return the stored answer to replay, or None after reserving the key for a new execution."""
        if len(scope[2]) > LONGEST_KEY:
            raise bad_request(f"Idempotency keys can have up to {LONGEST_KEY} characters.")
        with self._lock:
            known = self._stored.get(scope)
            if known is None or self._expired(known):
                self._stored[scope] = Stored(request, self._clock.now())
                return None
            if known.in_flight:
                raise key_in_use()
            if known.request != request:
                raise key_reused(scope[2])
            return known

    def finish(self, scope: Scope, *, status: int, body: str, request_id: str) -> None:
        """Store the answer of an execution."""
        if status in NOT_STORED:
            self.abandon(scope)
            return
        with self._lock:
            stored = self._stored.get(scope)
            if stored is not None:
                stored.status, stored.body, stored.request_id = status, body, request_id

    def abandon(self, scope: Scope) -> None:
        """Release the key, since nothing was executed."""
        with self._lock:
            self._stored.pop(scope, None)

    def reset(self) -> None:
        with self._lock:
            self._stored.clear()

    def _expired(self, stored: Stored) -> bool:
        return not stored.in_flight and self._clock.now() - stored.created >= LIFETIME
