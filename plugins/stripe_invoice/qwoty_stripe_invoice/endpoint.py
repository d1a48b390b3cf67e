"""The webhook endpoint at Stripe: one per key and workspace, created with the first payment link, then repaired.

Ours has our metadata and a token of ours in its URL; other endpoints are never touched. Stripe shows a secret only once
and has no API to roll it (docs/notes/stripe.md#webhooks). So an endpoint with a lost secret, a secret to be rolled or
another version is replaced: a successor with a token of its own is created, and the old one is deleted after the new
secret is saved. Until then both deliver, so no event is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, NeedsAttention

from .endpoint_spec import EVENTS, changes_for
from .endpoint_state import KeptEndpoint, secret_of, token_of
from .gateway import API_VERSION
from .stripe_errors import StripeRefused
from .work import Work

_MOST_ENDPOINTS = 16


def require_public_url(ctx: HookContext) -> str:
    """Return the address under which Stripe reaches this host. Raises: NeedsAttention when there is none."""
    if ctx.public_url is None:
        raise NeedsAttention(
            "A payment link needs an address under which Stripe reaches this host.",
            hint="Set QWOTY_HOST_PUBLIC_URL to the address under which this host is reached, then retry the run.",
            code="public_url_missing",
        )
    return ctx.public_url


def ensure_endpoint(work: Work) -> None:
    """Make sure that our endpoint exists. If the saved state says that it does, make no request."""
    require_public_url(work.ctx)
    with work.ctx.lock(f"webhook_endpoint:{work.stripe.account}"):
        endpoint = _Endpoint(work, "webhook_endpoint")
        endpoint.mend(work.ctx.step("webhook_endpoint", endpoint.look_unless_known))


def look_after_endpoint(work: Work, *, roll: bool) -> Mapping[str, Any]:
    """Check the endpoint and repair it; roll its secret if asked to, or after wrong signatures.

    Returns ``replace`` (why it was replaced), ``changes`` (what was updated) and ``still_refused`` (rolling the secret
    did not help). Raises: NeedsAttention.
    """
    require_public_url(work.ctx)
    with work.ctx.lock(f"webhook_endpoint:{work.stripe.account}"):
        name = f"webhook_endpoint:{work.stripe.account}"
        endpoint = _Endpoint(work, name)
        seen: Mapping[str, Any] = work.ctx.step(name, partial(endpoint.look, roll=roll))
        return endpoint.mend(seen)


def adopt_endpoints(work: Work, accounts: Sequence[str]) -> list[str]:
    """Adopt endpoints of former keys that are of this key's Stripe account; return the former keys' fingerprints."""
    with work.ctx.lock(f"webhook_endpoint:{work.stripe.account}"):
        adopted: list[str] = work.ctx.step(
            f"webhook_endpoint.adopt:{work.stripe.account}", partial(_adopt, work, accounts)
        )
    return adopted


def _adopt(work: Work, accounts: Sequence[str], attempt: Attempt) -> list[str]:
    pages = work.stripe.pages(attempt, lambda v1, p: v1.webhook_endpoints.list(params=p), {})
    there = {one["id"] for one in pages}
    adopted = [account for account in accounts if KeptEndpoint(work.ctx, account).known.get("id") in there]
    for account in adopted:
        KeptEndpoint(work.ctx, work.stripe.account).take_over(account)
    return adopted


class _Endpoint:
    """One key's endpoint in one run; ``name`` begins the names of its steps."""

    def __init__(self, work: Work, name: str) -> None:
        self._ctx, self._stripe, self._name = work.ctx, work.stripe, name
        self._kept = KeptEndpoint(work.ctx, work.stripe.account)

    # -- check --------------------------------------------------------------------------------------

    def look_unless_known(self, attempt: Attempt) -> dict[str, Any]:
        """Return what is saved if it says that all is well; otherwise look."""
        known = self._kept.known
        token = token_of(known["url"]) if known else ""
        is_current = bool(token) and known["url"] == self._address(token) and secret_of(self._ctx, token) is not None
        if is_current and set(EVENTS) <= set(known.get("events", ())) and not attempt.repeated:
            return {"known": known["id"], "replace": "", "changes": {}, "stale": []}
        return self.look(attempt, roll=False)

    def look(self, attempt: Attempt, *, roll: bool) -> dict[str, Any]:
        """Compare the endpoint at Stripe with its specification, and decide what to do."""
        ours, known = self._ours(attempt), self._kept.known.get("id")
        tokens = {one["id"]: token_of(one["url"]) for one in ours}
        self._kept.give_up_next_token([token for one, token in tokens.items() if one != known])
        self._kept.forget_old(tokens.values())
        present = next((one for one in ours if one["id"] == known), None)
        replace = self._why_replace(present, roll=roll)
        changes = {} if present is None else changes_for(present, self._address(self._kept.token))
        if known and (changes or present is None):
            self._kept.note_gap()
        return {
            "known": known,
            "replace": replace,
            "version": present and present["api_version"],
            "changes": {} if replace else changes,
            "still_refused": self._kept.is_refused and not replace,
            "stale": [one for one in tokens if one != known],
        }

    def _why_replace(self, present: Mapping[str, Any] | None, *, roll: bool) -> str:
        reasons = {
            "missing": present is None,
            "secret": not self._kept.holds_secret,
            "version": present is not None and present["api_version"] != API_VERSION,
            "asked": roll,
            "refused": self._kept.is_refused and self._kept.may_roll_again,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    def _ours(self, attempt: Attempt) -> list[dict[str, Any]]:
        pages = self._stripe.pages(attempt, lambda v1, p: v1.webhook_endpoints.list(params=p), {})
        tokens, known = self._kept.tokens, self._kept.known.get("id")
        marked = [one for one in pages if (one.get("metadata") or {}).get("qwoty_workspace") == self._ctx.workspace]
        return [one for one in marked if one["id"] == known or token_of(one["url"]) in tokens]

    def _address(self, token: str) -> str:
        return str(self._ctx.webhook_address(token))

    # -- repair -------------------------------------------------------------------------------------

    def mend(self, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what ``look`` decided, and return what was done."""
        if seen["changes"] and not self._step("update", partial(self._update, seen)):
            seen = {**seen, "changes": {}, "replace": "missing"}
        gone = list(seen["stale"])
        if seen["replace"]:
            made = self._step("create", partial(self._create, seen))
            gone = [
                one for one in dict.fromkeys([*gone, seen["known"], *made["lost"]]) if one not in {None, made["id"]}
            ]
        for one in gone:
            self._step(f"delete:{one}", partial(self._delete, one))
        return seen

    def _step(self, what: str, work: Callable[[Attempt], Any]) -> Any:
        return self._ctx.step(f"{self._name}.{what}", work)

    def _update(self, seen: Mapping[str, Any], attempt: Attempt) -> bool:
        """Update the endpoint; False if it no longer exists."""
        endpoint, changes = seen["known"], seen["changes"]
        try:
            self._stripe.write(
                attempt,
                "wh-update",
                # The time is part of the idempotency key, because the same change may be needed again within a day.
                f"{endpoint}:{int(attempt.first_started_at.timestamp())}",
                changes,
                lambda v1, p, o: v1.webhook_endpoints.update(endpoint, params=p, options=o),
            )
        except StripeRefused as error:
            if not error.missing:
                raise
            return False
        self._kept.change(url=changes.get("url", self._kept.known["url"]), events=list(EVENTS))
        return True

    def _create(self, seen: Mapping[str, Any], attempt: Attempt) -> dict[str, Any]:
        """Create the endpoint, save its secret and switch to it; return its id and the endpoints with lost secrets."""
        lost: list[str] = []
        if attempt.repeated:
            if (made := self._kept.known.get("id")) != seen["known"]:
                # The new endpoint was saved, but the step's result was not: list the endpoints with lost secrets again.
                return {"id": made, "lost": [one["id"] for one in self._ours(attempt) if one["id"] != made]}
            token = self._kept.next_token()
            there = {one["id"]: token_of(one["url"]) for one in self._ours(attempt)}
            if (kept := self._kept.secret_kept_for(token)) in there:
                return self._switched(seen, token, str(kept), [one for one in there if one != kept])
            # An endpoint whose creation was not answered has a secret that nobody knows.
            self._kept.give_up_next_token([token] if token in there.values() else [])
            lost = list(there)
        token = self._kept.next_token()
        new = self._made(token, attempt, lost)
        self._kept.keep(token, new["id"], new["secret"], live=self._stripe.live)
        return self._switched(seen, token, new["id"], lost)

    def _switched(self, seen: Mapping[str, Any], token: str, endpoint: str, lost: list[str]) -> dict[str, Any]:
        self._kept.switch(endpoint, self._address(token), EVENTS, was_refused=seen["replace"] == "refused")
        return {"id": endpoint, "lost": lost}

    def _made(self, token: str, attempt: Attempt, lost: list[str]) -> dict[str, Any]:
        params = {
            "url": self._address(token),
            "enabled_events": list(EVENTS),
            "api_version": API_VERSION,
            "description": "Qwoty: payments of quotes",
            "metadata": {"qwoty_workspace": self._ctx.workspace},
        }
        try:
            return self._stripe.write(
                attempt,
                "wh",
                # The idempotency key covers the parameters, and they contain the token. So if a dead worker's request
                # still arrives, Stripe takes it and this request for the same one.
                self._stripe.account,
                params,
                lambda v1, p, o: v1.webhook_endpoints.create(params=p, options=o),
                replaces=",".join(lost),
            )
        except StripeRefused as error:
            # Under the same idempotency key Stripe may repeat its refusal for a day: use another token next time.
            self._kept.forget_next_token()
            raise self._explained(error, attempt) from error

    def _explained(self, error: StripeRefused, attempt: Attempt) -> NeedsAttention:
        """Return a clearer error if the account is full: Stripe has no code for that, so count its endpoints."""
        there = list(self._stripe.pages(attempt, lambda v1, p: v1.webhook_endpoints.list(params=p), {}))
        if len(there) < _MOST_ENDPOINTS:
            return error
        return NeedsAttention(
            f"The Stripe account has {len(there)} webhook endpoints, and Stripe takes no more.",
            hint="Delete one that nobody needs in the Stripe Dashboard, then retry the run.",
            code="webhook_endpoint",
        )

    def _delete(self, endpoint: str, attempt: Attempt) -> None:
        try:
            self._stripe.delete(attempt, lambda v1: v1.webhook_endpoints.delete(endpoint))
        except StripeRefused as error:
            if not error.missing:
                raise
