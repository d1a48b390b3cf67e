"""The source, read without importing it: what is raised, noted and logged where."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "qwoty_integrations_host"
PLUGINS = ROOT / "plugins"


@cache
def trees() -> Sequence[tuple[str, ast.Module]]:
    """Every module of the host and of the plugins, by its path in the checkout, in order; tests left out."""
    files = [*HOST.rglob("*.py"), *(file for package in plugin_packages() for file in package.rglob("*.py"))]
    return [(str(file.relative_to(ROOT)), ast.parse(file.read_text("utf-8"))) for file in sorted(files)]


def tree_of(module: str) -> ast.Module:
    """One module of the host, by its path in the package."""
    return dict(trees())[f"{HOST.name}/{module}"]


def plugin_packages() -> Sequence[Path]:
    """The package of each plugin in the checkout."""
    return sorted(schema.parent for schema in PLUGINS.glob("*/*/settings.schema.json"))


def distribution_of(path: str) -> str:
    """Whose a module is: ``host``, or the name of the plugin's folder."""
    first, second, *_ = Path(path).parts
    return second if first == PLUGINS.name else "host"


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call of something with a name, by that name with its dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _dotted(node.func)):
            yield name, node


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    # What comes before an attribute may be anything, such as another call: then it has no name here.
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    """An argument by its place or its name; a place of -1 means by name only."""
    if 0 <= place < len(call.args):
        return call.args[place]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def text_of(node: ast.expr | None) -> str | None:
    """The text of a literal, with ``…`` for what is filled in; None when it is no literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


def texts_of(node: ast.expr | None) -> list[str]:
    """The texts that a literal can be: both of one that depends on something."""
    arms = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return [text for arm in arms if (text := text_of(arm)) is not None]


def comment_above(lines: Sequence[str], line: int) -> str:
    """The ``#:`` comment right above a line that is counted from 1."""
    found: list[str] = []
    while line >= 2 and lines[line - 2].strip().startswith("#:"):
        found.insert(0, lines[line - 2].strip().removeprefix("#:").strip())
        line -= 1
    return " ".join(found)
