"""The only module that imports stripe: one client per key, the pinned API version, idempotency keys, rate limits.

A read is ``stripe.read(attempt, lambda v1: v1.customers.retrieve("cus_1"))``; ``delete`` looks the same; a write also
names the parts of its idempotency key. All return plain dicts (docs/notes/stripe.md#requests, #idempotency-keys).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from ipaddress import ip_address
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qwoty_integrations_host import (
    Attempt,
    CredentialsError,
    IntegrationError,
    Pace,
    WebhookRejected,
    connection_died,
    kept_session,
)

from .event_form import not_an_event
from .stripe_errors import NotStripe, is_final, is_replayed, retry_after, translated

if TYPE_CHECKING:
    import requests
    import stripe as stripe_sdk

API_VERSION = "2026-10-28.endive"
DEFAULT_API_BASE = "https://api.stripe.com"
#: Seconds to connect and to read: in a run, and while a person waits for the answer.
_PATIENT, _QUICK = (10.0, 60.0), (5.0, 10.0)
#: How far a webhook's time may differ from ours, in seconds.
_TOLERANCE = 300
#: Stripe allows 25 requests a second for each endpoint and account, and 20 searches
#: (docs/notes/stripe.md#rate-limits-and-search). The margin is for requests that leave a little late.
REQUESTS_PER_SECOND = 18
#: Text that can be part of an idempotency key unchanged. The key is sent as an HTTP header.
_PLAIN = re.compile(r"[ -~]{0,80}")
#: A path segment with digits or capitals is an id; the words of Stripe's paths have none.
_ID = re.compile(r"/(?!v\d/)[^/]*[A-Z0-9][^/]*")

Params = Mapping[str, Any]


@dataclass(slots=True)
class _Exchange:
    """A request that the SDK is about to make, and what came back."""

    #: Called with method and URL: waits for the rate limit, and confirms that a write is still this worker's to do.
    wait: Callable[[str, str], None]
    answer: dict[str, Any] | None = None
    request_id: str = ""
    #: Whether Stripe repeated the answer that it had stored under the request's idempotency key.
    replayed: bool = False


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


def fingerprint(key: str) -> str:
    """Return a hash that stands for the key in records and logs."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def is_live(key: str) -> bool:
    """Whether a key moves real money."""
    return key.split("_")[1] == "live"


def api_base() -> str:
    """The base URL of Stripe's API: a matter of the deployment, never of a workspace (QWOTY_STRIPE_API_BASE)."""
    return os.environ.get("QWOTY_STRIPE_API_BASE", "").rstrip("/") or DEFAULT_API_BASE


class Gateway:
    """Stripe for one key and workspace."""

    def __init__(self, key: str, *, workspace: str, pace: Pace) -> None:
        self.account = fingerprint(key)
        self.live = is_live(key)
        self._key, self._workspace, self._pace = key, workspace, pace

    def read(self, attempt: Attempt, call: Callable[[Any], Any]) -> dict[str, Any]:
        """Send a GET: ``call`` gets the SDK's ``client.v1``."""
        return self._do(attempt, lambda: call(_client(self._key).v1))

    def delete(self, attempt: Attempt, call: Callable[[Any], Any]) -> dict[str, Any]:
        """Send a DELETE, without an idempotency key: the second one finds nothing to delete."""
        return self._do(attempt, lambda: call(_client(self._key).v1))

    def probe(self, call: Callable[[Any], Any]) -> None:
        """Send a request without effect, outside a run, while a person waits for the answer.

        A POST gets a random idempotency key, so that Stripe does not replay an old refusal.
        """
        self._do(None, lambda: call(_client(self._key, _QUICK).v1))

    def pages(self, attempt: Attempt, call: Callable[[Any, Params], Any], params: Params) -> Iterator[dict[str, Any]]:
        """Return all objects of a list, fetched 100 at a time."""
        after: dict[str, Any] = {}
        while True:
            page = self.read(attempt, partial(_one_page, call, {**params, "limit": 100, **after}))
            yield from page["data"]
            if not page["has_more"] or not page["data"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    def write(
        self,
        attempt: Attempt,
        step: str,
        entity: str,
        params: Params,
        call: Callable[[Any, Params, Params], Any],
        *,
        replaces: str = "",
    ) -> dict[str, Any]:
        """Send a POST with a deterministic idempotency key.

        ``entity`` is what the object is for (a quote, a contact, …). ``replaces`` names an object that is gone; it
        changes the key, since otherwise Stripe would replay the answer that created that object.
        """
        digest = hashlib.sha256(json.dumps([params, replaces], sort_keys=True).encode()).hexdigest()[:16]
        parts = ("qwoty", self._workspace, step, _short(entity), str(attempt.key), digest)
        options = {"idempotency_key": ":".join(parts)}
        exchange = _Exchange(partial(self._wait_for_turn, attempt))
        try:
            return self._do(attempt, lambda: call(_client(self._key).v1, params, options), exchange)
        except IntegrationError as error:
            error.answered = is_final(error, replayed=exchange.replayed)
            raise

    def _do(
        self, attempt: Attempt | None, call: Callable[[], Any], exchange: _Exchange | None = None
    ) -> dict[str, Any]:
        sdk = _sdk()
        exchange = exchange or _Exchange(partial(self._wait_for_turn, attempt))
        asking = _exchange.set(exchange)
        try:
            returned = call()
        except sdk.StripeError as error:
            raise translated(error, sdk) from error
        finally:
            _exchange.reset(asking)
            if exchange.request_id and attempt is not None:
                attempt.request_ids.append(exchange.request_id)
        body: dict[str, Any] = returned.to_dict() if exchange.answer is None else exchange.answer
        return body

    def _wait_for_turn(self, attempt: Attempt | None, method: str, url: str) -> None:
        self._pace(f"{endpoint_of(method, url)} {self.account}", per_second=REQUESTS_PER_SECOND)
        if attempt is not None and method.upper() != "GET":
            attempt.confirm()


def endpoint_of(method: str, url: str) -> str:
    """Return the endpoint for which Stripe counts a request: ``POST /v1/invoices/{id}/finalize``."""
    return f"{method.upper()} {_ID.sub('/{id}', urlsplit(url).path)}"


def _one_page(call: Callable[[Any, Params], Any], params: Params, v1: Any) -> Any:
    return call(v1, params)


def verify_webhook(body: bytes, header: str, secret: str, now: datetime) -> None:
    """Check the signature of the raw bytes, and its time. Raises: WebhookRejected.

    The SDK accepts a time in the future, so the time is checked here (docs/notes/stripe.md#webhooks).
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise not_an_event() from None
    try:
        _sdk().WebhookSignature.verify_header(text, header, secret, tolerance=None)
        # The first "t=", which is the one that the SDK checks.
        sent = int(next(part for part in header.split(",") if part.startswith("t=")).split("=")[1])
    # TypeError: the SDK compares ASCII text only.
    except (_sdk().SignatureVerificationError, ValueError, TypeError) as error:
        raise WebhookRejected("The webhook's signature is not Stripe's.", code="wrong_signature") from error
    if abs(now.timestamp() - sent) > _TOLERANCE:
        raise WebhookRejected("The webhook is too old, or this machine's clock is wrong.", code="wrong_time")


# -- the SDK ------------------------------------------------------------------------------------------


@cache
def _sdk() -> ModuleType:
    import stripe  # lazy: keeps stripe (a tenth of a second) off the start path

    stripe.enable_telemetry = False
    return stripe


_clients: dict[tuple[str, str, tuple[float, float]], stripe_sdk.StripeClient] = {}
_making = threading.Lock()


def _client(key: str, timeout: tuple[float, float] | None = None) -> stripe_sdk.StripeClient:
    timeout = timeout or _PATIENT
    base = api_base()
    if is_live(key) and not _is_stripe(base) and not _is_loopback(base):
        raise CredentialsError(
            "A live Stripe key is only sent to Stripe itself.",
            hint="Unset QWOTY_STRIPE_API_BASE, or use a test key.",
            code="api_base_refused",
        )
    place = (fingerprint(key), base, timeout)
    with _making:
        if place not in _clients:
            _clients[place] = _new_client(key, base, timeout)
        return _clients[place]


def _new_client(key: str, base: str, timeout: tuple[float, float]) -> stripe_sdk.StripeClient:
    sdk = _sdk()
    client: stripe_sdk.StripeClient = sdk.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base},
        # The host retries instead: before it repeats a request, it looks for the result. The SDK cannot do that.
        max_network_retries=0,
        # Name the HTTP library. Otherwise the SDK takes any that is installed, and cassettes might not record it.
        http_client=_paced(sdk)(timeout=timeout, session=_session(base)),
    )
    return client


@cache
def _paced(sdk: ModuleType) -> Any:
    class PacedClient(sdk.RequestsClient):  # type: ignore[misc, name-defined]
        """Waits for the rate limit before each request, and keeps Stripe's answer as plain JSON.

        The SDK would build an object for each part of an answer. We use none of them, and they cost a fifth of a
        quote's time (ADR 0051), so the SDK gets an empty body for a good answer.
        """

        def request(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
            exchange = _exchange.get()
            exchange.wait(method, url)
            try:
                body, status, answered = super().request(method, url, headers, post_data)
            except sdk.APIConnectionError as error:
                if not connection_died(error.__cause__):
                    raise
                # Once more, on a new connection. Stripe carries out what has an idempotency key once, reads have no
                # effect, and a second DELETE finds nothing. ``wait`` asks whether the write is still this worker's.
                exchange.wait(method, url)
                body, status, answered = super().request(method, url, headers, post_data)
            exchange.request_id = answered.get("Request-Id") or ""
            exchange.replayed = is_replayed(answered)
            stripes = stripes_answer(status, body)
            if stripes is None:
                raise NotStripe(status, retry_after=retry_after(answered))
            if status < 300:
                exchange.answer, body = stripes, "{}"
            return body, status, answered

    return PacedClient


def _session(base: str) -> requests.Session:
    import requests  # lazy, as the SDK

    session = kept_session()
    # The environment names proxies. It is read once, not with each request.
    session.proxies = requests.utils.get_environ_proxies(base)
    return session


def stripes_answer(status: int, body: str | bytes) -> dict[str, Any] | None:
    """Return the body of an answer in Stripe's form; None for anything else, whatever its status.

    Stripe answers with an object that names its kind, or from status 400 with an ``error`` object that names its type.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if 200 <= status < 300:
        return document if isinstance(document.get("object"), str) else None
    is_error = isinstance(error, dict) and isinstance(error.get("type"), str)
    return document if status >= 400 and is_error else None


def _is_stripe(base: str) -> bool:
    parts = urlsplit(base)
    return parts.scheme == "https" and (parts.hostname or "").endswith(".stripe.com")


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _short(entity: str) -> str:
    """Return the entity in at most 80 ASCII characters: idempotency keys are ASCII and have 255 at most."""
    return entity if _PLAIN.fullmatch(entity) else hashlib.sha256(entity.encode()).hexdigest()[:32]
