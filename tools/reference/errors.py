"""The tree of errors with exit codes and statuses, the meaning of every code, and every wording."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

from qwoty_integrations_host import errors
from qwoty_integrations_host.errors import IntegrationError, NeedsAttention

from . import markdown as md
from . import notes
from .source import argument, calls, distribution_of, text_of, texts_of, trees

#: The heading of each occasion on which a code shows, and a sentence about it.
OCCASIONS = {
    "waits": (
        "Why a run waits",
        "The status is `waiting`; the run [goes on by itself](../operations.md#how-runs-wait-through-an-outage).",
    ),
    "ends": (
        "How a run ends",
        "The status is `needs_attention`, `failed` or `skipped`. The hint of the run says what to do.",
    ),
    "no_invoice": (
        "Why a quote has no invoice",
        "Nothing works on such a quote until a person acts ([Operations](../operations.md#quotes-without-an-invoice)).",
    ),
    "webhooks": (
        "Why a webhook is rejected",
        "The host counts these and stores nothing of them ([Operations](../operations.md#rejected-webhooks)).",
    ),
    "requests": ("Why a request or a command is refused", ""),
    "start": ("What an operator repairs", "The host or a command does not start, or a stored secret does not open."),
    "alerts": ("What only an alert says", "Any other code of an [alert](../operations.md#alerts) stands above."),
}


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
        "What the host raises and records: the classes, the meaning of each code, and every wording.",
        "## The tree",
        "A class says what the host does next. A plugin raises nothing else.",
        md.fence("text", "\n".join(_branch(IntegrationError))),
        "The code is the default. Then follow the status of a run that ends with the error (`waiting`: it goes on by "
        "itself), the exit code of a command, and the status of an HTTP response.",
        md.table(("Error", "Code", "Run, exit, HTTP", "What happens"), map(_row, _kinds())),
        *_meanings(),
        "## Every wording",
        "Each title and hint in the source; `…` is filled in. A code without a title takes that of its cause.",
        md.table(("Code", "As", "Title", "Hint"), map(_cells, all_codes())),
    )


def _meanings() -> Iterator[str]:
    for occasion, (heading, about) in OCCASIONS.items():
        yield f"## {heading}"
        yield about
        yield md.table(
            ("Code", "Meaning"), ((md.code(code), meaning) for code, meaning in notes.meanings(occasion).items())
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
