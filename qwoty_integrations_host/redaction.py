"""Removes secrets from texts that are stored or shown: by their shape, and by ``writeOnly``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# In JSON, the text before a secret may be an escape: `\n` at the beginning of a line, `\u00e9` after an accent.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
_UNDERSCORED = r"(?:(?:sk|rk)_(?:live|test)|whsec|qwh|qwt)_[A-Za-z0-9_\-+/=]{4,}"
_HYPHENED = r"xox[a-z]-[A-Za-z0-9-]{4,}"
_SHAPES = re.compile(f"{_BEFORE}(?:{_UNDERSCORED}|{_HYPHENED})")
_BEGINNING = re.compile(r"[a-z]+[_-]")
#: The last four characters of a shorter secret would reveal too much of it.
_LONG_ENOUGH = 12


def redact(text: str) -> str:
    """Replace everything that has the shape of a secret."""
    return _SHAPES.sub(lambda found: _BEGINNING.findall(found.group())[0] + "…", text)


def redacted(document: Any) -> Any:
    """Return a copy of a JSON document with everything replaced that has the shape of a secret."""
    return json.loads(redacted_json(document))


def redacted_json(document: Any) -> str:
    """Return a document as JSON, with everything replaced that has the shape of a secret."""
    text = redact(json.dumps(document, ensure_ascii=False))
    # A lone surrogate cannot be encoded, but can be escaped.
    return text.encode("utf-8", "backslashreplace").decode()


def secret_paths(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the values in a settings document that the plugin's schema marks ``writeOnly``."""
    for name, part in schema.get("properties", {}).items():
        if part.get("writeOnly"):
            yield (name,)
        rows = part.get("additionalProperties")
        if isinstance(rows, Mapping) and rows.get("writeOnly") and isinstance(document.get(name), Mapping):
            yield from ((name, row) for row in document[name])


def masked(secret: str) -> dict[str, Any]:
    """Return the shown form of a stored secret: that it is set, and its last four characters unless it is short."""
    return {"set": True, "last4": secret[-4:] if len(secret) >= _LONG_ENOUGH else ""}
