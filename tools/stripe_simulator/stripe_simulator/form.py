"""Stripe's form encoding: ``a[b][0][c]=v`` to nested dictionaries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from stripe_simulator.errors import bad_request

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return nested dictionaries. Lists stay dictionaries with "0", "1", … until a type says that they are lists."""
    tree: dict[str, Any] = {}
    for key, value in pairs:
        _insert(tree, _split(key), value, key)
    return tree


def _split(key: str) -> list[str]:
    match = _KEY.match(key)
    if match is None:
        raise bad_request(f"Invalid parameter name: {key}", param=key)
    return [match.group(1), *_PART.findall(match.group(2))]


def _insert(tree: dict[str, Any], path: list[str], value: str, key: str) -> None:
    node = tree
    for part in path[:-1]:
        node = node.setdefault(part or str(len(node)), {})
        if not isinstance(node, dict):
            raise bad_request(f"Invalid parameter: {key} is both a value and a hash", param=key)
    node[path[-1] or str(len(node))] = value


def is_list(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(key.isdigit() for key in value)


def inside(path: str, key: str) -> str:
    """Return the name of a nested parameter, e.g. ``lines[0][amount]``; ``path`` is "" at the top."""
    return f"{path}[{key}]" if path else key


def readable(value: Any) -> Any:
    """Return the decoded parameters for people to read, with lists as lists."""
    if is_list(value):
        return [readable(value[key]) for key in sorted(value, key=int)]
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return value
