"""HOOK_API 1: the hooks that a plugin may implement. Each takes the context and one object of facts.

This module says everything about a hook: its signature, its rules (``@hookspec``), its documentation, its example, and
its default, which is the body of the function. If the body raises NotImplementedError, the hook has no default.

The host calls one plugin at a time and never broadcasts. An implementation names the arguments exactly as here, without
default values, and may leave some out. The order in which plugins are called is not part of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from . import hook_results as results
from .context import HookContext
from .hook_rules import PROJECT, hookspec
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

hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(results.MANIFEST)
def integration_manifest() -> Manifest:
    """Describe the plugin. Called once, when the plugin is loaded; no network.

    The manifest states the id (the entry point's name), title, description, version, ``hook_api``, the JSON Schema of
    the settings and its ``settings_version``, the capabilities, and where the translations are.

    Example:
        @hookimpl
        def integration_manifest():
            return Manifest(id="greeter", title="Greeter", description="Says hello.", version="1.0",
                            hook_api=HOOK_API, settings_schema={"type": "object", "properties": {}})
    """
    raise NotImplementedError


@hookspec(results.SETTINGS_PROBLEMS)
def validate_settings(ctx: HookContext, settings: Mapping[str, Any]) -> Sequence[SettingsProblem]:
    """Check on save what a JSON Schema cannot express; no network. Return one problem per field.

    Called after the schema has passed and defaults were filled in. Messages never repeat a value.

    Example:
        @hookimpl
        def validate_settings(ctx, settings):
            if settings["from_hour"] >= settings["to_hour"]:
                return [SettingsProblem(("to_hour",), "Must be later than the first hour.")]
            return []
    """
    return ()


@hookspec(results.SETTINGS, may_hold_secrets=True)
def migrate_settings(ctx: HookContext, settings: Mapping[str, Any], from_version: int) -> Mapping[str, Any]:
    """Convert settings that an earlier release saved to the form that this release reads; pure, no network.

    Called whenever the host reads settings whose ``from_version`` (1 if the release stated none) is lower than the
    manifest's ``settings_version``. This may happen often, until somebody saves the settings. The settings hold the
    secrets in clear and no defaults. Return every secret at a setting that is ``writeOnly``: a secret that is left out
    stays where it was, and one at any other setting is refused. If the hook raises an error, the stored settings stay
    as they are, and runs wait. Without this hook, the settings are used as they are.

    A setting that the schema no longer knows is dropped without a migration, and a new setting with a default needs
    none either. **A new required setting without a default** cannot be migrated: the integration is
    ``settings_incomplete``, and its runs wait until somebody has entered the setting. Workers of the earlier release
    may run beside this one and read the names that *they* know, so rename a setting only if you must.

    Example:
        @hookimpl
        def migrate_settings(settings, from_version):
            if from_version < 2:  # "token" was renamed
                settings = {**settings, "api_key": settings["token"]}
                del settings["token"]
            return settings
    """
    return settings


@hookspec(results.CONNECTION_REPORT, deadline="service")
def check_connection(ctx: HookContext, connection: ConnectionRequest) -> ConnectionReport:
    """Try every key of ``ctx.settings`` at the service, without changing anything there. Return one row per key.

    Called when somebody tests the connection, before the integration is switched on, and before settings are saved
    while it is on. It is called outside a run, so there are no steps. Return a row, not an error, for a key that the
    service refuses and for a service that cannot be reached.

    Each ``RightReport`` is a right that the present settings need: ``ok``, ``missing``, or ``unclear`` if only a write
    could show it. If a key is ``refused`` or has a ``missing`` right, the integration cannot be switched on and its
    settings cannot be saved, unless a person overrides that. ``unreachable`` and ``unclear`` block nothing.
    ``code``, ``title`` and ``hint`` say what is wrong and what to do, such as which boxes to tick.
    ``connection.business_units`` names the units of recent quotes by id; ``notes`` may name those without a key. A
    plugin without this hook is switched on without a test.

    A run that ends with a ``CredentialsError``, or with an outcome of the code ``key_refused``, ``permission_missing``
    or ``access_refused``, marks the connection as needing attention until this hook reports that every key works.

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


@hookspec(results.SERVICE_STATUS, deadline="service")
def service_status(ctx: HookContext) -> ServiceStatus:
    """Report whether the service can be reached from this machine, by one request with a timeout.

    The request needs no key and changes nothing. The context has no workspace and no settings. ``detail`` says what
    failed.

    Example:
        @hookimpl
        def service_status(ctx):
            return ServiceStatus(reachable=True, ms=ping("https://api.example.com"))
    """
    raise NotImplementedError


@hookspec(results.PREVIEW)
def preview_quote(ctx: HookContext, quote: Quote) -> Preview | Outcome:
    """Return what ``on_quote_accepted`` would create, or the reason why it would create nothing; no network, no writes.

    A ``Preview`` shows each line with its taxes, and the sums beside the signed ones. ``problems`` lists everything at
    which a run would stop, in the run's order, with the ``code``, ``title`` and ``hint`` of the run's error. Problems
    without lines mean that there is no plan. Use the functions that the run uses, so that preview and run cannot
    disagree. A ``NeedsAttention`` that is raised becomes the only problem.

    Example:
        @hookimpl
        def preview_quote(ctx, quote):
            total = quote.totals.total_amount
            line = PreviewLine(key="1", description="Everything", amount=total)
            return Preview(currency=quote.currency, lines=(line,), subtotal=total, tax=Decimal(0),
                           total=total, signed_total=total)
    """
    raise NotImplementedError


@hookspec(results.OUTCOME, deadline="run")
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


@hookspec(results.OUTCOME, deadline="run")
def on_installment_due(ctx: HookContext, installment: InstallmentRequest) -> Outcome:
    """Ask the customer for an installment: an admin, the API or a schedule wants it sent now.

    Raise ``ActionRefused`` when this is no longer possible, before anything has changed.

    Example:
        @hookimpl
        def on_installment_due(ctx, installment):
            ctx.step("remind", lambda attempt: remind(installment.quote, installment.number))
            return Outcome.done()
    """
    raise NotImplementedError


@hookspec(results.OUTCOME, deadline="run")
def undo_quote(ctx: HookContext, quote: Quote) -> Outcome:
    """Take back what was created for a quote, except what is final. The notes say what a person has to do.

    Before it calls the hook, the host dismisses the runs of this plugin that would create more. The plugin creates and
    sends nothing for the quote until the quote is accepted again.

    Example:
        @hookimpl
        def undo_quote(ctx, quote):
            ctx.step("forget", lambda attempt: forget(quote.id))
            return Outcome.done("The greeting was taken back.")
    """
    raise NotImplementedError


@hookspec(results.OUTCOME, deadline="run")
def on_quote_cancelled(ctx: HookContext, quote: Quote) -> Outcome:
    """Act on a quote that was accepted and is now cancelled, expired or lost.

    Take back what is not final, so that nobody can pay and no further mail is sent. Check for payments first: the
    customer may be paying at this moment. Return ``Outcome.needs_attention`` if a person has to decide, such as for an
    open or a paid invoice. Before it calls the hook, the host stops all other work on the quote. A quote that is
    accepted again goes to ``on_quote_accepted``.

    Called for every enabled plugin that has this hook. A plugin that has created nothing for the quote returns
    ``Outcome.skipped``.

    Example:
        @hookimpl
        def on_quote_cancelled(ctx, quote):
            ctx.step("forget", lambda attempt: forget(quote.id))
            return Outcome.done("The greeting was taken back.")
    """
    raise NotImplementedError


@hookspec(results.OUTCOME, deadline="run")
def void_invoice(ctx: HookContext, quote: Quote) -> Outcome:
    """Void the quote's final invoice, because a person has decided so. Check first whether it was paid meanwhile.

    Return ``Outcome.needs_attention`` for an invoice that can no longer be voided. The host offers this only while
    the record says that nothing is paid (``QuoteRecord.is_voidable``). A quote that is accepted again gets a new
    invoice. Without this hook, invoices cannot be voided.

    Example:
        @hookimpl
        def void_invoice(ctx, quote):
            ctx.step("void", lambda attempt: forget(quote.id))
            return Outcome.done("The invoice is void.")
    """
    raise NotImplementedError


@hookspec(results.BOOL)
def sends_due_installments(ctx: HookContext) -> bool:
    """Return whether the host's schedule may call ``on_installment_due`` for each installment on its day; no network.

    Called with the present settings each time the host looks for due installments. The first installment is not among
    them. Without this hook, the schedule sends none.

    Example:
        @hookimpl
        def sends_due_installments(ctx):
            return ctx.settings["reminders"] == "by_themselves"
    """
    return False


@hookspec(results.EVENT, may_hold_secrets=True, is_frequent=True)
def authenticate_webhook(ctx: HookContext, request: WebhookRequest) -> WebhookEvent:
    """Verify where a webhook comes from, over its raw bytes, before anything is stored; no network.

    Raise ``WebhookRejected(status=404)`` for an unknown token and ``WebhookRejected`` for a bad signature. Its
    ``code``, one of a few fixed words (``wrong_signature``, ``unknown_address``, …), tells people why. An event
    without ``quote_id`` is stored and starts no run. The host may call it twice for one webhook (ADR 0085).

    Example:
        @hookimpl
        def authenticate_webhook(ctx, request):
            if not hmac.compare_digest(request.header("x-secret"), ctx.secrets.get("secret")):
                raise WebhookRejected("The signature is wrong.")
            return WebhookEvent("1", "ping", json.loads(request.body))
    """
    raise NotImplementedError


@hookspec(results.OUTCOME, deadline="run")
def on_webhook(ctx: HookContext, event: WebhookEvent) -> Outcome:
    """Act on an authenticated event of a quote. Read the present state from the service: events come late and twice.

    Example:
        @hookimpl
        def on_webhook(ctx, event):
            ctx.step("note", lambda attempt: note(event.quote_id, event.type))
            return Outcome.done()
    """
    raise NotImplementedError


@hookspec(results.LINKS)
def service_links(ctx: HookContext, ids: Sequence[str]) -> Mapping[str, str]:
    """Return the addresses of the service's own pages for these ids; no network.

    The ids come from the record (invoice, customer, payments), from the requests that steps noted, and from ``ids`` in
    an outcome's ``result``. Leave out unknown ids. Only https addresses are shown. Without this hook, the console shows
    no links.

    Example:
        @hookimpl
        def service_links(ctx, ids):
            return {id: f"https://greeter.example/cards/{id}" for id in ids if id.startswith("card_")}
    """
    return {}


@hookspec(results.ENDPOINTS)
def webhook_endpoints(ctx: HookContext) -> Sequence[WebhookEndpoint]:
    """Return the webhook endpoints that the plugin keeps at the service for this workspace; no network.

    While the plugin keeps an endpoint, or a record awaits payment, the host calls ``on_upkeep`` once an hour and after
    each start. ``webhook status`` shows the endpoints.

    Example:
        @hookimpl
        def webhook_endpoints(ctx):
            known = ctx.state.get("endpoint")
            return [WebhookEndpoint("main", "test", known["id"], known["url"])] if known else []
    """
    return ()


@hookspec(results.UPKEEP_REPORT, deadline="run")
def on_upkeep(ctx: HookContext, upkeep: UpkeepRequest) -> UpkeepReport:
    """Maintain the connection to the service: repair its endpoints, and find events that were never delivered.

    This is a run of kind ``upkeep`` without a quote, with steps and retries as in any run; one at a time per workspace
    and plugin. Make new webhook secrets when ``upkeep.roll_secrets`` is set. The report's ``outcome`` is ``skipped``
    when nothing had to be repaired; such a run is listed only on request.

    The host stores the report's ``events`` and works on them as if they had been delivered, each id once. So return
    every event that may be new. Record only in the last step how far you have read: otherwise, if a step fails, the
    events that earlier steps found are lost. ``ctx.records.awaiting_payment(after=…, limit=…)`` returns the quotes
    whose invoice can still be paid, in order, so that each call can check a few of them.

    Example:
        @hookimpl
        def on_upkeep(ctx, upkeep):
            missed = ctx.step("missed", lambda attempt: undelivered(ctx.state.get("seen")))
            ctx.step("seen", lambda attempt: ctx.state.set("seen", missed["until"]))
            events = tuple(WebhookEvent(e["id"], e["type"], e, e["quote"]) for e in missed["events"])
            return UpkeepReport(Outcome.skipped("Nothing had to be mended."), events)
    """
    raise NotImplementedError
