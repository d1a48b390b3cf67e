"""The saved state of our webhook endpoints: the present one, the tokens of addresses, the secrets, wrong signatures.

The token in an address selects the secret. After an endpoint is replaced, its token and secret are kept for as long as
Stripe may still deliver events that are signed with the secret.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from qwoty_integrations_host import HookContext

#: Stripe repeats a delivery for three days (docs/notes/stripe.md#webhooks).
OLD_SECRET_FOR = timedelta(days=3)
#: We roll a secret at most this often: if that does not help, something changes the deliveries on their way.
_BETWEEN_ROLLS = timedelta(days=1)


def token_of(url: str) -> str:
    """Return the last segment of an address."""
    return url.rsplit("/", 1)[-1]


def secret_of(ctx: HookContext, token: str) -> str | None:
    """Return the secret with which deliveries to this address are signed; None for an unknown token."""
    return ctx.secrets.get(f"webhook:{token}")


def made_with(ctx: HookContext, token: str) -> Mapping[str, Any]:
    """Return ``account`` and ``live`` of the key with which an address was registered; empty if unknown."""
    found: Mapping[str, Any] = ctx.state.get(f"webhook_account:{token}") or {}
    return found


def note_refusal(ctx: HookContext, token: str) -> None:
    """Save the time of the first wrong signature at an address since the last good one."""
    name = f"webhook_refused:{token}"
    if ctx.state.get(name) is None:
        ctx.state.set(name, ctx.clock.now().isoformat())


def note_good(ctx: HookContext, token: str) -> None:
    """Forget wrong signatures at an address: a good one proves that the secret is right."""
    name = f"webhook_refused:{token}"
    if ctx.state.get(name) is not None:
        ctx.state.forget(name)


_ACCOUNTS = "webhook_accounts"


def accounts_kept(ctx: HookContext) -> list[str]:
    """Return the fingerprints of the keys with a saved endpoint, including keys that left the settings."""
    return ctx.state.get(_ACCOUNTS) or []


class KeptEndpoint:
    """The saved state of one key's endpoint."""

    def __init__(self, ctx: HookContext, account: str) -> None:
        self._ctx, self._account = ctx, account

    @property
    def known(self) -> Mapping[str, Any]:
        """The present endpoint: ``id``, ``url``, ``events``; empty before the first one."""
        found: Mapping[str, Any] = self._get("webhook_endpoint") or {}
        return found

    @property
    def token(self) -> str:
        """The token of the present endpoint's address."""
        known = self.known
        return token_of(known["url"]) if known else ""

    @property
    def holds_secret(self) -> bool:
        """Whether the present endpoint's secret is saved."""
        token = self.token
        return bool(token) and secret_of(self._ctx, token) is not None

    @property
    def tokens(self) -> set[str]:
        """Every token under which Stripe may have an endpoint of ours."""
        retired = {token for token, _ in self._retired()}
        return {self.token, str(self._get("webhook_token") or ""), *retired} - {""}

    @property
    def is_refused(self) -> bool:
        """Whether the last delivery to the present endpoint had a wrong signature."""
        return self._ctx.state.get(f"webhook_refused:{self.token}") is not None

    @property
    def may_roll_again(self) -> bool:
        """Whether the last roll because of wrong signatures is long enough ago."""
        last = self._get("webhook_rolled")
        return last is None or self._ctx.clock.now() - datetime.fromisoformat(last) >= _BETWEEN_ROLLS

    @property
    def had_gap(self) -> bool:
        """Whether events may have been lost since missed events were last looked for."""
        return self._get("webhook_gap") is not None

    def note_gap(self) -> None:
        """Save that the endpoint was found out of order."""
        self._set("webhook_gap", True)

    def forget_gap(self) -> None:
        """Note that the events of the gap have been looked for."""
        self._ctx.state.forget(f"webhook_gap:{self._account}")

    def next_token(self) -> str:
        """Return the token for the next endpoint, saved before Stripe gets it. Call it inside the lock."""
        token = self._get("webhook_token")
        if token is None or token == self.token:
            token = secrets.token_urlsafe(24)
            self._set("webhook_token", token)
        return str(token)

    def give_up_next_token(self, used: Collection[str]) -> None:
        """Retire the reserved token if an endpoint uses it already: never create two endpoints with one token."""
        token = self._get("webhook_token")
        if token is not None and token != self.token and token in used:
            self._retire(token)
            self.forget_next_token()

    def forget_next_token(self) -> None:
        """Discard the reserved token."""
        self._ctx.state.forget(f"webhook_token:{self._account}")

    def keep(self, token: str, endpoint: str, secret: str, *, live: bool) -> None:
        """Save a new endpoint's secret; its deliveries are accepted from now on."""
        facts = {"account": self._account, "live": live, "id": endpoint}
        self._ctx.state.set(f"webhook_account:{token}", facts)
        self._ctx.secrets.set(f"webhook:{token}", secret)

    def secret_kept_for(self, token: str) -> str | None:
        """Return the id of the endpoint whose secret is saved for a token."""
        return made_with(self._ctx, token).get("id") if secret_of(self._ctx, token) else None

    def switch(self, endpoint: str, url: str, events: Sequence[str], *, was_refused: bool) -> None:
        """Make a new endpoint the present one; the former token is kept for three more days."""
        if self.token:
            self._retire(self.token)
        if was_refused:
            self._set("webhook_rolled", self._ctx.clock.now().isoformat())
        self._set("webhook_endpoint", {"id": endpoint, "url": url, "events": list(events)})
        self._be_listed()

    def take_over(self, account: str) -> None:
        """Take over the state of another key of the same Stripe account; a present endpoint stays."""
        other = KeptEndpoint(self._ctx, account)
        tokens = other.tokens
        if not self.known:
            self._set("webhook_endpoint", dict(other.known))
        for token in tokens:
            if token != self.token:
                self._retire(token)
            if made := made_with(self._ctx, token):
                self._ctx.state.set(f"webhook_account:{token}", {**made, "account": self._account})
        self._be_listed(instead_of=account)
        for name in ("webhook_token", "webhook_retired", "webhook_endpoint"):
            self._ctx.state.forget(f"{name}:{account}")

    def _be_listed(self, instead_of: str = "") -> None:
        with self._ctx.lock(_ACCOUNTS):
            kept = {*accounts_kept(self._ctx), self._account} - {instead_of}
            if kept != set(accounts_kept(self._ctx)):
                self._ctx.state.set(_ACCOUNTS, sorted(kept))

    def change(self, **changes: Any) -> None:
        """Save changes of the present endpoint."""
        self._set("webhook_endpoint", {**self.known, **changes})

    def forget_old(self, in_use: Collection[str]) -> None:
        """Delete expired tokens with their secrets, unless an endpoint still uses one."""
        now, kept = self._ctx.clock.now(), []
        for token, until in self._retired():
            if now < datetime.fromisoformat(until) or token in in_use:
                kept.append([token, until])
                continue
            self._ctx.secrets.forget(f"webhook:{token}")
            for name in ("webhook_account", "webhook_refused"):
                self._ctx.state.forget(f"{name}:{token}")
        if kept != self._retired():
            self._set("webhook_retired", kept)

    def _retire(self, token: str) -> None:
        if token not in {known for known, _ in self._retired()}:
            until = (self._ctx.clock.now() + OLD_SECRET_FOR).isoformat()
            self._set("webhook_retired", [*self._retired(), [token, until]])

    def _retired(self) -> list[list[str]]:
        return self._get("webhook_retired") or []

    def _get(self, name: str) -> Any:
        return self._ctx.state.get(f"{name}:{self._account}")

    def _set(self, name: str, value: Any) -> None:
        self._ctx.state.set(f"{name}:{self._account}", value)
