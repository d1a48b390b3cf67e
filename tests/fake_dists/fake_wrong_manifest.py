"""Gives a dictionary for a manifest."""

from typing import Any

from qwoty_integrations_host import hookimpl

HOOK_API = 1


@hookimpl
def integration_manifest() -> Any:
    return {"id": "wrong_manifest"}
