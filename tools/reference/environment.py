"""The environment variables, from the fields of ``HostConfig`` that they set and the functions of plugins that read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields

from qwoty_integrations_host.config import HostConfig

from . import markdown as md
from .notes import with_note
from .source import HOST, comment_above, distribution_of, text_of, trees


def page() -> str:
    return md.page(
        "Reference: environment",
        "All are optional. A switch is on with `true`. See also [Operations](../operations.md#environment). "
        "OpenSSL's `SSL_CERT_FILE` counts, too: it names a file with the certificates of "
        "[further authorities](../operations.md#authorities-of-your-own) to trust.",
        md.table(("Variable", "Default", "Meaning"), sorted({*_of_the_host(), *_of_plugins()})),
    )


def _of_the_host() -> Iterator[tuple[str, str, str]]:
    text = (HOST / "config.py").read_text("utf-8")
    (kind,) = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "HostConfig")
    lines = {ast.unparse(node.target): node.lineno for node in kind.body if isinstance(node, ast.AnnAssign)}
    defaults = {field.name: field.default for field in fields(HostConfig)}
    for variable, field in _variables(kind):
        default = defaults[field]
        shown = "off" if default is False else md.code(default) if isinstance(default, int) else "–"
        yield md.code(variable), shown, md.words(comment_above(text.splitlines(), lines[field]))


def _variables(kind: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """(variable, field) as ``from_environment`` reads the one into the other."""
    (reading,) = (n for n in kind.body if isinstance(n, ast.FunctionDef) and n.name == "from_environment")
    read_before: dict[str, str] = {}
    for node in ast.walk(reading):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            (targets,) = node.targets
            assert isinstance(targets, ast.Tuple)
            named = zip(targets.elts, node.value.elts, strict=True)
            read_before.update((ast.unparse(name), ast.unparse(value)) for name, value in named)
    (made,) = (n for n in ast.walk(reading) if isinstance(n, ast.Call) and ast.unparse(n.func) == "cls")
    for keyword in made.keywords:
        reads = ast.unparse(keyword.value)
        for name in re.findall(r"_read\(env, '(\w+)'\)|'(QWOTY_\w+)'", read_before.get(reads, reads)):
            yield f"QWOTY_HOST_{name[0]}" if name[0] else name[1], str(keyword.arg)


def _of_plugins() -> Iterator[tuple[str, str, str]]:
    """Variables that a function of a plugin reads; its docstring says what for."""
    for path, tree in trees():
        if distribution_of(path) != "host":
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    words = [text for part in ast.walk(node) if isinstance(part, ast.expr) and (text := text_of(part))]
                    for name in (word for word in words if re.fullmatch(r"QWOTY_[A-Z_]+", word)):
                        meaning = with_note(md.words(ast.get_docstring(node)), "environment", name)
                        yield md.code(name), "–", meaning
