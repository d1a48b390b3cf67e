"""Translates Stripe's errors into errors of the host, which say who has to act and whether the answer is final.

Code, type and status decide, never the message (docs/notes/stripe.md#errors).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from qwoty_integrations_host import (
    CredentialsError,
    IntegrationError,
    NeedsAttention,
    PermanentError,
    PermissionMissing,
    RetryableError,
    why_unsent,
)

log = logging.getLogger(__name__)

_PERMISSIONS = re.compile(r"Having the ((?:'rak_[a-z0-9_]+',?\s*(?:or\s+)?)+)permissions? would allow")


class NotStripe(RetryableError):
    """The answer is not in the form of Stripe's answers: it came from a proxy, a firewall or a login page.

    Nobody knows whether Stripe got the request, so this is no final answer of Stripe (ADR 0065).
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
    """Stripe refused the request (400, 402, 404). Decide by ``stripe_code``, never by the message."""

    default_code = "stripe_refused"

    def __init__(self, title: str, *, stripe_code: str, status: int, restart: bool) -> None:
        # The hint does not name the invoice: Stripe may have refused a customer or a tax rate before there is one.
        hint = (
            "Correct in Qwoty what Stripe refuses and accept the quote again, or mend it in the Stripe Dashboard and "
            "retry the run."
        )
        super().__init__(title, hint=hint, restart=restart)
        self.stripe_code = stripe_code
        self.status = status

    @property
    def missing(self) -> bool:
        """Whether Stripe does not know the id: it is gone, or of another account or mode."""
        return self.stripe_code == "resource_missing"


def translated(error: Any, sdk: Any) -> IntegrationError:
    """Return a ``StripeError`` as an error of the host. ``sdk`` is the stripe module, which the gateway imports."""
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
        return _permission_missing(error.user_message or "")
    if status == 429 or code == "rate_limit":
        return RetryableError("Stripe asks to slow down.", code="rate_limited", retry_after=retry_after(error.headers))
    if status == 409:
        return RetryableError("Stripe still works on the same request.", code="stripe_busy")
    if status >= 500:
        return RetryableError("Stripe had an internal error.", code="stripe_error")
    if isinstance(error, sdk.IdempotencyError):
        return RetryableError("Stripe knows the request's key from another request.", code="stripe_key")
    message = (error.user_message or "").splitlines() or [""]
    title = f"Stripe refused the request ({code or status}): {message[0][:300]}"
    return StripeRefused(title, stripe_code=code, status=status, restart=code == "resource_missing")


def is_final(error: IntegrationError, *, replayed: bool) -> bool:
    """Whether the next request needs another idempotency key, since Stripe would repeat this answer for a day.

    After an internal error this is sure only once Stripe has repeated it. Until then a request under the same key may
    still be on its way, from a worker that sleeps, and another key would let both have an effect (ADR 0004).
    """
    if isinstance(error, PermanentError):
        return False  # the request was never sent
    if error.code == "stripe_error":
        return replayed
    return not isinstance(error, RetryableError) or error.code == "stripe_key"


def is_replayed(headers: Mapping[str, str]) -> bool:
    """Whether Stripe repeats a stored answer: it says so, and names the request that it answered first."""
    original = _header(headers, "Original-Request")
    return bool(_header(headers, "Idempotent-Replayed")) or original not in ("", _header(headers, "Request-Id"))


def retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header; None without one."""
    text = _header(headers or {}, "Retry-After")
    return float(text) if re.fullmatch(r"\d{1,4}", text) else None


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name) or headers.get(name.lower()) or ""


def _access_refused(code: str, message: str) -> CredentialsError | None:
    """Return the error if no permission would help: the key's account is closed, or the IP address is not allowed."""
    if code == "account_invalid":
        return CredentialsError(
            "The Stripe key has no access to its account.",
            hint="Look in the Stripe Dashboard whether the account is still open and the key still its own. Enter a "
            "key of the right account in the integration's settings, then try again.",
            code="access_refused",
        )
    if "IP address" in message:
        return CredentialsError(
            "The Stripe key may not be used from this host's IP address.",
            hint="Add this host's address to the key's list of IP addresses in the Stripe Dashboard, then try again.",
            code="access_refused",
        )
    return None


def _permission_missing(message: str) -> PermissionMissing:
    found = _PERMISSIONS.search(message)
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
