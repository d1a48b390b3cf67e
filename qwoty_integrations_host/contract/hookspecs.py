"""HOOK_API 1: the hooks a plugin may implement. Each takes the context and one object of facts.

The host calls one plugin at a time and never broadcasts. An implementation names the arguments exactly as
here, without default values. The order in which plugins are called is not part of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from .context import HookContext
from .hook_types import (
    ConnectionReport,
    ConnectionRequest,
    InstallmentRequest,
    Manifest,
    Outcome,
    Preview,
    ServiceStatus,
    SettingsProblem,
    UpkeepReport,
    UpkeepRequest,
    WebhookEndpoint,
    WebhookEvent,
    WebhookRequest,
)
from .quote import Quote

HOOK_API = 1
PROJECT = "qwoty_integrations"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def integration_manifest() -> Manifest:
    """Say who you are; asked once, at load, without network.

    Example:
        @hookimpl
        def integration_manifest():
            return Manifest(id="greeter", title="Greeter", description="Says hello.", version="1.0",
                            hook_api=HOOK_API, settings_schema={"type": "object", "properties": {}})
    """
    raise NotImplementedError


@hookspec
def validate_settings(ctx: HookContext, settings: Mapping[str, Any]) -> Sequence[SettingsProblem]:
    """Check what a JSON Schema cannot say, on save; no network. Give one problem per field, or none.

    Called after the schema has passed and defaults were filled in. Messages never repeat a value.

    Example:
        @hookimpl
        def validate_settings(ctx, settings):
            if settings["from_hour"] >= settings["to_hour"]:
                return [SettingsProblem(("to_hour",), "Must be later than the first hour.")]
            return []
    """
    raise NotImplementedError


@hookspec
def migrate_settings(ctx: HookContext, settings: Mapping[str, Any], from_version: int) -> Mapping[str, Any]:
    """Give settings that an earlier release saved in the form that this one reads; pure, no network.

    Called whenever such settings are read, with the secrets in clear and without defaults, when the manifest's
    ``settings_version`` is higher than the one they were saved with (``from_version``, 1 where none was stated). Give
    every secret back at a setting that is one. What is raised leaves the stored settings as they are, and runs wait.
    Not implemented means that they need no change.

    Example:
        @hookimpl
        def migrate_settings(settings, from_version):
            if from_version < 2:  # "token" was renamed
                settings = {**settings, "api_key": settings["token"]}
                del settings["token"]
            return settings
    """
    raise NotImplementedError


@hookspec
def check_connection(ctx: HookContext, connection: ConnectionRequest) -> ConnectionReport:
    """Try every key of ``ctx.settings`` at the service, without any effect there; one row per key.

    Called when somebody presses "Test connection", before the integration is switched on, and before settings are
    saved while it is on; outside a run, so there are no steps. A key that is refused or a service that is away is a row
    of the report, not an error.

    Example:
        @hookimpl
        def check_connection(ctx, connection):
            works = can_list(ctx.settings["token"])
            return ConnectionReport((KeyReport(
                label="token", last4=ctx.settings["token"][-4:], mode="live", account="main",
                status="ok" if works else "refused", title="" if works else "The token is refused.",
            ),))
    """
    raise NotImplementedError


@hookspec
def service_status(ctx: HookContext) -> ServiceStatus:
    """Say whether the service answers from this machine: one request without a key or any effect, with a timeout.

    The context is of no workspace and has no settings.

    Example:
        @hookimpl
        def service_status(ctx):
            return ServiceStatus(reachable=True, ms=ping("https://api.example.com"))
    """
    raise NotImplementedError


@hookspec
def preview_quote(ctx: HookContext, quote: Quote) -> Preview | Outcome:
    """Say what ``on_quote_accepted`` would make, without network and without writing; or the reason it would not.

    Example:
        @hookimpl
        def preview_quote(ctx, quote):
            total = quote.totals.total_amount
            line = PreviewLine(key="1", description="Everything", amount=total)
            return Preview(currency=quote.currency, lines=(line,), subtotal=total, tax=Decimal(0),
                           total=total, signed_total=total)
    """
    raise NotImplementedError


@hookspec
def on_quote_accepted(ctx: HookContext, quote: Quote) -> Outcome:
    """Act on a quote that a customer has just accepted.

    The host calls this once per enabled plugin, and again from the top after a crash: put every side effect
    into ``ctx.step`` and make it repeatable.

    Example:
        @hookimpl
        def on_quote_accepted(ctx, quote):
            ctx.step("greet", lambda attempt: greet(quote.customer.name))
            return Outcome.done()
    """
    raise NotImplementedError


@hookspec
def on_installment_due(ctx: HookContext, installment: InstallmentRequest) -> Outcome:
    """Ask the customer for an installment: an admin, the API or a schedule wants it sent now.

    Raise ``ActionRefused`` when it is not possible any more; nothing may have changed then.

    Example:
        @hookimpl
        def on_installment_due(ctx, installment):
            ctx.step("remind", lambda attempt: remind(installment.quote, installment.number))
            return Outcome.done()
    """
    raise NotImplementedError


@hookspec
def undo_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Take back what was made of a quote, as far as it is not final; say in the notes what only a person can do.

    Example:
        @hookimpl
        def undo_quote(ctx, quote):
            ctx.step("forget", lambda attempt: forget(quote.id))
            return Outcome.done("The greeting was taken back.")
    """
    raise NotImplementedError


@hookspec
def on_quote_cancelled(ctx: HookContext, quote: Quote) -> Outcome:
    """Act on the end of a quote: it was accepted, and is now cancelled, expired or lost.

    Take back what is not final, and let nobody pay or be written to any more. Ask for a person's decision by
    ``Outcome.needs_attention``. The host has stopped whatever else worked on the quote.

    Example:
        @hookimpl
        def on_quote_cancelled(ctx, quote):
            ctx.step("forget", lambda attempt: forget(quote.id))
            return Outcome.done("The greeting was taken back.")
    """
    raise NotImplementedError


@hookspec
def void_invoice(ctx: HookContext, quote: Quote) -> Outcome:
    """Void the quote's final invoice, since a person has decided so; look first whether it was paid meanwhile.

    Example:
        @hookimpl
        def void_invoice(ctx, quote):
            ctx.step("void", lambda attempt: forget(quote.id))
            return Outcome.done("The invoice is void.")
    """
    raise NotImplementedError


@hookspec
def sends_due_installments(ctx: HookContext) -> bool:
    """Whether the host's schedule may call ``on_installment_due`` for this workspace, each installment on its day.

    Asked before every look at the calendar, with the present settings; no network. Not implemented means no.

    Example:
        @hookimpl
        def sends_due_installments(ctx):
            return ctx.settings["reminders"] == "by_themselves"
    """
    raise NotImplementedError


@hookspec
def authenticate_webhook(ctx: HookContext, request: WebhookRequest) -> WebhookEvent:
    """Prove where a webhook comes from, over its raw bytes; at intake, before anything is stored, no network.

    Raise ``WebhookRejected(status=404)`` for an unknown token and ``WebhookRejected`` for a bad signature.

    Example:
        @hookimpl
        def authenticate_webhook(ctx, request):
            if not hmac.compare_digest(request.header("x-secret"), ctx.secrets.get("secret")):
                raise WebhookRejected("The signature is wrong.")
            return WebhookEvent("1", "ping", json.loads(request.body))
    """
    raise NotImplementedError


@hookspec
def on_webhook(ctx: HookContext, event: WebhookEvent) -> Outcome:
    """Act on an authenticated event that concerns a quote. Fetch the state afresh: events come late and twice.

    Example:
        @hookimpl
        def on_webhook(ctx, event):
            ctx.step("note", lambda attempt: note(event.quote_id, event.type))
            return Outcome.done()
    """
    raise NotImplementedError


@hookspec
def service_links(ctx: HookContext, ids: Sequence[str]) -> Mapping[str, str]:
    """Give the addresses under which the service's own pages show these ids; no network.

    Leave out what you do not know. Ids are those of the record (invoice, customer, payments) and of requests, as steps
    noted them. Only https addresses are shown. Not implemented means no links.

    Example:
        @hookimpl
        def service_links(ctx, ids):
            return {id: f"https://greeter.example/cards/{id}" for id in ids if id.startswith("card_")}
    """
    raise NotImplementedError


@hookspec
def webhook_endpoints(ctx: HookContext) -> Sequence[WebhookEndpoint]:
    """Name the webhook endpoints that you keep at the service for this workspace, as you know them; no network.

    While there is one, or a record awaits payment, the host calls ``on_upkeep`` every hour and after each start. Not
    implemented means none.

    Example:
        @hookimpl
        def webhook_endpoints(ctx):
            known = ctx.state.get("endpoint")
            return [WebhookEndpoint("main", "test", known["id"], known["url"])] if known else []
    """
    raise NotImplementedError


@hookspec
def on_upkeep(ctx: HookContext, upkeep: UpkeepRequest) -> UpkeepReport:
    """Look after the connection to the service: mend its endpoints, and find events that were never delivered.

    Worked like any run, in steps, but of no quote; one at a time per workspace. The events are stored and worked as
    if they had been delivered, each id once: hand over whatever may be news. An event must not be lost when a later
    step fails, so note how far you looked in the last steps.

    Example:
        @hookimpl
        def on_upkeep(ctx, upkeep):
            missed = ctx.step("missed", lambda attempt: undelivered(ctx.state.get("seen")))
            ctx.step("seen", lambda attempt: ctx.state.set("seen", missed["until"]))
            events = tuple(WebhookEvent(e["id"], e["type"], e, e["quote"]) for e in missed["events"])
            return UpkeepReport(Outcome.skipped("Nothing had to be mended."), events)
    """
    raise NotImplementedError
