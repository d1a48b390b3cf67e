"""The rules of a hook, declared with its signature: its result, its deadline, and whether it may return secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar

import pluggy

from .hook_results import Result

PROJECT = "qwoty_integrations"

P = ParamSpec("P")
R = TypeVar("R")

_pluggy_spec = pluggy.HookspecMarker(PROJECT)
_RULES = f"{PROJECT}_rules"


@dataclass(frozen=True, slots=True)
class HookRules:
    """The rules of one hook, from its ``@hookspec``."""

    result: Result
    #: Which of the host's deadlines applies: ``local`` (no network), ``service`` (one request or several) or ``run``.
    deadline: Literal["local", "service", "run"]
    #: Whether the result may hold the secrets that the hook was given. Only results that stay in the host may.
    may_hold_secrets: bool
    #: Whether it is called so often that threads are kept for it.
    is_frequent: bool


def hookspec(
    result: Result,
    *,
    deadline: Literal["local", "service", "run"] = "local",
    may_hold_secrets: bool = False,
    is_frequent: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a hook. The body of the function is the default, which the host uses if a plugin has no such hook.

    If the body raises NotImplementedError, there is no default: the host may call this hook only if the plugin has it.
    """

    def declare(hook: Callable[P, R]) -> Callable[P, R]:
        setattr(hook, _RULES, HookRules(result, deadline, may_hold_secrets, is_frequent))
        return _pluggy_spec(hook)

    return declare


def rules_of(hook: Callable[..., Any]) -> HookRules:
    """Return the rules with which a hook was declared."""
    rules = getattr(hook, _RULES)
    assert isinstance(rules, HookRules)
    return rules
