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


def note(kind: str, name: str) -> str:
    """The note on one command, hook, metric or variable; empty if there is none."""
    return str(_all_notes()[kind].get(name, "")).strip()


def noted(kind: str) -> frozenset[str]:
    """Every command, hook, metric or variable that has an entry."""
    return frozenset(_all_notes()[kind])


def codes() -> Mapping[str, Mapping[str, str]]:
    """The meaning of each code, by the occasion on which it shows."""
    found: Mapping[str, Mapping[str, str]] = _all_notes()["codes"]
    return found


def with_note(text: str, kind: str, name: str) -> str:
    """The text from the code, followed by its note."""
    return f"{text} {note(kind, name)}".strip()
