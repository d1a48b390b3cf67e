"""The tree of errors, what each makes of a command and of a request, and every code with the words it comes with."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

from qwoty_integrations_host import errors
from qwoty_integrations_host.cli.session import exit_code_of
from qwoty_integrations_host.errors import IntegrationError
from qwoty_integrations_host.web.problems import status_of

from . import markdown as md
from .source import argument, calls, distribution_of, text_of, trees


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
        "A class says what the host does next. Nothing else is expected to leave a plugin. "
        "Exit code and status are those of a command and of an HTTP request that meet it.",
        md.table(("Error", "Is a", "Code unless given", "Exit code", "HTTP", "What happens"), _tree()),
        "## Every code",
        "With the words that it comes with; `…` is filled in. Codes without a title take that of what they met.",
        md.table(("Code", "Said by", "As", "Title", "Hint"), (_cells(found) for found in all_codes())),
    )


def _tree() -> Iterator[tuple[str, ...]]:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, IntegrationError)]
    for kind in sorted(kinds, key=lambda kind: inspect.getsourcelines(kind)[1]):
        base, met = kind.__base__, kind("")
        assert base is not None
        parent = "" if base is Exception else md.code(base.__name__)
        exit_code, status = str(exit_code_of(met)), str(status_of(met))
        yield md.code(kind.__name__), parent, md.code(kind.default_code), exit_code, status, md.words(kind.__doc__)


def all_codes() -> list[Found]:
    """Every code that stands in the source, by name, each wording once."""
    kinds = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, IntegrationError)}
    found: set[Found] = set()
    for path, tree in trees():
        for name, call in calls(tree):
            kind = name.rpartition(".")[2]
            if kind == "needs_attention":
                code, title = argument(call, 0, "code"), argument(call, 1, "title")
            elif kind in kinds:
                code, title = argument(call, -1, "code"), argument(call, 0, "title")
            else:
                continue
            if (word := text_of(code)) is not None:
                hint = text_of(argument(call, -1, "hint")) or ""
                shown = "Outcome" if kind == "needs_attention" else kind
                found.add(Found(word, distribution_of(path), shown, text_of(title) or "", hint))
    return sorted(found)


def _cells(found: Found) -> tuple[str, ...]:
    return md.code(found.code), found.whose, md.code(found.kind), found.title, found.hint
