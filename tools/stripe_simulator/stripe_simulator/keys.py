"""API keys, with their permissions, account and mode."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stripe_simulator.errors import StripeError, expired_key, forbidden, invalid_key, unauthorized

DEFAULT_ACCOUNT = "acct_sim_default"
KEY_FORM = re.compile(r"^(sk|rk)_(test|live)_[A-Za-z0-9]+$")

DOCUMENTED_PERMISSIONS = frozenset(
    {
        "customer_read",
        "customer_write",
        "invoice_read",
        "invoice_write",
        "invoice_item_write",
        "tax_rate_read",
        "tax_rate_write",
        "checkout_session_write",
        "webhook_read",
        "webhook_write",
    }
)


@dataclass(frozen=True, slots=True)
class Key:
    account: str
    livemode: bool
    fingerprint: str
    permissions: frozenset[str] | None = None
    revoked: bool = False
    expired: bool = False

    def require(self, permission: str) -> None:
        if self.permissions is None or permission in self.permissions:
            return
        if permission.endswith("_read") and permission.removesuffix("_read") + "_write" in self.permissions:
            return
        raise forbidden(permission, self.account)


class KeyRing:
    """The registered keys by hash, so that no dump of the simulator shows a key."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}

    def add(
        self,
        key: str,
        *,
        account: str = DEFAULT_ACCOUNT,
        permissions: Iterable[str] | None = None,
        revoked: bool = False,
        expired: bool = False,
    ) -> None:
        if not KEY_FORM.match(key):
            raise ValueError("A key looks like sk_test_…, rk_test_…, sk_live_… or rk_live_….")
        allowed = None if permissions is None else frozenset(permissions)
        self._keys[fingerprint(key)] = Key(account, "_live_" in key, fingerprint(key), allowed, revoked, expired)

    def resolve(self, key: str | None) -> Key:
        if not key:
            raise unauthorized("You did not provide an API key.")
        if key.startswith("pk_"):
            raise _publishable()
        if not KEY_FORM.match(key):
            raise invalid_key(key)
        known = self._keys.get(fingerprint(key))
        if known is not None and known.revoked:
            raise invalid_key(key)
        if known is not None and known.expired:
            raise expired_key(key)
        return known or Key(DEFAULT_ACCOUNT, "_live_" in key, fingerprint(key))

    def reset(self) -> None:
        self._keys.clear()


def fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _publishable() -> StripeError:
    return unauthorized("This API call cannot be made with a publishable API key. Please use a secret API key.")
