"""Dashboard URLs for Stripe ids."""

from __future__ import annotations

from collections.abc import Sequence

from qwoty_integrations_host import HookContext

from .settings import StripeSettings

_DASHBOARD = "https://dashboard.stripe.com"
_PAGES = {
    "in": "invoices",
    "cus": "customers",
    "pi": "payments",
    "ch": "payments",
    "py": "payments",
    "txr": "tax-rates",
    "req": "logs",
}


def links(ctx: HookContext, ids: Sequence[str]) -> dict[str, str]:
    """Return the Dashboard URL of each id that has a page; empty while keys of both modes are in use."""
    modes = {"test" if "_test_" in key else "live" for key in StripeSettings.of(ctx.settings).all_keys() if key}
    if len(modes) != 1:
        return {}
    base = _DASHBOARD + ("/test" if modes == {"test"} else "")
    pages = {name: _PAGES.get(name.partition("_")[0]) for name in ids}
    return {name: f"{base}/{page}/{name}" for name, page in pages.items() if page}
