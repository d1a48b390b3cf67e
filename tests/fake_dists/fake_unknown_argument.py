"""Wants an argument that the hook does not have."""

from __future__ import annotations

from typing import Any

from qwoty_integrations_host import Manifest, Outcome, hookimpl

HOOK_API = 1


@hookimpl
def integration_manifest() -> Manifest:
    return Manifest(
        id="unknown_argument",
        title="T",
        description="D.",
        version="1.0",
        hook_api=1,
        settings_schema={"type": "object"},
    )


@hookimpl
def on_quote_accepted(ctx: Any, quote: Any, invoice: Any) -> Outcome:
    return Outcome.done()
