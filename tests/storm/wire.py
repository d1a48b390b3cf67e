"""The connection to Stripe, in this process: the SDK's requests go to the simulator, and may run into trouble."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import stripe

from qwoty_stripe_invoice import gateway
from stripe_simulator.api import ApiRequest, ConnectionCut

if TYPE_CHECKING:
    from storm.world import World

#: What may happen to a request, and whether Stripe executes it: before the answer (done), later, or never.
TROUBLES = {
    "lost request": "never",
    "lost answer": "done",
    "slow request": "later",
    "odd answer before": "never",
    "odd answer after": "done",
    "internal error before": "never",
    "internal error after": "done",
    "too many requests": "never",
    "still at work": "never",
}
_PAGE = "<html>502 Bad Gateway</html>"


def _error(kind: str, message: str) -> str:
    return json.dumps({"error": {"type": kind, "message": message}})


_ANSWERS = {
    "odd answer before": (502, _PAGE),
    "odd answer after": (200, _PAGE),
    "internal error before": (500, _error("api_error", "An error occurred on our side.")),
    "internal error after": (500, _error("api_error", "An error occurred on our side.")),
    "too many requests": (429, _error("invalid_request_error", "Too many requests.")),
    "still at work": (409, _error("idempotency_error", "Another request with this key is at work.")),
}


@dataclass
class Trouble:
    """Trouble for the next ``times`` requests, or only for the next ones that write."""

    kind: str
    times: int = 1
    writes_only: bool = False

    def meets(self, method: str) -> bool:
        return self.times > 0 and (method == "POST" or not self.writes_only)


@dataclass
class Wire:
    """The trouble to come, and the requests that Stripe has not executed yet."""

    troubles: list[Trouble] = field(default_factory=list)
    #: Idempotency keys and requests that Stripe will execute later, although no client waits for the answers.
    slow: list[tuple[str | None, Callable[[], Any]]] = field(default_factory=list)

    def finish_slow(self) -> list[str | None]:
        """Execute the requests that Stripe has not executed yet; return their keys."""
        keys = []
        while self.slow:
            key, finish = self.slow.pop(0)
            keys.append(key)
            finish()
        return keys


def client_for(world: World, key: str) -> Any:
    """Return an SDK client whose requests stay in this process."""
    base: type[Any] = gateway._paced(gateway._sdk())

    class InProcess(base, _Simulated):  # type: ignore[misc]
        pass

    http = InProcess(timeout=(1, 1))
    http.world, http.key = world, key
    return stripe.StripeClient(key, stripe_version=gateway.API_VERSION, http_client=http, max_network_retries=0)


class _Simulated(stripe.RequestsClient):
    """Sends the requests of the rate-limited client to the simulator's API."""

    world: World
    key: str

    def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any) -> Any:
        parts = urlsplit(url)
        pairs = parse_qsl("&".join(filter(None, (parts.query, post_data))), keep_blank_values=True)
        key, method = headers.get("Idempotency-Key"), method.upper()
        given = ApiRequest(method, parts.path, pairs, self.key, key, headers.get("Stripe-Version"))
        place = f"{gateway.endpoint_of(method, url)}"
        self.world.scheduler.boundary(f"before {place}")
        if self.world.wire.slow and key in self.world.wire.finish_slow() and key:
            status, body = _ANSWERS["still at work"]
            return body, status, {"Request-Id": "req_sim_storm"}
        trouble = next((each for each in self.world.wire.troubles if each.meets(method)), None)
        if trouble is None:
            answer = self._answer(given)
            self.world.scheduler.boundary(f"answer unread, {place}")
            return answer.body, answer.status, answer.headers
        trouble.times -= 1
        return self._troubled(trouble.kind, given, place)

    def _answer(self, given: ApiRequest) -> Any:
        try:
            return self.world.stripe.api.answer(given)
        except ConnectionCut:
            raise _cut() from None

    def _troubled(self, kind: str, given: ApiRequest, place: str) -> Any:
        outcome = TROUBLES[kind]
        answered = self._answer(given) if outcome == "done" else None
        if outcome == "later":
            self.world.wire.slow.append((given.idempotency_key, lambda: self._answer(given)))
        self.world.scheduler.boundary(f"{kind}, {place}")
        if kind not in _ANSWERS:
            raise _cut()
        status, body = _ANSWERS[kind]
        if kind == "internal error after" and answered is not None and given.method == "POST":
            # Stripe stores the answer of an executed request under its key, even an error.
            scope = next((s for s in self.world.stripe.api.idempotency._stored if s[2] == given.idempotency_key), None)
            if scope is not None:
                self.world.stripe.api.idempotency.finish(scope, status=status, body=body, request_id="req_sim_storm")
        return body, status, {"Request-Id": "req_sim_storm"}


def _cut() -> Exception:
    return stripe.APIConnectionError("The connection was cut.")
