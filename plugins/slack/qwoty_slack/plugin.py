"""The hooks of the Slack integration; each calls the module of its subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from qwoty_integrations_host import (
    ConnectionReport,
    ConnectionRequest,
    HookContext,
    Manifest,
    Outcome,
    Quote,
    ServiceStatus,
    SettingsProblem,
    hookimpl,
)

from .settings import problems, settings_schema

HOOK_API = 1
VERSION = "0.1.0"


@hookimpl
def integration_manifest() -> Manifest:
    schema = settings_schema()
    return Manifest(
        id="slack",
        title=schema["title"],
        description=schema["description"],
        version=VERSION,
        hook_api=HOOK_API,
        settings_schema=schema,
        capabilities=frozenset({"quotes"}),
        translations=files(__package__) / "translations",
    )


@hookimpl
def validate_settings(ctx: HookContext, settings: Mapping[str, Any]) -> Sequence[SettingsProblem]:
    return problems(settings)


@hookimpl
def check_connection(ctx: HookContext, connection: ConnectionRequest) -> ConnectionReport:
    from . import connection as checked  # lazy, like the imports below: loading a plugin must stay cheap

    return checked.check_connection(ctx)


@hookimpl
def service_status(ctx: HookContext) -> ServiceStatus:
    from . import connection

    return connection.service_status(ctx)


@hookimpl
def on_quote_accepted(ctx: HookContext, quote: Quote) -> Outcome:
    from . import announcing

    return announcing.announce_quote(ctx, quote)


@hookimpl
def service_links(ctx: HookContext, ids: Sequence[str]) -> Mapping[str, str]:
    from . import announcing

    return announcing.links(ctx, ids)
