"""Settings as documents: validation, defaults, and the secrets in them by path. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator

from ..errors import FieldProblem, InvalidInput
from ..redaction import redact, secret_paths
from .document_fields import is_storable

#: Messages by JSON Schema keyword; a plugin's ``x-error`` takes precedence. None of them repeats the value.
_SENTENCES = {
    "type": "Has the wrong type.",
    "enum": "Is not one of the choices.",
    "oneOf": "Is not one of the choices.",
    "const": "Is not one of the choices.",
    "pattern": "Has the wrong form.",
    "minProperties": "Needs at least one entry.",
}


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """Settings as they are stored: ``document`` without secrets, and ``secrets`` in clear by path.

    ``version`` is the manifest's ``settings_version`` of the release that saved them.
    """

    document: Mapping[str, Any]
    secrets: Mapping[tuple[str, ...], str]
    version: int = 1


def schema_problems(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterable[FieldProblem]:
    """Return one problem per field, in a stable order, without repeating a value."""
    found: dict[tuple[str, ...], str] = {}
    errors = Draft202012Validator(schema).iter_errors(document)
    for error in sorted(errors, key=lambda e: [str(part) for part in e.absolute_path]):
        for path, sentence in _explained(document, error):
            found.setdefault(path, sentence)
    return [FieldProblem(path, sentence) for path, sentence in found.items()]


def strange_texts(document: Mapping[str, Any]) -> Iterable[FieldProblem]:
    """Yield a problem for each setting whose value or row name holds a character that databases cannot store."""
    for name, value in document.items():
        if not all(is_storable(text) for text in _texts_in(value)):
            yield FieldProblem((name,), "Contains an invalid character.")


def _texts_in(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def pasted_secrets(document: Mapping[str, Any]) -> Iterable[FieldProblem]:
    """Yield a problem for each name that is a pasted secret: names are stored and shown in clear."""
    for name, rows in document.items():
        for number, row in enumerate(rows if isinstance(rows, Mapping) else (), start=1):
            if redact(row) != row:
                yield FieldProblem(
                    (name, f"row {number}"), "This identifier looks like a secret: is it in the wrong box?"
                )


def _explained(document: Mapping[str, Any], error: Any) -> Iterable[tuple[tuple[str, ...], str]]:
    path = tuple(str(part) for part in error.absolute_path)
    if error.validator == "required":
        missing = (name for name in error.validator_value if name not in error.instance)
        return [((*path, name), "This field is required.") for name in missing]
    if "propertyNames" in error.absolute_schema_path:
        # The name may be a pasted secret, so the message has the row's number instead of the name.
        row = list(value_at(document, path)).index(error.instance) + 1
        return [((*path, f"row {row}"), "This identifier has the wrong form.")]
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        strange = [str(name) for name in error.instance if name not in known]
        # Repeat only names that look like a setting's. Any other name may be a pasted secret.
        named = [(*path, name) for name in strange if re.fullmatch("[a-z][a-z_]{0,39}", name)]
        return [(where, "This integration does not know this setting.") for where in named or [path]]
    own = error.schema.get("x-error", {}).get(error.validator)
    return [(path, own or _SENTENCES.get(error.validator, "Is not valid."))]


def with_defaults(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Fill absent keys with the schema's defaults, in the schema's order."""
    defaults = {name: part["default"] for name, part in schema.get("properties", {}).items() if "default" in part}
    return {**defaults, **document}


def stripped(given: Any) -> dict[str, Any]:
    """Return a copy of the document with its texts stripped. Raises: InvalidInput when it is not an object."""
    if not isinstance(given, Mapping):
        raise InvalidInput("The settings are not a JSON object.", hint="Send an object with the settings by name.")
    return {str(name).strip(): _strip(value) for name, value in given.items()}


def _strip(value: Any) -> Any:
    if isinstance(value, Mapping):
        return stripped(value)
    if isinstance(value, Decimal):  # files are parsed with exact numbers; settings are stored as plain JSON
        return float(value)
    return value.strip() if isinstance(value, str) else value


def keep_secrets(
    schema: Mapping[str, Any], given: dict[str, Any], stored: Mapping[tuple[str, ...], str]
) -> dict[str, Any]:
    """Return the document with the stored secrets that it does not change."""
    merged: dict[str, Any] = dict(given)
    for path, secret in stored.items():
        if _left_as_it_is(given, path):
            merged = with_value_at(merged, path, secret)
    gone = [path for path in secret_paths(schema, merged) if value_at(merged, path) in (None, "")]
    gone += {path[:1] for path in stored if merged.get(path[0], "") is None}
    return without_paths(merged, gone)


def _left_as_it_is(given: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether the stored secret at ``path`` stays: the document has nothing or an empty text there, and no ``null``."""
    if len(path) == 2 and path[0] in given and not isinstance(given[path[0]], Mapping):
        return False
    holder = value_at(given, path[:-1]) or {}
    return path[-1] not in holder or holder[path[-1]] == ""


def with_secrets(stored: StoredSettings) -> dict[str, Any]:
    """Return the whole document with secrets in clear."""
    document = dict(stored.document)
    for path, secret in stored.secrets.items():
        document = with_value_at(document, path, secret)
    return document


def secrets_by_name(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets of a document by their names for people: ``tokens.unit_1``."""
    found = {".".join(path): value_at(document, path) for path in secret_paths(schema, document)}
    return {name: secret for name, secret in found.items() if isinstance(secret, str)}


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that differ, sorted; for a map, those of its entries (``tokens.unit_1``)."""
    found: list[str] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            found += [f"{name}.{inner}" for inner in changed_fields(old or {}, new or {})]
        elif old != new:
            found.append(name)
    return found


def value_at(document: Any, path: Iterable[Any]) -> Any:
    """Return the value at a path, or None."""
    for part in path:
        if not isinstance(document, Mapping) or part not in document:
            return None
        document = document[part]
    return document


def with_value_at(document: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy of the document with one value set."""
    head, *rest = path
    inner = with_value_at(document.get(head) or {}, tuple(rest), value) if rest else value
    return {**document, head: inner}


def without_paths(document: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """Return a copy of the document without the values at these paths, and without maps that become empty."""
    gone = set(paths)
    kept: dict[str, Any] = {}
    for name, value in document.items():
        if (name,) in gone:
            continue
        if isinstance(value, Mapping) and any(path[0] == name for path in gone):
            rows = {row: v for row, v in value.items() if (name, row) not in gone}
            if rows:
                kept[name] = rows
            continue
        kept[name] = value
    return kept
