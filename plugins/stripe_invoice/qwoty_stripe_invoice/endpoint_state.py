"""What is kept of our webhook endpoints: the present one, the tokens of their addresses, the secrets, and refusals.

The token in an address selects the secret. A token outlives its endpoint for as long as Stripe may still deliver
what was signed before, and is then forgotten with its secret.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from qwoty_integrations_host import HookContext

#: Stripe repeats a delivery for three days (Stripe page, section 13).
OLD_SECRET_FOR = timedelta(days=3)
#: Rolled by ourselves at most this often: if that does not help, something else changes the deliveries.
_BETWEEN_ROLLS = timedelta(days=1)


def token_of(url: str) -> str:
    """The last segment of an address."""
    return url.rsplit("/", 1)[-1]


def secret_of(ctx: HookContext, token: str) -> str | None:
    """The secret that deliveries to this address are signed with; None for a stranger's token."""
    return ctx.secrets.get(f"webhook:{token}")


def made_with(ctx: HookContext, token: str) -> Mapping[str, Any]:
    """Which key an address was made with (``account``, ``live``)."""
    found: Mapping[str, Any] = ctx.state.get(f"webhook_account:{token}") or {}
    return found


def note_refusal(ctx: HookContext, token: str) -> None:
    """Remember a wrong signature at one of our addresses: only the first since the last good one is written down."""
    name = f"webhook_refused:{token}"
    if ctx.state.get(name) is None:
        ctx.state.set(name, ctx.clock.now().isoformat())


def note_good(ctx: HookContext, token: str) -> None:
    """A good signature: whatever was refused before, the secret is right."""
    name = f"webhook_refused:{token}"
    if ctx.state.get(name) is not None:
        ctx.state.forget(name)


_ACCOUNTS = "webhook_accounts"


def accounts_kept(ctx: HookContext) -> list[str]:
    """The keys (their fingerprints) for which an endpoint is kept, also those that left the settings."""
    return ctx.state.get(_ACCOUNTS) or []


class KeptEndpoint:
    """The state of one key's endpoint."""

    def __init__(self, ctx: HookContext, account: str) -> None:
        self._ctx, self._account = ctx, account

    @property
    def known(self) -> Mapping[str, Any]:
        """The present endpoint: ``id``, ``url``, ``events``; empty before the first."""
        found: Mapping[str, Any] = self._get("webhook_endpoint") or {}
        return found

    @property
    def token(self) -> str:
        """The token of the present endpoint's address."""
        known = self.known
        return token_of(known["url"]) if known else ""

    @property
    def holds_secret(self) -> bool:
        """Whether we can prove what the present endpoint delivers."""
        token = self.token
        return bool(token) and secret_of(self._ctx, token) is not None

    @property
    def tokens(self) -> set[str]:
        """Every token under which an endpoint of ours may be found at Stripe."""
        retired = {token for token, _ in self._retired()}
        return {self.token, str(self._get("webhook_token") or ""), *retired} - {""}

    @property
    def is_refused(self) -> bool:
        """Whether deliveries to the present endpoint carried a wrong signature, and none a right one since."""
        return self._ctx.state.get(f"webhook_refused:{self.token}") is not None

    @property
    def may_roll_again(self) -> bool:
        """Whether our last roll because of wrong signatures is long enough ago."""
        last = self._get("webhook_rolled")
        return last is None or self._ctx.clock.now() - datetime.fromisoformat(last) >= _BETWEEN_ROLLS

    @property
    def had_gap(self) -> bool:
        """Whether events may have gone nowhere since somebody last looked for what was missed."""
        return self._get("webhook_gap") is not None

    def note_gap(self) -> None:
        """Remember that the endpoint was found out of order."""
        self._set("webhook_gap", True)

    def forget_gap(self) -> None:
        """What was missed in the gap has been looked for."""
        self._ctx.state.forget(f"webhook_gap:{self._account}")

    def next_token(self) -> str:
        """The token of the endpoint that is to be made; kept before Stripe hears it, so only ask inside the lock."""
        token = self._get("webhook_token")
        if token is None or token == self.token:
            token = secrets.token_urlsafe(24)
            self._set("webhook_token", token)
        return str(token)

    def give_up_next_token(self, used: Collection[str]) -> None:
        """Never make a second endpoint under a token at which one is already."""
        token = self._get("webhook_token")
        if token is not None and token != self.token and token in used:
            self._retire(token)
            self.forget_next_token()

    def forget_next_token(self) -> None:
        """Nothing was made under the next token, and nothing will be."""
        self._ctx.state.forget(f"webhook_token:{self._account}")

    def keep(self, token: str, endpoint: str, secret: str, *, live: bool) -> None:
        """Keep a new endpoint's secret; from now on its deliveries are taken."""
        facts = {"account": self._account, "live": live, "id": endpoint}
        self._ctx.state.set(f"webhook_account:{token}", facts)
        self._ctx.secrets.set(f"webhook:{token}", secret)

    def secret_kept_for(self, token: str) -> str | None:
        """The endpoint whose secret is kept under a token."""
        return made_with(self._ctx, token).get("id") if secret_of(self._ctx, token) else None

    def switch(self, endpoint: str, url: str, events: Sequence[str], *, was_refused: bool) -> None:
        """Let a new endpoint take the present one's place; the token of before is kept a while."""
        if self.token:
            self._retire(self.token)
        if was_refused:
            self._set("webhook_rolled", self._ctx.clock.now().isoformat())
        self._set("webhook_endpoint", {"id": endpoint, "url": url, "events": list(events)})
        self._be_listed()

    def take_over(self, account: str) -> None:
        """Keep what was kept for another key of the same account at Stripe; a present endpoint stays."""
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
        """Note what was changed about the present endpoint."""
        self._set("webhook_endpoint", {**self.known, **changes})

    def forget_old(self, in_use: Collection[str]) -> None:
        """Forget the tokens whose time is over, unless an endpoint of ours still has one."""
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
