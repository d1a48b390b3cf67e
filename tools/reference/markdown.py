"""Markdown as the generated pages need it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from html import escape

#: What Markdown would make something of outside of backticks.
_MEANT_AS_IT_IS = {ord(mark): f"&#{ord(mark)};" for mark in "|_*[]\\"}
GENERATED = "`make docs` writes this page from the code; do not edit. A test fails when the two differ."


def page(title: str, *blocks: str) -> str:
    """A whole generated page: its title, where it comes from, and its blocks with an empty line between them."""
    return "\n\n".join([f"# {title}", f"*{GENERATED}*", *(block.strip("\n") for block in blocks if block)]) + "\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line ends in its cells are taken care of."""
    lines = [_row(headers), _row(["---"] * len(headers)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def code(text: object) -> str:
    """A word of code in a sentence or a cell. A bar in backticks would end the cell, or be shown with its backslash."""
    word = str(text)
    return f"`{word}`" if "|" not in word else f"<code>{escape(word).translate(_MEANT_AS_IT_IS)}</code>"


def fence(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def words(docstring: str | None) -> str:
    """A docstring's words as Markdown: one line for each paragraph, code in single backticks."""
    text = re.sub(r"``(.+?)``", r"`\1`", inspect.cleandoc(docstring or ""))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
