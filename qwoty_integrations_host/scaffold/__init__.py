"""Makes a new plugin from the template beside this module, a working distribution that is called My Integration.

The template is ordinary code: it is linted and type-checked where it stands, and a test renders it and runs its tests.
"""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from ..errors import ActionRefused, InvalidInput

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 40
#: Ids that the host itself goes by: as a plugin's id, and as the end of a module's name.
_TAKEN = ("platform", "integrations_host", "integrations")
_LEFT_OUT = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")


def create(name: str, into: Path) -> Path:
    """Make the folder ``name`` with a new plugin in it, and give it. ``acme-chat`` gets the id ``acme_chat``.

    Raises: InvalidInput for a name that cannot be one; ActionRefused where there is something of that name already.
    """
    plugin_id = plugin_id_of(name)
    target = into / name
    if target.exists() or target.is_symlink():
        raise ActionRefused(
            f"There is something called {name!r} here already; nothing was changed.",
            hint="Take another name, or go to another folder.",
        )
    words = {
        "my_integration": plugin_id,
        "my-integration": plugin_id.replace("_", "-"),
        "My Integration": plugin_id.replace("_", " ").title(),
    }
    _copy(files(__package__) / "template", target, words)
    return target


def plugin_id_of(name: str) -> str:
    """The id of a plugin that is called so. Raises: InvalidInput."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InvalidInput(
            f"A plugin cannot be called {name!r}.",
            hint=f"Lower-case letters and digits, in words joined by - or _, at most {_LONGEST}: acme-chat.",
        )
    plugin_id = re.sub("^qwoty_", "", name.replace("-", "_"))
    if plugin_id in _TAKEN:
        raise InvalidInput(f"The id {plugin_id!r} is the host's own.", hint="Call it by the service it speaks to.")
    return plugin_id


def _copy(source: Traversable, target: Path, words: dict[str, str]) -> None:
    if source.is_dir():
        target.mkdir()
        for inner in sorted(source.iterdir(), key=lambda one: one.name):
            if inner.name not in _LEFT_OUT:
                _copy(inner, target / _worded(inner.name, words), words)
    else:
        target.write_text(_worded(source.read_text("utf-8"), words), "utf-8")


def _worded(text: str, words: dict[str, str]) -> str:
    for placeholder, word in words.items():
        text = text.replace(placeholder, word)
    return text
