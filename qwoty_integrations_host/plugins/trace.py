"""``QWOTY_TRACE_HOOKS=1`` prints each call of a hook and its result on stderr, for plugin authors."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import pluggy

from ..contract.context import HookContext
from ..redaction import redact

#: Fields that identify an object. Any other field may be secret or personal.
_NAMES = ("id", "type", "status", "code", "number", "reachable", "roll_secrets")


def trace_hooks(manager: pluggy.PluginManager) -> None:
    """Print every later call that goes through the manager."""

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], given: Mapping[str, Any]) -> None:
        for each in implementations:
            arguments = ", ".join(f"{name}={_shown(value)}" for name, value in given.items())
            _print(f"→ {each.plugin_name}.{hook}({arguments})")

    def after(
        outcome: pluggy.Result[Any], hook: str, implementations: Sequence[pluggy.HookImpl], _given: Mapping[str, Any]
    ) -> None:
        for each in implementations:
            if outcome.exception is not None:
                _print(f"← {each.plugin_name}.{hook} raised {type(outcome.exception).__name__}")
            else:
                _print(f"← {each.plugin_name}.{hook} = {', '.join(map(_shown, outcome.get_result())) or 'nothing'}")

    manager.add_hookcall_monitoring(before, after)


def _shown(value: Any) -> str:
    if isinstance(value, HookContext):
        return value.workspace or "(no workspace)"
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.name in _NAMES]
        said = ", ".join(f"{name}={getattr(value, name)!r}" for name in names if getattr(value, name) not in ("", None))
        return f"{type(value).__name__}({said})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(map(str, value)) + "}"  # names: the values may be secrets
    if isinstance(value, list | tuple):
        return f"{len(value)} × {type(value[0]).__name__}" if value else "nothing"
    return repr(value) if isinstance(value, bool | int) or value is None else type(value).__name__


def _print(line: str) -> None:
    print(redact(line)[:500], file=sys.stderr, flush=True)  # noqa: T201 - asked for by who sits there
