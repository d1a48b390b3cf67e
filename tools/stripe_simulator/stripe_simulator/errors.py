"""Stripe's error answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class StripeError(Exception):
    """An error in Stripe's form."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, request_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        if self.status != 401:
            error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> StripeError:
    return StripeError(400, message, code=code, param=param)


def missing_in_path(kind: str, object_id: str, hint: str = "") -> StripeError:
    return StripeError(404, f"No such {kind}: '{object_id}'{hint}", code="resource_missing", param="id")


def missing_in_body(kind: str, object_id: str, *, param: str, hint: str = "") -> StripeError:
    return bad_request(f"No such {kind}: '{object_id}'{hint}", code="resource_missing", param=param)


def unknown_parameter(name: str) -> StripeError:
    return bad_request(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def unauthorized(message: str) -> StripeError:
    return StripeError(401, message, headers={"WWW-Authenticate": 'Bearer realm="Stripe"'})


def invalid_key(key: str) -> StripeError:
    return unauthorized(f"Invalid API Key provided: {masked(key)}")


def expired_key(key: str) -> StripeError:
    error = unauthorized(f"Expired API Key provided: {masked(key)}")
    error.code = "api_key_expired"
    return error


def masked(key: str) -> str:
    """Return the error of an invalid key, with most of the key hidden."""
    prefix = "_".join(key.split("_")[:2]) + "_" if key.count("_") >= 2 else ""
    rest = key[len(prefix) :]
    return prefix + "*" * max(len(rest) - 4, 4) + (rest[-4:] if len(rest) > 8 else "")


def forbidden(permission: str | None, account: str) -> StripeError:
    """Return the error of a missing permission, which Stripe does not always name."""
    named = f" Having the 'rak_{permission}' permission would allow this request to continue." if permission else ""
    return StripeError(
        403,
        f"The provided key does not have the required permissions for this endpoint on account '{account}'.{named}",
    )


def account_invalid(account: str) -> StripeError:
    """Return the error of a closed account as recorded in 2026: it does not mention permissions."""
    return StripeError(
        403,
        f"The provided key 'sk_test_***' does not have access to account '{account}' (or that account does not exist). "
        "Application access may have been revoked.",
        code="account_invalid",
    )


def address_refused() -> StripeError:
    """Return the error of a key that is used from an IP address outside its list."""
    return StripeError(403, "The API key provided does not allow requests from your IP address (192.0.2.1).")


def unknown_route(method: str, path: str) -> StripeError:
    return StripeError(404, f"Unrecognized request URL ({method}: {path}).")


def key_in_use() -> StripeError:
    return StripeError(
        409,
        "There is currently another in-progress request using this Idempotent Key. Please try again later.",
        code="idempotency_key_in_use",
    )


def key_reused(key: str) -> StripeError:
    return StripeError(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request.",
        type="idempotency_error",
    )


def rate_limited(code: str = "rate_limit") -> StripeError:
    if code == "lock_timeout":
        return StripeError(
            429,
            "This object cannot be accessed right now because another API request is accessing it.",
            code=code,
        )
    return StripeError(
        429, "Request rate limit exceeded.", code=code, headers={"Stripe-Rate-Limited-Reason": "endpoint-rate"}
    )


def server_error() -> StripeError:
    return StripeError(500, "An unknown error occurred.", type="api_error")
