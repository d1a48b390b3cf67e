"""Notes every call, and answers what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from qwoty_integrations_host import (
    ConnectionReport,
    Manifest,
    Outcome,
    ServiceStatus,
    SettingsProblem,
    UpkeepReport,
    WebhookEvent,
    WebhookRejected,
    WebhookRequest,
    hookimpl,
)

HOOK_API = 1
SECRET = {"type": "string", "pattern": "^key_[A-Za-z0-9]+$|^sk_test_[A-Za-z0-9]+$", "writeOnly": True}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "mode": {"type": "string", "enum": ["slow", "fast"], "default": "slow"},
        "ratio": {"type": "number", "default": 1},
        "token": {**SECRET, "x-error": {"pattern": "Enter a key: it starts with key_."}},
        "unit_tokens": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[^\\s]{1,64}$"},
            "additionalProperties": SECRET,
        },
    },
    "required": ["token"],
    "additionalProperties": False,
}

#: (hook, workspace) of every call; what to answer instead of the default, by hook.
calls: list[tuple[str, str]] = []
answers: dict[str, Callable[[Any, Any], Any]] = {}


#: What its manifest says beside what it is: another release's settings.
released: dict[str, Any] = {}


def reset() -> None:
    calls.clear()
    answers.clear()
    released.clear()


def _answer(hook: str, ctx: Any, fact: Any, default: Callable[[], Any]) -> Any:
    calls.append((hook, ctx.workspace))
    return answers[hook](ctx, fact) if hook in answers else default()


@hookimpl
def integration_manifest() -> Manifest:
    says = {"settings_schema": SCHEMA, **released}
    return Manifest(id="recorder", title="R", description="D.", version="1.0", hook_api=1, **says)


@hookimpl
def validate_settings(ctx: Any, settings: Any) -> list[SettingsProblem]:
    return _answer("validate_settings", ctx, settings, list)


@hookimpl
def migrate_settings(ctx: Any, settings: Any, from_version: int) -> Any:
    return _answer("migrate_settings", ctx, (settings, from_version), lambda: settings)


@hookimpl
def check_connection(ctx: Any, connection: Any) -> Any:
    return _answer("check_connection", ctx, connection, lambda: ConnectionReport(()))


@hookimpl
def service_status(ctx: Any) -> Any:
    return _answer("service_status", ctx, None, lambda: ServiceStatus(reachable=True, ms=1))


@hookimpl
def preview_quote(ctx: Any, quote: Any) -> Any:
    return _answer("preview_quote", ctx, quote, lambda: Outcome.skipped("nothing to see"))


@hookimpl
def on_quote_accepted(ctx: Any, quote: Any) -> Any:
    return _answer("on_quote_accepted", ctx, quote, Outcome.done)


@hookimpl
def on_installment_due(ctx: Any, installment: Any) -> Any:
    return _answer("on_installment_due", ctx, installment, Outcome.done)


@hookimpl
def authenticate_webhook(ctx: Any, request: WebhookRequest) -> Any:
    return _answer("authenticate_webhook", ctx, request, lambda: _event(request))


def _event(request: WebhookRequest) -> WebhookEvent:
    if request.token != "right":
        raise WebhookRejected("There is no such webhook address.", status=404, code="unknown_address")
    if request.header("X-Signature") != "signed":
        raise WebhookRejected("The signature is wrong.", code="wrong_signature")
    body = json.loads(request.body)
    return WebhookEvent(body["id"], body["type"], body, body.get("quote_id"))


@hookimpl
def on_webhook(ctx: Any, event: Any) -> Any:
    return _answer("on_webhook", ctx, event, Outcome.done)


@hookimpl
def webhook_endpoints(ctx: Any) -> Any:
    return _answer("webhook_endpoints", ctx, None, list)


@hookimpl
def on_upkeep(ctx: Any, upkeep: Any) -> Any:
    return _answer("on_upkeep", ctx, upkeep, lambda: UpkeepReport(Outcome.skipped("Nothing had to be mended.")))
