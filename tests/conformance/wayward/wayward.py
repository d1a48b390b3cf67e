"""A plugin that keeps the contract, except for the faults in ``faults``. Its service is the file that its settings name.

It sends real requests to a port of this machine, so that the suite's block of the network affects them.
"""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

from qwoty_integrations_host import (
    ConnectionReport,
    CredentialsError,
    KeyReport,
    Manifest,
    Outcome,
    Preview,
    RetryableError,
    SettingsProblem,
    WebhookEvent,
    WebhookRejected,
    hookimpl,
)

HOOK_API = 1
#: The names of the plugin's faults.
faults: set[str] = set()
_kept: dict[str, str] = {}


def schema() -> dict[str, Any]:
    secret = {"format": "password", "writeOnly": True, "pattern": "^tok_[A-Za-z0-9]{12,}$"}
    made: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:qwoty:wayward:settings:1",
        "title": "Wayward",
        "description": "Writes notes.",
        "type": "object",
        "properties": {
            "address": {"type": "string", "title": "Address", "description": "Where.", "pattern": "^http://.+$"},
            "token": {"type": "string", "title": "Token", "description": "The key.", **secret},
            "loud": {"type": "boolean", "title": "Loud", "description": "Whether.", "default": False},
        },
        "required": ["address", "token"],
        "additionalProperties": False,
    }
    changes: dict[str, Any] = {
        "old draft": lambda: made.update({"$schema": "http://json-schema.org/draft-07/schema#"}),
        "nested": lambda: made["properties"].update(
            deep={"type": "object", "title": "D", "description": "D.", "properties": {}}
        ),
        "open": lambda: made.pop("additionalProperties"),
        "no description": lambda: made["properties"]["loud"].pop("description"),
        "no default": lambda: made["properties"]["loud"].pop("default"),
        "plain secret": lambda: [made["properties"]["token"].pop(word) for word in ("format", "writeOnly")],
        "anyOf": lambda: made.update(anyOf=[{"required": ["address"]}]),
        "shown by nothing": lambda: made["properties"]["loud"].update({"x-show-if": {"volume": 1}}),
    }
    for fault in faults & set(changes):
        changes[fault]()
    return made


@hookimpl
def integration_manifest() -> Manifest:
    return Manifest(
        id="wayward",
        title="" if "no title" in faults else "Wayward",
        description="Writes notes.",
        version="1.0",
        hook_api=1,
        settings_schema=schema(),
        settings_version=2,
        capabilities=frozenset({"quotes"} if "claims too little" in faults else {"quotes", "webhooks"}),
    )


@hookimpl
def validate_settings(ctx: Any, settings: Any) -> list[SettingsProblem]:
    if "asks while saving" in faults:
        _ask(settings, "GET", "/notes?reference=x")
    if "breaks on loud" in faults and settings["loud"]:
        raise KeyError("loud")
    if settings["address"] == "http://nowhere.invalid":
        said = f"Not at {settings['address']}." if "repeats values" in faults else "There is nothing."
        return [SettingsProblem(("token",) if "blames another" in faults else ("address",), said)]
    return []


@hookimpl
def migrate_settings(settings: Any, from_version: int) -> dict[str, Any]:
    if "asks while migrating" in faults:
        _ask({**settings, "address": settings["place"]}, "GET", "/notes?reference=x")
    migrated = {"address": settings.pop("place"), **settings}
    return {**migrated, "loud": "very"} if "migrates wrongly" in faults else migrated


@hookimpl
def check_connection(ctx: Any, connection: Any) -> ConnectionReport:
    status, last4 = "ok", ctx.settings["token"][-4:]
    try:
        _ask(ctx.settings, "GET", "/notes?reference=x")
    except RetryableError:
        status = "ok" if "always ok" in faults else "unreachable"
    title = f"Tried {ctx.settings['token']}." if "shows the key" in faults else ""
    return ConnectionReport(
        (KeyReport(label="token", last4=last4, mode="live", account="a", status=status, title=title),)
    )


@hookimpl
def preview_quote(ctx: Any, quote: Any) -> Preview | Outcome:
    if "previews by asking" in faults:
        _ask(ctx.settings, "GET", "/notes?reference=x")
    return Outcome.skipped("Nothing is planned.")


@hookimpl
def on_quote_accepted(ctx: Any, quote: Any) -> Outcome:
    settings = _kept.setdefault("settings", ctx.settings) if "keeps settings" in faults else ctx.settings  # type: ignore[arg-type]
    drawn = "draws a reference" in faults
    reference = f"{ctx.step('reference', lambda _: uuid4().hex) if drawn else ctx.workspace}/{quote.id}"
    if "logs the key" in faults:
        logging.getLogger("wayward").warning("working with %s", settings["token"])
    if "keeps the key" in faults:
        ctx.state.set("key", settings["token"])
    if "asks outside" in faults:
        _ask(settings, "GET", "/notes?reference=x")

    def write(attempt: Any) -> str:
        if attempt.repeated and "never looks" not in faults:
            found = _ask(settings, "GET", f"/notes?reference={reference}")["data"]
            if found:
                return str(found[0]["id"])
        made = _write(settings, attempt, reference)
        return f"{made}?key={quote_plus(settings['token'])}" if "returns the key" in faults else made

    note = ctx.step("note", write)
    if "gives up" in faults:
        return Outcome.needs_attention("tired", "It is too late.")
    return Outcome.done(f"Note {note}.")


def _write(settings: Any, attempt: Any, reference: str) -> str:
    if "never confirms" not in faults:
        attempt.confirm()
    try:
        return str(_ask(settings, "POST", "/notes", reference)["id"])
    except RetryableError as error:
        if "fails for good" in faults:
            raise OSError("unexpected") from error
        raise


@hookimpl
def authenticate_webhook(ctx: Any, request: Any) -> WebhookEvent:
    if "asks at intake" in faults:
        _ask(ctx.settings, "GET", "/notes?reference=x")
    if request.token != "hook" and "believes everybody" not in faults:
        raise WebhookRejected("Unknown.", status=404)
    if (
        request.header("X-Signature") != f"{len(request.body)}/{ctx.settings['token']}"
        and "believes everybody" not in faults
    ):
        raise WebhookRejected("Forged.")
    body = json.loads(request.body)
    if body["type"] != "note.read" and "refuses what is new" in faults:
        raise WebhookRejected("Unknown type.")
    event_id = f"{body['id']}{len(_kept)}" if "numbers events" in faults else body["id"]
    _kept[event_id] = ""
    return WebhookEvent(event_id, body["type"], body, body["quote_id"] if body["type"] == "note.read" else None)


@hookimpl
def on_webhook(ctx: Any, event: Any) -> Outcome:
    return Outcome.done("Read.")


def _ask(settings: Any, method: str, path: str, reference: str = "") -> Any:
    import urllib.error
    import urllib.request

    body = json.dumps({"reference": reference, "text": "x"}).encode() if reference else None
    request = urllib.request.Request(
        settings["address"] + path, data=body, method=method, headers={"Authorization": f"Bearer {settings['token']}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        raise CredentialsError("Refused.") from error
    except OSError as error:
        raise RetryableError("The service does not answer.") from error
