"""The settings of every plugin in the checkout, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import markdown as md
from .notes import note
from .source import plugin_packages


def page() -> str:
    top = (
        "One section for each integration, in the order of its form. The console's form, `settings set` and the HTTP "
        "API accept the same document. A secret that is left out or empty keeps its stored value; `null` removes it."
    )
    return md.page("Reference: settings", top, *(block for package in plugin_packages() for block in _plugin(package)))


def _plugin(package: Path) -> Iterator[str]:
    schema = json.loads((package / "settings.schema.json").read_text("utf-8"))
    yield f"## {schema['title']}"
    yield f"{schema.get('description', '')} Id: {md.code(package.parent.name)}."
    required = set(schema.get("required", ()))
    rows = [
        _row(name, found, required=name in required, note=note(f"settings.{package.parent.name}", name))
        for name, found in schema["properties"].items()
    ]
    yield md.table(("Key", "Values", "Default", "Meaning"), rows)


def _row(name: str, found: Mapping[str, Any], *, required: bool, note: str) -> tuple[str, ...]:
    when = " and ".join(f"{md.code(key)} is {_value(value)}" for key, value in found.get("x-show-if", {}).items())
    default = _value(found["default"]) if "default" in found else "required" if required else "–"
    meaning = [f"**{found['title']}.**", found.get("description", ""), f"Applies while {when}." if when else "", note]
    return md.code(name), _values(found), default, " ".join(part for part in meaning if part)


def _values(found: Mapping[str, Any]) -> str:
    if "oneOf" in found:
        return "; ".join(f"{_value(choice['const'])} ({choice['title']})" for choice in found["oneOf"])
    if found.get("type") == "object" and isinstance(found.get("additionalProperties"), Mapping):
        return f"map of words to {_values(found['additionalProperties'])}"
    kind = "`true` or `false`" if found.get("type") == "boolean" else str(found.get("type", "any"))
    kind = "secret" if found.get("writeOnly") else kind
    return f"{kind} like {md.code(found['pattern'])}" if "pattern" in found else kind


def _value(value: Any) -> str:
    return md.code(json.dumps(value) if not isinstance(value, str) else value)
