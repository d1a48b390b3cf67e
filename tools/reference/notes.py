"""What the generated pages say beyond the code: ``notes.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _all_notes() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("notes.toml").read_text("utf-8"))


def _section(kind: str) -> Mapping[str, Any]:
    found = _all_notes()
    for part in kind.split("."):
        found = found.get(part, {})
    return found


def note(kind: str, name: str) -> str:
    """The note on one command, hook, metric, setting or variable; empty if there is none."""
    return str(_section(kind).get(name, "")).strip()


def noted(kind: str) -> frozenset[str]:
    """The names that have an entry: ``metrics``, ``settings.slack``, …"""
    return frozenset(_section(kind))


def meanings(occasion: str) -> Mapping[str, str]:
    """The meaning of each code that shows on an occasion, such as ``waits``."""
    return _section(f"codes.{occasion}")


def with_note(text: str, kind: str, name: str) -> str:
    """The text from the code, followed by its note."""
    return f"{text} {note(kind, name)}".strip()
