"""Speaks another hook API."""

from __future__ import annotations

from qwoty_integrations_host import Manifest, hookimpl

HOOK_API = 0


@hookimpl
def integration_manifest() -> Manifest:
    return Manifest(
        id="old_api", title="T", description="D.", version="1.0", hook_api=1, settings_schema={"type": "object"}
    )
