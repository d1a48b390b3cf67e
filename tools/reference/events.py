"""Everything with a name: webhook events, alerts, the audit log, the log."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from qwoty_integrations_host.quotes.run import OPEN

from . import markdown as md
from .source import argument, calls, distribution_of, text_of, tree_of, trees

LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error, with the traceback",
}


def page() -> str:
    return md.page(
        "Reference: events",
        "Later releases only add names and fields.",
        "## Events that platforms send",
        "Each workspace sets which events accept a quote: [Where quotes come from](../platform.md#events).",
        "## Webhooks that plugins act on",
        "The host stores other events of the service, answers 200, and starts no run.",
        md.table(("Plugin", "Event"), ((whose, md.code(event)) for whose, event in webhook_events())),
        "## Alerts",
        "The `type` in the body of an [alert webhook](../operations.md#alerts).",
        md.table(("Type",), ((md.code(kind),) for kind in alert_types())),
        "## Audit log",
        "The actions in a workspace's audit log. An entry also names the actor and the changed fields, never a value.",
        md.table(("Action", "Written by"), ((md.code(action), md.code(path)) for action, path in audit_actions())),
        "## Log",
        "Lines on stderr: the event, and its fields besides those of its run and request "
        "([Watching it](../operations.md#watching-it)).",
        md.table(("Event", "Level", "Fields"), log_events()),
    )


def webhook_events() -> list[tuple[str, str]]:
    """(plugin, event) of each plugin's table ``EVENTS``."""
    found = []
    for path, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EVENTS":
                assert isinstance(node.value, ast.Tuple)
                found += [(distribution_of(path), text) for item in node.value.elts if (text := text_of(item))]
    return found


def alert_types() -> list[str]:
    """The types that modules of alerts/ give to ``alert_facts``; that of a run is its status."""
    found = {
        text
        for module in ("alert", "delivery", "recording")
        for name, call in calls(tree_of(f"alerts/{module}.py"))
        if name == "alert_facts" and (text := text_of(argument(call, 0, "kind")))
    }
    by_status = {f"run.{status}" for status in OPEN}
    return sorted((found - {"run.…"}) | by_status)


def audit_actions() -> list[tuple[str, str]]:
    """(action, module) of each ``audit.note``."""
    found = set()
    for path, tree in trees():
        for name, call in calls(tree):
            if name == "audit.note":
                words = [node for node in ast.walk(call.args[2]) if isinstance(node, ast.expr)]
                found |= {(text, path) for node in words if (text := text_of(node))}
    return sorted(found)


def log_events() -> Iterator[tuple[str, str, str]]:
    """(event, level, facts) of each call of a logger."""
    found: dict[tuple[str, str], set[str]] = {}
    for _, tree in trees():
        for name, call in calls(tree):
            logger, _, level = name.rpartition(".")
            event = text_of(argument(call, 0, "event"))
            if logger.rpartition(".")[2] == "log" and level in LEVELS and event:
                found.setdefault((event, LEVELS[level]), set()).update(_facts(call))
    for (event, level), facts in sorted(found.items()):
        yield md.code(event), level, ", ".join(md.code(fact) for fact in sorted(facts))


def _facts(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
            yield from (text for key in keyword.value.keys if (text := text_of(key)))
        elif keyword.arg not in {None, "extra", "exc_info"}:
            yield str(keyword.arg)
