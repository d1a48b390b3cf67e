"""Creates a new plugin from the template beside this module, a working distribution called My Integration.

The template is ordinary code: it is linted and type-checked in place, and a test renders it and runs its tests.
"""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from ..errors import ActionRefused, InvalidInput

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 40
#: Ids that the host itself uses: as a plugin's id, or in the name of its package.
_RESERVED = ("platform", "integrations_host", "integrations")
_LEFT_OUT = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")


def create(name: str, into: Path) -> Path:
    """Create the folder ``name`` with a new plugin, and return it. ``acme-chat`` gets the id ``acme_chat``.

    Raises: InvalidInput for an invalid name; ActionRefused when the folder exists.
    """
    plugin_id = plugin_id_of(name)
    target = into / name
    if target.exists() or target.is_symlink():
        raise ActionRefused(
            f"There is something called {name!r} here already; nothing was changed.",
            hint="Take another name, or go to another folder.",
        )
    placeholders = {
        "my_integration": plugin_id,
        "my-integration": plugin_id.replace("_", "-"),
        "My Integration": plugin_id.replace("_", " ").title(),
    }
    _copy(files(__package__) / "template", target, placeholders)
    return target


def plugin_id_of(name: str) -> str:
    """Return the plugin id for a name. Raises: InvalidInput."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InvalidInput(
            f"A plugin cannot be called {name!r}.",
            hint=f"Lower-case letters and digits, in words joined by - or _, at most {_LONGEST}: acme-chat.",
        )
    plugin_id = re.sub("^qwoty_", "", name.replace("-", "_"))
    if plugin_id in _RESERVED:
        raise InvalidInput(f"The id {plugin_id!r} is the host's own.", hint="Call it by the service it speaks to.")
    return plugin_id


def _copy(source: Traversable, target: Path, placeholders: dict[str, str]) -> None:
    if source.is_dir():
        target.mkdir()
        for inner in sorted(source.iterdir(), key=lambda one: one.name):
            if inner.name not in _LEFT_OUT:
                _copy(inner, target / _filled_in(inner.name, placeholders), placeholders)
    else:
        target.write_text(_filled_in(source.read_text("utf-8"), placeholders), "utf-8")


def _filled_in(text: str, placeholders: dict[str, str]) -> str:
    for placeholder, value in placeholders.items():
        text = text.replace(placeholder, value)
    return text
