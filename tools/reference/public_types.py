"""The public types: fields, methods and what they mean, from the modules behind ``qwoty_integrations_host``."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import qwoty_integrations_host as host
from qwoty_integrations_host.contract import context
from qwoty_integrations_host.errors import IntegrationError

from . import markdown as md
from .source import comment_above

#: What ``ctx`` lends: not imported by plugins, but called by them.
LENT = (context.Steps, context.Platform, context.Mailer, context.State, context.Secrets, context.Records, context.Log)


def page() -> str:
    top = (
        "The arguments and results of the [hooks](hooks.md). Import names from `qwoty_integrations_host`. Money is "
        "`Decimal` in major units, times are aware UTC. Within one `HOOK_API` releases only add fields, with a default."
    )
    public = {name: getattr(host, name) for name in host.__all__}
    aliases = [
        f"`{name}` is `{kind.__name__}`."
        for name, kind in public.items()
        if inspect.isclass(kind) and name != _name(kind)
    ]
    top = " ".join([top, *aliases])
    kinds = [kind for name, kind in public.items() if inspect.isclass(kind) and name == _name(kind)]
    values = [kind for kind in kinds if not issubclass(kind, IntegrationError)]
    others = [found for found in public.values() if inspect.isfunction(found)]
    blocks = ["## Arguments and results", *_classes([kind for kind in values if not _is_protocol(kind)])]
    blocks += ["## The context", *_classes([*LENT, *(kind for kind in values if _is_protocol(kind))])]
    blocks += ["## Functions", *(block for found in others for block in _function(found))]
    return md.page("Reference: types", top, *blocks)


def _name(found: Any) -> str:
    return str(getattr(found, "__name__", ""))


def _is_protocol(kind: type) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def _classes(kinds: list[type]) -> Iterator[str]:
    for kind in sorted(kinds, key=lambda kind: kind.__name__):
        yield f"### {kind.__name__}"
        yield md.words(kind.__doc__)
        lines = inspect.getsource(kind).splitlines()
        (tree,) = ast.parse("\n".join(lines)).body
        assert isinstance(tree, ast.ClassDef)
        fields = [_field(node, lines) for node in tree.body if isinstance(node, ast.AnnAssign)]
        if fields:
            yield md.table(("Field", "Type", "Default", "Meaning"), fields)
        methods = [_method(node) for node in tree.body if isinstance(node, ast.FunctionDef) and _is_shown(node)]
        if methods:
            yield md.table(("Method", "What it does"), methods)


def _field(node: ast.AnnAssign, lines: list[str]) -> tuple[str, str, str, str]:
    default = _default(node.value) if node.value is not None else "–"
    meaning = md.words(comment_above(lines, node.lineno))
    return md.code(ast.unparse(node.target)), md.code(ast.unparse(node.annotation)), default, meaning


def _default(value: ast.expr) -> str:
    """The default as a reader would write it; of ``field(…)`` only what it makes."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        factory = next((k.value for k in value.keywords if k.arg == "default_factory"), None)
        return "–" if factory is None else md.code(f"{ast.unparse(factory)}()")
    return md.code(ast.unparse(value))


def _is_shown(node: ast.FunctionDef) -> bool:
    return node.name == "__call__" or not node.name.startswith("_")


def _method(node: ast.FunctionDef) -> tuple[str, str]:
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    given = ast.unparse(node.args).removeprefix("self").removeprefix("cls").removeprefix(", ")
    returned = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    name = "(call)" if node.name == "__call__" else node.name
    shown = f"{name}{returned}" if "property" in marks else f"{name}({given}){returned}".replace("(call)(", "(")
    return md.code(shown), md.words(ast.get_docstring(node))


def _function(found: Any) -> Iterator[str]:
    yield f"### {found.__name__}"
    yield md.fence("python", found.__name__ + str(inspect.signature(found)).replace("'", ""))
    yield md.words(found.__doc__)
