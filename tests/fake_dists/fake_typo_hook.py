"""Misspells a hook."""

from __future__ import annotations

from typing import Any

from qwoty_integrations_host import Manifest, Outcome, hookimpl

HOOK_API = 1


@hookimpl
def integration_manifest() -> Manifest:
    return Manifest(
        id="typo_hook", title="T", description="D.", version="1.0", hook_api=1, settings_schema={"type": "object"}
    )


@hookimpl
def on_quote_acepted(ctx: Any, quote: Any) -> Outcome:
    return Outcome.done()
