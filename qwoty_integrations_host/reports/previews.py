"""What the enabled integrations would make of a quote, and how their runs would end; no network, nothing is written."""

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

#: What only a plan has.
_OF_A_PLAN = (
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
    """Foretell the runs of a document; as ``foretold``. Raises: NotFound, InvalidInput."""
    with contexts.store.read() as db:
        require_workspace(db, workspace)
    quote = load_quote(document, workspace_id=workspace, received_at=clock.now())
    return foretold(quote, plugins=plugins, settings=settings, contexts=contexts)


def foretold(quote: Quote, *, plugins: Plugins, settings: WorkspaceSettings, contexts: Contexts) -> dict[str, Any]:
    """Give what each integration would make of a quote, money as decimal strings in major units::

        {"quote_id", "ends_well": bool,
         "previews": [{"plugin", "enabled",
                       "status": "planned" | "skipped" | "needs_attention",    # planned: with lines and sums
                       "ends": "succeeded" | "skipped" | "needs_attention",    # how the run would end
                       "ends_well": bool,
                       "problems": [{"code", "title", "hint", "status"}],      # the first would be the run's error
                       "notes": [sentence], …plan}]}

    The workspace's enabled plugins are asked. Without an enabled one, those that were never set up for the workspace
    are asked, with their default settings; one that was switched off is not asked at all.
    """
    workspace = quote.workspace_id
    with contexts.store.read() as db:
        zone = timezone_of(db, workspace)
    quote = replace(quote, timezone=zone or quote.timezone)
    enabled = [plugin for plugin in settings.enabled_plugins(workspace) if plugins.is_loaded(plugin)]
    asked = enabled or [plugin for plugin in plugins.loaded() if not settings.is_configured(workspace, plugin)]
    found = [
        {"plugin": plugin, "enabled": plugin in enabled, **ask(plugin, quote, plugins, settings, contexts)}
        for plugin in asked
        if plugins.implements(plugin, "preview_quote")
    ]
    return {
        "quote_id": quote.id,
        "ends_well": bool(found) and all(one["ends_well"] for one in found),
        "previews": found,
    }


def ask(plugin: str, quote: Quote, plugins: Plugins, settings: WorkspaceSettings, contexts: Contexts) -> dict[str, Any]:
    """Give what one integration foretells, as ``foretold`` says it."""
    try:
        ctx = contexts.make(quote.workspace_id, plugin, settings.effective(quote.workspace_id, plugin))
        answer = plugins.preview_quote(plugin, ctx, quote)
    except (NeedsAttention, SettingsIncomplete) as error:
        # A run would end with the same.
        answer = Outcome.needs_attention(error.code, error.title, hint=error.hint)
    return _of_outcome(answer) if isinstance(answer, Outcome) else _of_preview(answer)


def _of_outcome(answer: Outcome) -> dict[str, Any]:
    known = {"code": answer.code, "title": answer.title, "hint": answer.hint, "status": answer.status}
    problems = [known] if answer.code else []
    notes = list(answer.notes)
    ends = {"ends": answer.status, "ends_well": not problems}
    return {"status": answer.status, **ends, "problems": problems, "notes": notes}


def _of_preview(answer: Preview) -> dict[str, Any]:
    ends: str = "needs_attention" if answer.needs_attention else "succeeded"
    if answer.problems:
        ends = answer.problems[0].status
    plan: dict[str, Any] = asdict(answer)
    plan["lines"] = [{**asdict(line), "total": line.total} for line in answer.lines]
    names = ("number", "amount", "due_date")
    plan["installments"] = [dict(zip(names, part, strict=True)) for part in answer.installments]
    is_planned = bool(answer.lines or not answer.problems)
    if not is_planned:
        plan = {name: value for name, value in plan.items() if name not in _OF_A_PLAN}
    status = "planned" if is_planned else ends
    return {"status": status, "ends": ends, "ends_well": ends == "succeeded", **_plain(plan)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else value
