"""What the enabled integrations would make of a quote, without network and without writing."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from typing import Any

from .clock import Clock
from .contexts import Contexts
from .hook_types import Outcome
from .plugins import Plugins
from .quote import Quote
from .quote_schema import load_quote
from .settings import WorkspaceSettings
from .store.workspaces import require_workspace, timezone_of


def preview(
    workspace: str,
    document: Any,
    *,
    plugins: Plugins,
    settings: WorkspaceSettings,
    contexts: Contexts,
    clock: Clock,
) -> dict[str, Any]:
    """Give ``{"quote_id", "previews": [{"plugin", …plan or reason}]}``, money as decimal strings in major units.

    The workspace's enabled plugins are asked. Without an enabled one, those that were never set up for the workspace
    are asked, with their default settings; one that was switched off is not asked at all.
    Raises: NotFound, InvalidInput, and whatever the plugin finds wrong with the quote.
    """
    with contexts.store.read() as db:
        require_workspace(db, workspace)
        zone = timezone_of(db, workspace)
    quote = load_quote(document, workspace_id=workspace, received_at=clock.now())
    quote = replace(quote, timezone=zone or quote.timezone)
    enabled = [plugin for plugin in settings.enabled_plugins(workspace) if plugins.is_loaded(plugin)]
    asked = enabled or [plugin for plugin in plugins.loaded() if not settings.is_configured(workspace, plugin)]
    found = [
        {"plugin": plugin, **ask(plugin, quote, plugins, settings, contexts)}
        for plugin in asked
        if plugins.implements(plugin, "preview_quote")
    ]
    return {"quote_id": quote.id, "previews": found}


def ask(plugin: str, quote: Quote, plugins: Plugins, settings: WorkspaceSettings, contexts: Contexts) -> dict[str, Any]:
    """Give ``{"status": "planned", …plan}`` of one integration, or ``{"status", "notes"}`` why it would make nothing.

    Raises: what the plugin finds wrong with the quote.
    """
    ctx = contexts.make(quote.workspace_id, plugin, settings.effective(quote.workspace_id, plugin))
    answer = plugins.preview_quote(plugin, ctx, quote)
    if isinstance(answer, Outcome):
        return {"status": answer.status, "notes": [*filter(None, (answer.title,)), *answer.notes]}
    plan: dict[str, Any] = asdict(answer)
    plan["lines"] = [{**asdict(line), "total": line.total} for line in answer.lines]
    names = ("number", "amount", "due_date")
    plan["installments"] = [dict(zip(names, part, strict=True)) for part in answer.installments]
    return {"status": "planned", **_plain(plan)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value
