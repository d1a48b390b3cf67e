"""The webhook endpoint at Stripe: one per key and workspace, made when a payment link is first needed.

Ours is told by metadata and URL. Ours with a secret that we hold is kept; ours without one is deleted and
made anew, because Stripe shows a secret only once; anybody else's is never touched (Stripe page, section 13).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

from qwoty_integrations_host import Attempt, HookContext, NeedsAttention, PermanentError

from .gateway import API_VERSION, Gateway, StripeRefused

EVENTS = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "invoice.paid",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice.finalization_failed",
    "invoice.overpaid",
    "invoice_payment.paid",
    "charge.refunded",
)
_ROUNDS = 5


def require_public_url(ctx: HookContext) -> str:
    """Give the address under which Stripe reaches this host. Raises: NeedsAttention when there is none."""
    if ctx.public_url is None:
        raise NeedsAttention(
            "A payment link needs an address under which Stripe reaches this host.",
            hint="Set QWOTY_HOST_PUBLIC_URL to the address of `qwoty-host serve`, then retry the run.",
            code="public_url_missing",
        )
    return ctx.public_url


def ensure_endpoint(ctx: HookContext, stripe: Gateway) -> None:
    """See to it that Stripe tells us about payments; without any call when it is known to."""
    require_public_url(ctx)
    with ctx.lock(f"webhook_endpoint:{stripe.account}"):
        url = _address(ctx, stripe)
        for number in range(1, _ROUNDS + 1):
            found = ctx.step(f"webhook_endpoint:{number}", lambda attempt: _look(ctx, stripe, url, attempt))
            kept, gone = found["kept"], found["stale"]
            if kept:
                update = partial(_update, ctx, stripe, kept)
                if found.get("up_to_date") or ctx.step(f"webhook_endpoint.update:{number}", update):
                    return
                gone = [kept]
            for stale in gone:
                ctx.step(
                    f"webhook_endpoint.delete:{stale}",
                    partial(_delete, stripe, stale),
                )
            made = ctx.step(
                f"webhook_endpoint.create:{number}",
                partial(_create, ctx, stripe, url, number, gone),
            )
            if made:
                return
    raise PermanentError(
        "The webhook endpoint could not be made.",
        hint="Retry the run when Stripe is well.",
        code="webhook_endpoint",
    )


def _token(ctx: HookContext, stripe: Gateway) -> str:
    """The last segment of the address; made once, so only ever ask for it inside the lock."""
    name = f"webhook_token:{stripe.account}"
    if ctx.state.get(name) is None:
        ctx.state.set(name, secrets.token_urlsafe(24))
    return str(ctx.state.get(name))


def _address(ctx: HookContext, stripe: Gateway) -> str:
    return str(ctx.webhook_address(_token(ctx, stripe)))


def _look(ctx: HookContext, stripe: Gateway, url: str, attempt: Attempt) -> dict[str, Any]:
    token, known = _token(ctx, stripe), ctx.state.get(f"webhook_endpoint:{stripe.account}") or {}
    held = known.get("id") if ctx.secrets.get(f"webhook:{token}") else None
    up_to_date = set(EVENTS) <= set(known.get("events", ()))
    if held and known["url"] == url and not attempt.repeated:
        return {"kept": held, "stale": [], "up_to_date": up_to_date}
    ours = _ours(ctx, stripe, url, attempt)
    stale = [one for one in ours if one != held]
    return {"kept": held if held in ours else None, "stale": stale, "up_to_date": up_to_date}


def _ours(ctx: HookContext, stripe: Gateway, url: str, attempt: Attempt) -> list[str]:
    return [
        endpoint["id"]
        for endpoint in stripe.pages(attempt, lambda v1, p: v1.webhook_endpoints.list(params=p), {})
        if endpoint["url"] == url and (endpoint.get("metadata") or {}).get("qwoty_workspace") == ctx.workspace
    ]


def _delete(stripe: Gateway, endpoint: str, attempt: Attempt) -> None:
    try:
        stripe.read(attempt, lambda v1: v1.webhook_endpoints.delete(endpoint))
    except StripeRefused as error:
        if not error.missing:
            raise


def _update(ctx: HookContext, stripe: Gateway, endpoint: str, attempt: Attempt) -> bool:
    """Subscribe an endpoint of before to the events that came since; False when Stripe does not know it any more."""
    name = f"webhook_endpoint:{stripe.account}"
    try:
        stripe.write(
            attempt,
            "wh-events",
            endpoint,
            {"enabled_events": list(EVENTS)},
            lambda v1, p, o: v1.webhook_endpoints.update(endpoint, params=p, options=o),
        )
    except StripeRefused as error:
        if not error.missing:
            raise
        ctx.state.set(name, {})
        return False
    ctx.state.set(name, {**ctx.state.get(name), "events": list(EVENTS)})
    return True


def _create(ctx: HookContext, stripe: Gateway, url: str, number: int, deleted: Sequence[str], attempt: Attempt) -> bool:
    """Make the endpoint and keep its secret; False when an earlier try made one whose secret is lost."""
    if attempt.repeated and _ours(ctx, stripe, url, attempt):
        return False
    params = {
        "url": url,
        "enabled_events": list(EVENTS),
        "api_version": API_VERSION,
        "description": "Qwoty: payments of quotes",
        "metadata": {"qwoty_workspace": ctx.workspace},
    }
    made = stripe.write(
        attempt,
        "wh",
        f"{stripe.account}:{number}:{int(attempt.first_started_at.timestamp())}",
        params,
        lambda v1, p, o: v1.webhook_endpoints.create(params=p, options=o),
        replaces=",".join(deleted),
    )
    token = _token(ctx, stripe)
    ctx.secrets.set(f"webhook:{token}", made["secret"])
    ctx.state.set(f"webhook_account:{token}", {"account": stripe.account, "live": stripe.live})
    ctx.state.set(f"webhook_endpoint:{stripe.account}", {"id": made["id"], "url": url, "events": list(EVENTS)})
    return True
