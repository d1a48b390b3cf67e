"""The hooks of My Integration. Nothing slow is imported here: the host loads this module for every command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from qwoty_integrations_host import Attempt, HookContext, Manifest, Outcome, Quote, hookimpl

if TYPE_CHECKING:
    from .gateway import Gateway

HOOK_API = 1
VERSION = "0.1.0"


@cache
def settings_schema() -> Mapping[str, Any]:
    """The JSON Schema beside this module."""
    schema: Mapping[str, Any] = json.loads((files(__package__) / "settings.schema.json").read_text("utf-8"))
    return schema


@hookimpl
def integration_manifest() -> Manifest:
    schema = settings_schema()
    return Manifest(
        id="my_integration",
        title=schema["title"],
        description=schema["description"],
        version=VERSION,
        hook_api=HOOK_API,
        settings_schema=schema,
        # Raised when stored settings need another form: then migrate_settings says which (docs/reference/hooks.md).
        settings_version=1,
        capabilities=frozenset({"quotes"}),
        confirms_writes=True,
    )


@hookimpl
def on_quote_accepted(ctx: HookContext, quote: Quote) -> Outcome:
    """Write one note. After a crash the host calls this again, so every request to the service is in a step."""
    gateway = _gateway(ctx)
    reference, text = f"{ctx.workspace}/{quote.id}", _text(ctx, quote)

    def write(attempt: Attempt) -> str:
        # An earlier attempt may have died after it wrote the note: look for it before writing again.
        note_id = gateway.find_note(reference) if attempt.repeated else None
        if note_id is None:
            # Right before a write: another process may have taken over the run while this one slept.
            attempt.confirm()
            note_id = gateway.write_note(reference, text)
        return note_id

    note = ctx.step("note", write)
    return Outcome.done(f"Note {note} was written.", result={"note_id": note})


def _gateway(ctx: HookContext) -> Gateway:
    from .gateway import Gateway  # noqa: PLC0415 - lazy: loading a plugin must stay cheap

    return Gateway(ctx.settings["address"], ctx.settings["token"])


def _text(ctx: HookContext, quote: Quote) -> str:
    text = f"{quote.customer.name} accepted quote {quote.number or quote.id}"
    if ctx.settings["with_total"] and quote.totals is not None:
        text += f" over {quote.totals.total_amount:f} {quote.currency}"
    return text + "."
