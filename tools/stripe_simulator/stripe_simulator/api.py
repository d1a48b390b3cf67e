"""Handle one request: faults, key, permission, idempotency, types, execution."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import traceback
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from stripe_simulator import checkout, contract, form, routes, tax_amounts
from stripe_simulator.errors import StripeError, missing_in_path, server_error, unknown_route
from stripe_simulator.faults import ANSWERS, CUTS, Fault, Faults
from stripe_simulator.idempotency import IdempotencyStore, Scope
from stripe_simulator.ids import new_request_id
from stripe_simulator.journal import Journal, LoggedRequest
from stripe_simulator.keys import Key, KeyRing
from stripe_simulator.routes import Route
from stripe_simulator.state import API_VERSION, Call, World


class ConnectionCut(Exception):
    """The server closes the connection without an answer."""


@dataclass
class ApiRequest:
    method: str
    path: str
    pairs: Iterable[tuple[str, str]]
    key: str | None
    idempotency_key: str | None
    version: str | None
    #: Whether its connection has answered other requests before.
    answered_before: bool = False
    request_id: str = field(default_factory=new_request_id)


@dataclass
class Exchange:
    """A request with a valid key and a known route."""

    request: ApiRequest
    entry: LoggedRequest
    key: Key
    route: Route
    object_id: str
    params: dict[str, Any]

    def fault(self, faults: Faults, kind: str) -> Fault | None:
        """Take a fault of this kind, if one is ordered, and note it in the log."""
        fault = faults.take({kind}, self.request.method, self.request.path)
        if fault is not None:
            self.entry.fault = fault.kind
        return fault


@dataclass
class Response:
    status: int
    body: str
    headers: dict[str, str]


class _NotFromStripe(Exception):
    """A proxy or a firewall answers, and the request does not reach Stripe."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


class Api:
    """The simulated API behind the HTTP server."""

    def __init__(self, world: World, keys: KeyRing, faults: Faults, journal: Journal) -> None:
        self.world = world
        self.keys = keys
        self.faults = faults
        self.journal = journal
        self.idempotency = IdempotencyStore(world.clock)
        self.stopping = threading.Event()

    def answer(self, request: ApiRequest) -> Response:
        """Answer one request. Raises: ConnectionCut if a fault leaves the client without an answer."""
        entry = self.journal.add(
            LoggedRequest(
                request.method,
                request.path,
                request_id=request.request_id,
                new_connection=not request.answered_before,
            )
        )
        self._pause(self.world.config.latency_ms / 1000)
        try:
            answer = self._guarded(request, entry)
        except StripeError as error:
            answer = _failed(request, error)
        except _NotFromStripe as other:
            answer = other.answer
        odd = self.faults.take({"odd_after"}, request.method, request.path)
        if odd is not None:
            entry.fault = odd.kind
            answer = Response(*odd.odd_answer())
        cut = self._fault(request, {"cut_after", "died_after"})
        if cut is not None:
            entry.fault = cut.kind
            raise ConnectionCut
        entry.status = answer.status
        return answer

    def _guarded(self, request: ApiRequest, entry: LoggedRequest) -> Response:
        params = form.decode(request.pairs)
        entry.params = form.readable(params)
        entry.idempotency_key = request.idempotency_key
        self._fault_before(request, entry)
        key = self.keys.resolve(request.key)
        entry.key_fingerprint = key.fingerprint
        route, object_id = _routed(request)
        self._permit(key, route, object_id)
        exchange = Exchange(request, entry, key, route, object_id, params)
        if request.method != "POST" or not request.idempotency_key:
            return self._execute(exchange)
        return self._once(exchange, (key.account, key.livemode, request.idempotency_key))

    def _fault_before(self, request: ApiRequest, entry: LoggedRequest) -> None:
        fault = self._fault(request, CUTS | ANSWERS | {"odd_before"})
        if fault is None:
            return
        entry.fault = fault.kind
        if fault.kind == "hang":
            self._pause(60.0 if fault.seconds is None else fault.seconds)
        if fault.kind in CUTS:
            raise ConnectionCut
        if fault.kind == "odd_before":
            raise _NotFromStripe(Response(*fault.odd_answer()))
        raise _OrderedError.of(fault, request.path)

    def _fault(self, request: ApiRequest, kinds: Collection[str]) -> Fault | None:
        return self.faults.take(kinds, request.method, request.path, answered_before=request.answered_before)

    def _pause(self, seconds: float) -> None:
        # A request that a stop or a reset wakes up must not change the state after it.
        if self.stopping.wait(seconds):
            raise ConnectionCut

    def _permit(self, key: Key, route: Route, object_id: str) -> None:
        if self.world.config.existence_before_permission and object_id and route.collection:
            state = self.world.state(key.account, key.livemode)
            if object_id not in getattr(state, route.collection):
                raise missing_in_path(route.collection.rstrip("s"), object_id)
        key.require(route.permission)

    def _once(self, exchange: Exchange, scope: Scope) -> Response:
        request = exchange.request
        stored = self.idempotency.begin(scope, _digest(request, exchange.params))
        if stored is not None:
            exchange.entry.replayed = True
            headers = _headers(request) | {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
            return Response(stored.status or 500, stored.body, headers)
        try:
            answer = self._execute(exchange)
        except BaseException:
            self.idempotency.abandon(scope)
            raise
        self.idempotency.finish(scope, status=answer.status, body=answer.body, request_id=request.request_id)
        return answer

    def _execute(self, exchange: Exchange) -> Response:
        # Raises for invalid parameters: such a refusal comes before execution and is not stored.
        call = self._call(exchange, contract.parse(exchange.params, exchange.route.params))
        if self.world.config.tax_amounts_refused:
            tax_amounts.refuse(call.params)
        self._weather(exchange, call)
        answer = self._run(exchange, call)
        fault = exchange.fault(self.faults, "500_after")
        if fault is None:
            return answer
        return _failed(exchange.request, _OrderedError.of(fault, exchange.request.path))

    def _call(self, exchange: Exchange, typed: dict[str, Any]) -> Call:
        return Call(
            self.world,
            self.world.state(exchange.key.account, exchange.key.livemode),
            params=typed,
            id=exchange.object_id,
            path=exchange.request.path,
            request_id=exchange.request.request_id,
            idempotency_key=exchange.request.idempotency_key,
            restricted=exchange.key.permissions is not None,
        )

    def _weather(self, exchange: Exchange, call: Call) -> None:
        slow = exchange.fault(self.faults, "slow")
        if slow is not None:
            self._pause(1.0 if slow.seconds is None else slow.seconds)
        if "lines" not in call.params:
            return
        midway = exchange.fault(self.faults, "500_midway")
        if midway is not None:
            call.stop_after_lines = len(call.params["lines"]) // 2 if midway.lines is None else midway.lines

    def _run(self, exchange: Exchange, call: Call) -> Response:
        request = exchange.request
        checkout.expire_overdue(self.world)
        try:
            with self.world.lock:
                body = json.dumps(exchange.route.handler(call))
        except StripeError as error:
            return _failed(request, error)
        except Exception:
            # A bug of the simulator: a traceback on stderr, and a 500 for the client.
            traceback.print_exc(file=sys.stderr)
            return _failed(request, server_error())
        return Response(200, body, _headers(request) | {"Stripe-Should-Retry": "false"})


class _OrderedError(StripeError):
    """The error of a fault, which may have a body of its own."""

    own_body: dict[str, Any] | None = None

    @classmethod
    def of(cls, fault: Fault, path: str) -> _OrderedError:
        error = fault.error(path)
        made = cls(error.status, error.message, error.type, error.code, error.param, error.headers)
        made.own_body = fault.body
        return made

    def body(self, request_id: str) -> dict[str, Any]:
        return super().body(request_id) if self.own_body is None else self.own_body


def _routed(request: ApiRequest) -> tuple[Route, str]:
    found = routes.find(request.method, request.path)
    if found is None:
        raise unknown_route(request.method, request.path)
    return found


def _digest(request: ApiRequest, params: dict[str, Any]) -> str:
    text = json.dumps([request.method, request.path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _headers(request: ApiRequest) -> dict[str, str]:
    headers = {"Request-Id": request.request_id, "Stripe-Version": request.version or API_VERSION}
    if request.method == "POST":
        headers["Original-Request"] = request.request_id
        if request.idempotency_key:
            headers["Idempotency-Key"] = request.idempotency_key
    return headers


def _failed(request: ApiRequest, error: StripeError) -> Response:
    # As recorded from Stripe: the answer to an invalid key has neither a request id nor a version.
    headers = {} if error.status == 401 else _headers(request)
    return Response(error.status, json.dumps(error.body(request.request_id)), headers | error.headers)
