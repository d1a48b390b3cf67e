"""Previews: what each enabled integration would do with a quote, without network or writes."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ..contract.hook_types import Outcome, Preview
from ..contract.quote import Quote
from ..contract.quote_document import load_quote
from ..errors import NeedsAttention, SettingsIncomplete
from ..run_status import RunStatus
from ..store.workspaces import require_workspace, timezone_of
from ..workspaces.integration import Integration, Integrations

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


def preview(workspace: str, document: Any, integrations: Integrations) -> dict[str, Any]:
    """Preview a document's runs, like ``preview_report``. Raises: NotFound, InvalidInput."""
    contexts = integrations.contexts
    with contexts.store.read() as db:
        require_workspace(db, workspace)
    return preview_report(load_quote(document, workspace_id=workspace, received_at=contexts.clock.now()), integrations)


def preview_report(quote: Quote, integrations: Integrations) -> dict[str, Any]:
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
    with integrations.contexts.store.read() as db:
        zone = timezone_of(db, workspace)
    quote = replace(quote, timezone=zone or quote.timezone)
    enabled = [one for one in integrations.enabled(workspace) if one.is_loaded]
    shown = enabled or [one for one in integrations.loaded(workspace) if not one.is_configured]
    previews = [
        {"plugin": one.plugin, "enabled": bool(enabled), **plugin_preview(one, quote)}
        for one in shown
        if one.supports("preview_quote")
    ]
    return {
        "quote_id": quote.id,
        "ends_well": bool(previews) and all(one["ends_well"] for one in previews),
        "previews": previews,
    }


def plugin_preview(integration: Integration, quote: Quote) -> dict[str, Any]:
    """Return one integration's preview, as an item of ``preview_report``."""
    try:
        result = integration.among.plugins.preview_quote(integration.plugin, integration.context(), quote)
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
    ends: str = RunStatus.NEEDS_ATTENTION if preview.needs_attention else RunStatus.SUCCEEDED
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
    return {"status": status, "ends": ends, "ends_well": ends == RunStatus.SUCCEEDED, **_json_ready(plan)}


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _json_ready(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(inner) for inner in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value
