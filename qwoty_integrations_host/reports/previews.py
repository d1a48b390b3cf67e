"""Previews: what each enabled integration would do with a quote, without network or writes."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ..clock import Clock
from ..contract.hook_types import Outcome, Preview
from ..contract.quote import Quote
from ..contract.quote_document import load_quote
from ..errors import NeedsAttention, SettingsIncomplete
from ..plugins.contexts import Contexts
from ..plugins.manager import Plugins
from ..store.workspaces import require_workspace, timezone_of
from ..workspaces.settings import WorkspaceSettings

#: The fields that only a plan has.
_PLAN_FIELDS = (
    "currency",
    "lines",
    "subtotal",
    "tax",
    "total",
    "signed_net",
    "signed_tax",
    "signed_total",
    "installments",
)


def preview(
    workspace: str,
    document: Any,
    *,
    plugins: Plugins,
    settings: WorkspaceSettings,
    contexts: Contexts,
    clock: Clock,
) -> dict[str, Any]:
    """Preview a document's runs, like ``preview_report``. Raises: NotFound, InvalidInput."""
    with contexts.store.read() as db:
        require_workspace(db, workspace)
    quote = load_quote(document, workspace_id=workspace, received_at=clock.now())
    return preview_report(quote, plugins=plugins, settings=settings, contexts=contexts)


def preview_report(
    quote: Quote, *, plugins: Plugins, settings: WorkspaceSettings, contexts: Contexts
) -> dict[str, Any]:
    """Report what each integration would do with a quote, money as decimal strings in major units::

        {"quote_id", "ends_well": bool,
         "previews": [{"plugin", "enabled",
                       "status": "planned" | "skipped" | "needs_attention",    # planned: with lines and sums
                       "ends": "succeeded" | "skipped" | "needs_attention",    # how the run would end
                       "ends_well": bool,
                       "problems": [{"code", "title", "hint", "status"}],      # the first would be the run's error
                       "notes": [sentence], …plan}]}

    It covers the workspace's enabled plugins. Without an enabled plugin, it covers those that were never configured in
    the workspace, with their default settings, but no disabled one.
    """
    workspace = quote.workspace_id
    with contexts.store.read() as db:
        zone = timezone_of(db, workspace)
    quote = replace(quote, timezone=zone or quote.timezone)
    enabled = [plugin for plugin in settings.enabled_plugins(workspace) if plugins.is_loaded(plugin)]
    plugin_ids = enabled or [plugin for plugin in plugins.loaded() if not settings.is_configured(workspace, plugin)]
    previews = [
        {"plugin": plugin, "enabled": plugin in enabled, **plugin_preview(plugin, quote, plugins, settings, contexts)}
        for plugin in plugin_ids
        if plugins.implements(plugin, "preview_quote")
    ]
    return {
        "quote_id": quote.id,
        "ends_well": bool(previews) and all(one["ends_well"] for one in previews),
        "previews": previews,
    }


def plugin_preview(
    plugin: str, quote: Quote, plugins: Plugins, settings: WorkspaceSettings, contexts: Contexts
) -> dict[str, Any]:
    """Return one integration's preview, as an item of ``preview_report``."""
    try:
        ctx = contexts.make(quote.workspace_id, plugin, settings.effective(quote.workspace_id, plugin))
        result = plugins.preview_quote(plugin, ctx, quote)
    except (NeedsAttention, SettingsIncomplete) as error:
        # A run would end in the same way.
        result = Outcome.needs_attention(error.code, error.title, hint=error.hint)
    return _from_outcome(result) if isinstance(result, Outcome) else _from_preview(result)


def _from_outcome(outcome: Outcome) -> dict[str, Any]:
    problem = {"code": outcome.code, "title": outcome.title, "hint": outcome.hint, "status": outcome.status}
    problems = [problem] if outcome.code else []
    ends = {"ends": outcome.status, "ends_well": not problems}
    return {"status": outcome.status, **ends, "problems": problems, "notes": list(outcome.notes)}


def _from_preview(preview: Preview) -> dict[str, Any]:
    ends: str = "needs_attention" if preview.needs_attention else "succeeded"
    if preview.problems:
        ends = preview.problems[0].status
    plan: dict[str, Any] = asdict(preview)
    plan["lines"] = [{**asdict(line), "total": line.total} for line in preview.lines]
    names = ("number", "amount", "due_date")
    plan["installments"] = [dict(zip(names, part, strict=True)) for part in preview.installments]
    is_planned = bool(preview.lines or not preview.problems)
    if not is_planned:
        plan = {name: value for name, value in plan.items() if name not in _PLAN_FIELDS}
    status = "planned" if is_planned else ends
    return {"status": status, "ends": ends, "ends_well": ends == "succeeded", **_json_ready(plan)}


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _json_ready(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(inner) for inner in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value
