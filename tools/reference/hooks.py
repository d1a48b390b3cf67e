"""The hooks: signature, contract and example of each, from contract/hookspecs.py."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from qwoty_integrations_host.contract import hookspecs
from qwoty_integrations_host.contract.hook_rules import rules_of
from qwoty_integrations_host.plugins.deadlines import Deadlines

from . import markdown as md


def page() -> str:
    top = (
        f"HOOK_API {hookspecs.HOOK_API}. An implementation is marked with `@hookimpl` and names its arguments exactly "
        "as here; it may leave some out. See also [Types](types.md), [Errors](errors.md), and the rules for all hooks "
        "in [Hooks](../hooks.md)."
    )
    rows = [(f"[`{hook.__name__}`](#{hook.__name__})", _parts(hook)[0].split("\n\n")[0]) for hook in all_hooks()]
    return md.page("Reference: hooks", top, md.table(("Hook", "What it does"), rows), *_sections())


def all_hooks() -> Sequence[Callable[..., Any]]:
    """The specifications, in the order of the source."""
    found = [
        hook
        for _, hook in inspect.getmembers(hookspecs, inspect.isfunction)
        if hasattr(hook, f"{hookspecs.PROJECT}_spec")
    ]
    return sorted(found, key=lambda hook: hook.__code__.co_firstlineno)


def signature(hook: Callable[..., Any]) -> str:
    """``on_webhook(ctx: HookContext, event: WebhookEvent) -> Outcome``."""
    return hook.__name__ + str(inspect.signature(hook)).replace("'", "")


def example(hook: Callable[..., Any]) -> str:
    """The code of the docstring's example."""
    return _parts(hook)[1]


def _sections() -> Iterator[str]:
    for hook in all_hooks():
        contract, code = _parts(hook)
        yield f"## {hook.__name__}"
        yield md.fence("python", signature(hook))
        yield contract
        yield _rules(hook)
        yield md.fence("python", code)


def _rules(hook: Callable[..., Any]) -> str:
    """The default and the deadline, from the declaration."""
    rules, (*_, last) = rules_of(hook), ast.parse(inspect.getsource(hook)).body[0].body  # type: ignore[attr-defined]
    default = f"Default: `{ast.unparse(last.value)}`. " if isinstance(last, ast.Return) and last.value else ""
    seconds = f"{Deadlines().of(rules.deadline):.0f} seconds"
    return default + f"Deadline: {seconds}" + (" between two signs of life." if rules.deadline == "run" else ".")


def _parts(hook: Callable[..., Any]) -> tuple[str, str]:
    text, _, code = inspect.cleandoc(hook.__doc__ or "").partition("\nExample:\n")
    return md.words(text), textwrap.dedent(code)
