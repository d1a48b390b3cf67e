"""Its settings schema is no JSON Schema."""

from __future__ import annotations

from qwoty_integrations_host import Manifest, hookimpl

HOOK_API = 1


@hookimpl
def integration_manifest() -> Manifest:
    return Manifest(
        id="bad_schema", title="T", description="D.", version="1.0", hook_api=1, settings_schema={"type": "objekt"}
    )
