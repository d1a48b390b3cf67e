"""The tree of errors, what each makes of a command and of a request, and every code with the words it comes with."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

from qwoty_integrations_host import errors
from qwoty_integrations_host.errors import IntegrationError, NeedsAttention

from . import markdown as md
from .source import argument, calls, distribution_of, text_of, texts_of, trees


class Found(NamedTuple):
    """One place where a code is used."""

    code: str
    whose: str
    kind: str
    title: str
    hint: str


def page() -> str:
    return md.page(
        "Reference: errors",
        "What a person does about a code is told in [Operations](../operations.md#how-runs-end).",
        "## The tree",
        "A class says what the host does next. Nothing else is expected to leave a plugin.",
        md.fence("text", "\n".join(_branch(IntegrationError))),
        "The code is the default. Then follow the status of a run that ends with the error (`waiting`: it goes on by "
        "itself), the exit code of a command, and the status of an HTTP response.",
        md.table(("Error", "Code", "Run, exit, HTTP", "What happens"), map(_row, _kinds())),
        "## Every code",
        "With the words that it comes with; `…` is filled in. Codes without a title take that of what they met.",
        md.table(("Code", "As", "Title", "Hint"), map(_cells, all_codes())),
    )


def _kinds() -> list[type[IntegrationError]]:
    """Every error, in the order of the source."""
    return [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, IntegrationError)]


def _branch(kind: type[IntegrationError], depth: int = 0) -> Iterator[str]:
    yield "  " * depth + kind.__name__
    for below in _kinds():
        if below.__base__ is kind:
            yield from _branch(below, depth + 1)


def _row(kind: type[IntegrationError]) -> tuple[str, ...]:
    mapping = f"{kind.run_status}, {kind.exit_code}, {kind.http_status}"
    return md.code(kind.__name__), md.code(kind.default_code), mapping, md.words(kind.__doc__)


def all_codes() -> list[Found]:
    """Every code that stands in the source, by name, each wording once."""
    kinds = {kind.__name__: kind for kind in _kinds()}
    found: set[Found] = set()
    for path, tree in trees():
        for name, call in calls(tree):
            kind = name.rpartition(".")[2]
            if kind == "needs_attention":
                code, title, shown = argument(call, 0, "code"), argument(call, 1, "title"), "Outcome"
            else:
                # Of another class it may be a report's code, or a plugin's own kind of an error.
                code, shown = argument(call, -1, "code"), kind if kind in kinds else ""
                title = argument(call, 0 if shown else -1, "title")
            hint = text_of(argument(call, -1, "hint")) or ""
            codes = texts_of(code)
            if code is None and shown and issubclass(kinds[shown], NeedsAttention):
                codes = [kinds[shown].default_code]
            for word in codes:
                found.add(Found(word, distribution_of(path), shown, text_of(title) or "", hint))
    return sorted(found)


def _cells(found: Found) -> tuple[str, ...]:
    shown = f"{md.code(found.kind)}, {found.whose}" if found.kind else found.whose
    return md.code(found.code), shown, found.title, found.hint
