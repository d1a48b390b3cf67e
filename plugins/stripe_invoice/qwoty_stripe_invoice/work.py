"""What a hook works with: the host's context, and Stripe under the key that serves a quote or an invoice."""

from __future__ import annotations

from dataclasses import dataclass

from qwoty_integrations_host import HookContext, NeedsAttention, Quote

from .gateway import Gateway, fingerprint
from .settings import StripeSettings


@dataclass(frozen=True, slots=True)
class Work:
    """The context of a hook call, and Stripe for one of the workspace's keys."""

    ctx: HookContext
    stripe: Gateway

    @classmethod
    def with_key(cls, ctx: HookContext, key: str) -> Work:
        return cls(ctx, Gateway(key, workspace=ctx.workspace, pace=ctx.pace))

    @classmethod
    def for_quote(cls, ctx: HookContext, quote: Quote) -> Work | None:
        """Work with the key of the quote's business unit; None when the settings hold none."""
        key = StripeSettings.of(ctx.settings).key_for_quote(quote)
        return None if key is None else cls.with_key(ctx, key)

    @classmethod
    def for_invoice(cls, ctx: HookContext, invoice_id: str | None) -> Work:
        """Work with the key that made the invoice; if it was replaced, with the present key of the business unit.

        Raises: NeedsAttention when the settings hold neither.
        """
        settings = StripeSettings.of(ctx.settings)
        made = ctx.state.get(f"invoice:{invoice_id}") or {}
        keys = {fingerprint(key): key for key in settings.all_keys()}
        key = keys.get(made.get("account", "")) or settings.key_for(made.get("business_unit"))
        if not key:
            raise NeedsAttention(
                "The settings hold no Stripe key for this quote's business unit any more.",
                hint="Put the key back, then retry the run.",
                code="business_unit_missing",
            )
        return cls.with_key(ctx, key)
