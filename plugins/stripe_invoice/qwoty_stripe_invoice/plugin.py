"""The hooks of the Stripe Invoice integration; each calls the module of its subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from qwoty_integrations_host import (
    ConnectionReport,
    ConnectionRequest,
    HookContext,
    InstallmentRequest,
    Manifest,
    Outcome,
    Preview,
    Quote,
    ServiceStatus,
    SettingsProblem,
    UpkeepReport,
    UpkeepRequest,
    WebhookEndpoint,
    WebhookEvent,
    WebhookRequest,
    hookimpl,
)

from .settings import StripeSettings, problems, settings_schema

HOOK_API = 1
VERSION = "0.1.0"


@hookimpl
def integration_manifest() -> Manifest:
    schema = settings_schema()
    return Manifest(
        id="stripe_invoice",
        title=schema["title"],
        description=schema["description"],
        version=VERSION,
        hook_api=HOOK_API,
        settings_schema=schema,
        capabilities=frozenset({"quotes", "webhooks", "installments", "invoices"}),
        confirms_writes=True,
        translations=files(__package__) / "translations",
    )


@hookimpl
def validate_settings(ctx: HookContext, settings: Mapping[str, Any]) -> Sequence[SettingsProblem]:
    return problems(settings)


@hookimpl
def check_connection(ctx: HookContext, connection: ConnectionRequest) -> ConnectionReport:
    from . import key_check  # lazy, like the imports below: loading a plugin must stay cheap

    return key_check.check_connection(ctx, connection)


@hookimpl
def service_status(ctx: HookContext) -> ServiceStatus:
    from . import key_check

    return key_check.service_status(ctx)


@hookimpl
def preview_quote(ctx: HookContext, quote: Quote) -> Preview | Outcome:
    from . import preview

    return preview.preview_quote(ctx, quote)


@hookimpl
def on_quote_accepted(ctx: HookContext, quote: Quote) -> Outcome:
    from . import invoicing

    return invoicing.invoice_quote(ctx, quote)


@hookimpl
def on_installment_due(ctx: HookContext, installment: InstallmentRequest) -> Outcome:
    from . import installments

    return installments.send_installment(ctx, installment)


@hookimpl
def undo_quote(ctx: HookContext, quote: Quote) -> Outcome:
    from . import undo

    return undo.undo_quote(ctx, quote)


@hookimpl
def on_quote_cancelled(ctx: HookContext, quote: Quote) -> Outcome:
    from . import cancelling

    return cancelling.cancel_quote(ctx, quote)


@hookimpl
def void_invoice(ctx: HookContext, quote: Quote) -> Outcome:
    from . import cancelling

    return cancelling.void_invoice(ctx, quote)


@hookimpl
def sends_due_installments(ctx: HookContext) -> bool:
    return StripeSettings.of(ctx.settings).sends_due_installments


@hookimpl
def authenticate_webhook(ctx: HookContext, request: WebhookRequest) -> WebhookEvent:
    from . import webhooks

    return webhooks.authenticate(ctx, request)


@hookimpl
def on_webhook(ctx: HookContext, event: WebhookEvent) -> Outcome:
    from . import webhooks

    return webhooks.handle(ctx, event)


@hookimpl
def service_links(ctx: HookContext, ids: Sequence[str]) -> Mapping[str, str]:
    from .dashboard import links

    return links(ctx, ids)


@hookimpl
def webhook_endpoints(ctx: HookContext) -> Sequence[WebhookEndpoint]:
    from . import upkeep

    return upkeep.endpoints(ctx)


@hookimpl
def on_upkeep(ctx: HookContext, upkeep: UpkeepRequest) -> UpkeepReport:
    from .upkeep import look_after

    return look_after(ctx, upkeep)
