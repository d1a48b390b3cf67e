"""Its manifest has another id than its entry point."""

from __future__ import annotations

from qwoty_integrations_host import Manifest, hookimpl

HOOK_API = 1


@hookimpl
def integration_manifest() -> Manifest:
    return Manifest(
        id="somebody_else", title="T", description="D.", version="1.0", hook_api=1, settings_schema={"type": "object"}
    )
