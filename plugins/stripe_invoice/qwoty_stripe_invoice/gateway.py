"""The only module that imports stripe: a client per key, the pinned version, idempotency keys, error mapping.

A read is ``stripe.read(attempt, lambda v1: v1.customers.retrieve("cus_1"))``; a write names what makes its
idempotency key. Both give plain dicts. Sources: Stripe page, sections 2, 4 and 5.
"""

from __future__ import annotations

import hashlib
import json
import logging
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
    NeedsAttention,
    Pace,
    PermanentError,
    PermissionMissing,
    RetryableError,
    WebhookRejected,
    why_unsent,
)

from .event_form import not_an_event

if TYPE_CHECKING:
    import stripe as stripe_sdk

log = logging.getLogger(__name__)

API_VERSION = "2026-10-28.endive"
DEFAULT_API_BASE = "https://api.stripe.com"
#: Seconds to connect and to read: in a run, and where a person waits for the answer.
_PATIENT, _QUICK = (10.0, 60.0), (5.0, 10.0)
#: How far a webhook's time may be from ours, in seconds, to either side.
_TOLERANCE = 300
#: Stripe allows 25 a second for each endpoint and account, and 20 searches (Stripe page, section 6). Turns that come a
#: little late share a window with those after them, hence the distance.
REQUESTS_PER_SECOND = 18
#: What stands in an idempotency key, which is a header, as it is.
_PLAIN = re.compile(r"[ -~]{0,80}")
#: Ids have digits or capitals in them, the words of an address do not.
_ID = re.compile(r"/(?!v\d/)[^/]*[A-Z0-9][^/]*")
_PERMISSIONS = re.compile(r"Having the ((?:'rak_[a-z0-9_]+',?\s*(?:or\s+)?)+)permissions? would allow")

Params = Mapping[str, Any]


@dataclass(slots=True)
class _Exchange:
    """A request that the SDK is about to make, and what came back."""

    #: Waits for the turn of a method and an address, and makes sure that a write is still this worker's to do.
    wait: Callable[[str, str], None]
    answer: dict[str, Any] | None = None
    request_id: str = ""


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


class NotStripe(RetryableError):
    """What came is not in the form of Stripe's answers: a proxy, a firewall or a login page spoke in its place.

    Whether Stripe was asked is not known, so this is no final answer of Stripe (ADR 0065).
    """

    default_code = "stripe_answer"

    def __init__(self, status: int, *, retry_after: float | None = None) -> None:
        super().__init__(
            f"Something other than Stripe answered (HTTP {status}).",
            hint="Look at what stands between this host and Stripe: a proxy, a firewall, or an outage of Stripe. "
            "The run goes on by itself once Stripe answers.",
            retry_after=retry_after,
        )


class StripeRefused(NeedsAttention):
    """Stripe said no (400, 402, 404). ``stripe_code`` decides, never the message."""

    default_code = "stripe_refused"

    def __init__(self, title: str, *, stripe_code: str, status: int, restart: bool) -> None:
        # It may be a customer or a tax rate that is refused, long before there is an invoice.
        hint = (
            "Correct in Qwoty what Stripe refuses and accept the quote again, or mend it in the Stripe Dashboard and "
            "retry the run."
        )
        super().__init__(title, hint=hint, restart=restart)
        self.stripe_code = stripe_code
        self.status = status

    @property
    def missing(self) -> bool:
        """Stripe does not know the id: another account or mode, or it is gone."""
        return self.stripe_code == "resource_missing"


def fingerprint(key: str) -> str:
    """What tells keys apart in records and logs; never the key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def is_live(key: str) -> bool:
    """Whether a key moves real money."""
    return key.split("_")[1] == "live"


def api_base() -> str:
    """Where Stripe is: a matter of the deployment, never of a workspace (QWOTY_STRIPE_API_BASE)."""
    return os.environ.get("QWOTY_STRIPE_API_BASE", "").rstrip("/") or DEFAULT_API_BASE


class Gateway:
    """Stripe for one key and workspace."""

    def __init__(self, key: str, *, workspace: str, pace: Pace) -> None:
        self.account = fingerprint(key)
        self.live = is_live(key)
        self._key, self._workspace, self._pace = key, workspace, pace

    def read(self, attempt: Attempt, call: Callable[[Any], Any]) -> dict[str, Any]:
        """Do a GET or DELETE: ``call`` gets the SDK's ``client.v1``."""
        return self._do(attempt, lambda: call(_client(self._key).v1))

    def probe(self, call: Callable[[Any], Any]) -> None:
        """Ask for something that has no effect, outside a run; a person waits for the answer.

        A POST goes out under a random idempotency key: an old refusal must not be replayed.
        """
        self._do(None, lambda: call(_client(self._key, _QUICK).v1))

    def pages(self, attempt: Attempt, call: Callable[[Any, Params], Any], params: Params) -> Iterator[dict[str, Any]]:
        """Walk a list to its end, 100 objects a call."""
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
        """Do a POST under a deterministic idempotency key.

        ``entity`` is what the object is for (a quote, a contact, …). ``replaces`` names an object that is gone:
        without it in the key, Stripe would replay the answer that made the dead object.
        """
        digest = hashlib.sha256(json.dumps([params, replaces], sort_keys=True).encode()).hexdigest()[:16]
        parts = ("qwoty", self._workspace, step, _short(entity), str(attempt.key), digest)
        options = {"idempotency_key": ":".join(parts)}
        try:
            return self._do(attempt, lambda: call(_client(self._key).v1, params, options))
        except IntegrationError as error:
            error.answered = _is_final(error)
            raise

    def _do(self, attempt: Attempt | None, call: Callable[[], Any]) -> dict[str, Any]:
        sdk = _sdk()
        exchange = _Exchange(partial(self._wait_for_turn, attempt))
        asking = _exchange.set(exchange)
        try:
            answer = call()
        except sdk.StripeError as error:
            raise _translated(error) from error
        finally:
            _exchange.reset(asking)
            if exchange.request_id and attempt is not None:
                attempt.request_ids.append(exchange.request_id)
        found: dict[str, Any] = answer.to_dict() if exchange.answer is None else exchange.answer
        return found

    def _wait_for_turn(self, attempt: Attempt | None, method: str, url: str) -> None:
        self._pace(f"{endpoint_of(method, url)} {self.account}", per_second=REQUESTS_PER_SECOND)
        if attempt is not None and method.upper() != "GET":
            attempt.confirm()


def endpoint_of(method: str, url: str) -> str:
    """What Stripe counts requests by: ``POST /v1/invoices/{id}/finalize``."""
    return f"{method.upper()} {_ID.sub('/{id}', urlsplit(url).path)}"


def _one_page(call: Callable[[Any, Params], Any], params: Params, v1: Any) -> Any:
    return call(v1, params)


def verify_webhook(body: bytes, header: str, secret: str, now: datetime) -> None:
    """Check signature and time over the raw bytes. Raises: WebhookRejected.

    The SDK lets a time in the future pass, hence the bound of our own (Stripe page, section 13).
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise not_an_event() from None
    try:
        _sdk().WebhookSignature.verify_header(text, header, secret, tolerance=None)
        # The first one, as the SDK takes it: a second "t=" is not what was signed.
        sent = int(next(part for part in header.split(",") if part.startswith("t=")).split("=")[1])
    # TypeError: the SDK's comparison knows ASCII only.
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
        # Retrying is the host's: it looks before it repeats, which the SDK cannot.
        max_network_retries=0,
        # Named, because the SDK else takes whatever is importable and recordings might not see it.
        http_client=_paced(sdk)(timeout=timeout),
    )
    return client


@cache
def _paced(sdk: ModuleType) -> Any:
    class PacedClient(sdk.RequestsClient):  # type: ignore[misc, name-defined]
        """Waits for its turn right before each request, and keeps the answer as it came, provided that it is Stripe's.

        The SDK would make an object of each part of an answer. We use none, and they are a fifth of what a quote costs
        (ADR 0056), so of a good answer it gets to see the headers only.
        """

        def request(self, method: str, url: str, headers: Any, post_data: Any = None) -> Any:
            exchange = _exchange.get()
            exchange.wait(method, url)
            if getattr(self._thread_local, "session", None) is None:
                self._thread_local.session = _direct_session()
            body, status, answered = super().request(method, url, headers, post_data)
            exchange.request_id = answered.get("Request-Id") or ""
            found = stripes_answer(status, body)
            if found is None:
                raise NotStripe(status, retry_after=_wish(answered))
            if status < 300:
                exchange.answer, body = found, "{}"
            return body, status, answered

    return PacedClient


def _direct_session() -> Any:
    import requests  # lazy, as the SDK

    class DirectSession(requests.Session):
        """Follows no redirect: Stripe's API has none, and a write would be repeated as a read of something else."""

        def request(self, *given: Any, **named: Any) -> requests.Response:
            return super().request(*given, **{**named, "allow_redirects": False})

    return DirectSession()


def stripes_answer(status: int, body: str | bytes) -> dict[str, Any] | None:
    """Give an answer in Stripe's form; None for anything else, whatever its status says.

    Stripe answers with an object that names its kind, or from 400 on with an object of ``error`` that names its type.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    error = found.get("error")
    if 200 <= status < 300:
        return found if isinstance(found.get("object"), str) else None
    is_error = isinstance(error, dict) and isinstance(error.get("type"), str)
    return found if status >= 400 and is_error else None


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
    """Keys have 255 characters, and are ASCII; ids of a platform may be as long, and hold anything."""
    return entity if _PLAIN.fullmatch(entity) else hashlib.sha256(entity.encode()).hexdigest()[:32]


# -- errors -------------------------------------------------------------------------------------------


def _translated(error: stripe_sdk.StripeError) -> Exception:
    sdk = _sdk()
    status, code = error.http_status or 0, (error.error.code if error.error else None) or ""
    if isinstance(error, sdk.APIConnectionError):
        if unsent := why_unsent(error.__cause__):
            log.error("stripe.request_unsent", exc_info=unsent)
            return PermanentError(
                "The request to Stripe could not be written.",
                hint="Its cause is in the host's log; correct what it names, then retry the run.",
                code="request_unsent",
            )
        return RetryableError("Stripe cannot be reached.", code="stripe_unreachable")
    if refused := _access_refused(code, error.user_message or ""):
        return refused
    if isinstance(error, sdk.AuthenticationError):
        return CredentialsError(
            "The Stripe key has expired." if code == "api_key_expired" else "Stripe refused the key.",
            hint="Enter a valid key in the integration's settings, then retry the run.",
            code="key_refused",
        )
    if isinstance(error, sdk.PermissionError):
        return _permission_missing(error)
    if status == 429 or code == "rate_limit":
        return RetryableError("Stripe asks to slow down.", code="rate_limited", retry_after=_wish(error.headers))
    if status == 409:
        return RetryableError("Stripe still works on the same request.", code="stripe_busy")
    if status >= 500:
        return RetryableError("Stripe had an internal error.", code="stripe_error")
    if isinstance(error, sdk.IdempotencyError):
        return RetryableError("Stripe knows the request's key from another request.", code="stripe_key")
    words = (error.user_message or "").splitlines() or [""]
    title = f"Stripe refused the request ({code or status}): {words[0][:300]}"
    return StripeRefused(title, stripe_code=code, status=status, restart=code == "resource_missing")


def _is_final(error: IntegrationError) -> bool:
    """Whether Stripe gave a final answer, which it may keep under the key and repeat for a day."""
    if isinstance(error, PermanentError):
        return False  # it was never asked
    return not isinstance(error, RetryableError) or error.code in {"stripe_error", "stripe_key"}


def _access_refused(code: str, words: str) -> CredentialsError | None:
    """What no permission of the key can change: its account, or the address from which it is used."""
    if code == "account_invalid":
        return CredentialsError(
            "The Stripe key has no access to its account.",
            hint="Look in the Stripe Dashboard whether the account is still open and the key still its own. Enter a "
            "key of the right account in the integration's settings, then try again.",
            code="access_refused",
        )
    if "IP address" in words:
        return CredentialsError(
            "The Stripe key may not be used from this host's IP address.",
            hint="Add this host's address to the key's list of IP addresses in the Stripe Dashboard, then try again.",
            code="access_refused",
        )
    return None


def _permission_missing(error: stripe_sdk.StripeError) -> PermissionMissing:
    found = _PERMISSIONS.search(error.user_message or "")
    names = re.findall(r"rak_([a-z0-9_]+)", found[1]) if found else []
    if not names:
        return PermissionMissing(
            "The Stripe key lacks a permission.",
            hint="Stripe does not say which one: the log of requests in the Stripe Dashboard shows it. Add it to the "
            "restricted key, then retry the run.",
        )
    wanted = " or ".join(names)
    return PermissionMissing(
        "The Stripe key lacks a permission.",
        hint=f"Add the permission {wanted} to the restricted key in the Stripe Dashboard, then retry the run.",
    )


def _wish(headers: Mapping[str, str] | None) -> float | None:
    text = (headers or {}).get("retry-after") or (headers or {}).get("Retry-After") or ""
    return float(text) if re.fullmatch(r"\d{1,4}", text) else None
