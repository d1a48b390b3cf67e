"""The settings form: from a plugin's JSON Schema to fields, and from a submitted form to a document. Pure.

Names in the form: a field's own name; ``_shown`` once per rendered field; for a map ``<name>.<row>.was`` (the
stored identifier), ``.key``, ``.value`` and ``.remove``. A field that was not rendered, and an empty secret, keep their
stored values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import FieldProblem
from ...redaction import redact
from .i18n import gettext as _
from .i18n import of_schema

#: The number of empty rows at the end of a map, for new entries.
_NEW_ROWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A map's entry as a row of the form. ``was``: the stored identifier, empty for a new entry."""

    number: int
    was: str = ""
    key: str = ""
    last4: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting as a field of the form. ``kind``: select, boolean, secret, map, number or text."""

    name: str
    kind: str
    title: str
    description: str = ""
    placeholder: str = ""
    group: str = ""
    value: Any = None
    #: (value, title) of each choice.
    choices: tuple[tuple[str, str], ...] = ()
    #: The condition under which the field applies, as JSON for the browser and as a text.
    show_if: str = ""
    only_when: str = ""
    #: Whether the present values meet the condition.
    active: bool = True
    is_set: bool = False
    last4: str = ""
    rows: tuple[Row, ...] = ()
    entry_title: str = ""
    error: str = ""


@dataclass(slots=True)
class Submitted:
    """A submitted form: the document to save, and the problems that were found before schema validation.

    ``rows`` has the form's row numbers by map, in the order of the document's entries; ``numbers`` by map and key.
    """

    document: dict[str, Any]
    problems: list[FieldProblem] = field(default_factory=list)
    rows: dict[str, list[int]] = field(default_factory=dict)
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)


def fields_of(
    schema: Mapping[str, Any], values: Mapping[str, Any], errors: Mapping[str, str] | None = None
) -> list[Field]:
    """Return the form's fields in the schema's order. ``values``: from ``settings.show``; ``errors``: by form name."""
    properties = schema.get("properties", {})
    return [_field(name, part, properties, values, errors or {}) for name, part in properties.items()]


def titles_of(fields: Iterable[Field]) -> dict[str, str]:
    """Return the fields' titles by name, for the summary of errors."""
    return {one.name: one.title for one in fields}


def submitted(schema: Mapping[str, Any], form: Any, stored: Mapping[str, Any]) -> Submitted:
    """Parse a submitted form (a MultiDict); ``stored`` are the values of ``settings.show``."""
    shown, sent = set(form.getlist("_shown")), Submitted({})
    for name, part in schema.get("properties", {}).items():
        if _kind(part) == "map":
            if name in shown:
                _read_map(name, form, sent)
            elif not _holds_secrets(part) and name in stored:
                sent.document[name] = stored[name]
        elif name not in shown:
            if not part.get("writeOnly") and name in stored:
                sent.document[name] = stored[name]
        else:
            value = _read(name, part, form)
            if value is not None:
                sent.document[name] = value
    return sent


def errors_of(
    schema: Mapping[str, Any],
    problems: Iterable[FieldProblem],
    sent: Submitted | None = None,
    *,
    translate: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return error messages by form name, in the reader's language; an error in a map's entry belongs to its row.

    ``translate``: translates the messages of a plugin's own validation.
    """
    translations = _translated_errors(schema)
    errors: dict[str, str] = {}
    for problem in problems:
        name = problem.path[0] if problem.path else ""
        message = translations.get(problem.message) or translate(_(problem.message))
        if len(problem.path) > 1 and sent is not None and (row := _row_of(problem.path, sent)) is not None:
            name = f"{name}.{row}"
        errors.setdefault(name, message)
    return errors


def _translated_errors(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the schema's own error messages (``x-error``) with their translations."""
    entries = (part.get("additionalProperties") for part in schema.get("properties", {}).values())
    parts = [*schema.get("properties", {}).values(), *(entry for entry in entries if isinstance(entry, Mapping))]
    return {
        message: of_schema({**part, keyword: message}, keyword)
        for part in parts
        for keyword, message in part.get("x-error", {}).items()
    }


def typed_again(schema: Mapping[str, Any], form: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values to show again after an error: the typed values, but the stored secrets."""
    shown, values = set(form.getlist("_shown")), dict(stored)
    for name, part in schema.get("properties", {}).items():
        if name in shown and not part.get("writeOnly") and _kind(part) != "map":
            # Do not show a secret again that was pasted into a wrong field.
            typed = _read(name, part, form)
            values[name] = "" if isinstance(typed, str) and redact(typed) != typed else typed
    return values


def _field(
    name: str,
    part: Mapping[str, Any],
    properties: Mapping[str, Any],
    values: Mapping[str, Any],
    errors: Mapping[str, str],
) -> Field:
    kind, value = _kind(part), values.get(name, part.get("default"))
    secret = value if kind == "secret" and isinstance(value, Mapping) else {}
    condition = part.get("x-show-if", {})
    entry = part.get("additionalProperties")
    return Field(
        name=name,
        kind=kind,
        title=of_schema(part, "title") or name,
        description=of_schema(part, "description"),
        placeholder=str(part.get("x-placeholder", "")),
        group=str(part.get("x-group", "")),
        value=None if kind in {"secret", "map"} else value,
        choices=tuple(_choices(part)),
        show_if=json.dumps(condition) if condition else "",
        only_when=_condition_text(condition, properties),
        active=_holds(condition, properties, values),
        is_set=bool(secret.get("set")),
        last4=str(secret.get("last4", "")),
        rows=tuple(_rows(name, value, errors)) if kind == "map" else (),
        entry_title=of_schema(entry, "title") if isinstance(entry, Mapping) else "",
        error=errors.get(name, ""),
    )


def _kind(part: Mapping[str, Any]) -> str:
    if part.get("writeOnly"):
        return "secret"
    if "oneOf" in part or "enum" in part:
        return "select"
    kinds = {"boolean": "boolean", "object": "map", "number": "number", "integer": "number"}
    return kinds.get(str(part.get("type")), "text")


def _holds_secrets(part: Mapping[str, Any]) -> bool:
    entry = part.get("additionalProperties")
    return isinstance(entry, Mapping) and bool(entry.get("writeOnly"))


def _choices(part: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield from ((str(one["const"]), of_schema(one, "title") or str(one["const"])) for one in part.get("oneOf", ()))
    yield from ((str(one), str(one)) for one in part.get("enum", ()))


def _holds(condition: Mapping[str, Any], properties: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(
        values.get(name, properties.get(name, {}).get("default")) == wanted for name, wanted in condition.items()
    )


def _condition_text(condition: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """Return a text such as ``Create invoice as: Open``, for browsers without JavaScript, which hide no field."""
    texts = []
    for name, wanted in condition.items():
        part = properties.get(name, {})
        choice = (_("on") if wanted else _("off")) if isinstance(wanted, bool) else dict(_choices(part)).get(wanted)
        texts.append(f"{of_schema(part, 'title') or name}{_(':')} {choice or wanted}")
    return f"{_(';')} ".join(texts)


def _rows(name: str, value: Any, errors: Mapping[str, str]) -> Iterable[Row]:
    entries = list(value.items()) if isinstance(value, Mapping) else []
    for number, (key, secret) in enumerate(entries):
        last4 = str(secret.get("last4", "")) if isinstance(secret, Mapping) else ""
        yield Row(number=number, was=key, key=key, last4=last4, error=errors.get(f"{name}.{number}", ""))
    for number in range(len(entries), len(entries) + _NEW_ROWS):
        yield Row(number=number, error=errors.get(f"{name}.{number}", ""))


def _read(name: str, part: Mapping[str, Any], form: Any) -> Any:
    text, kind = str(form.get(name, "")).strip(), _kind(part)
    if kind == "boolean":
        return name in form
    if kind == "number":
        return _number(text)
    if kind == "secret":
        return text
    return text or None


def _number(text: str) -> Any:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text or None


def whole_number(text: str) -> int | None:
    """Parse a non-negative number of at most nine digits; None if invalid."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _read_map(name: str, form: Any, sent: Submitted) -> None:
    entries: dict[str, Any] = {}
    sent.rows[name], sent.numbers[name] = [], {}
    numbers = (whole_number(key.split(".")[1]) for key in form if key.startswith(f"{name}."))
    for number in sorted({number for number in numbers if number is not None}):
        was, key, value = (str(form.get(f"{name}.{number}.{what}", "")).strip() for what in ("was", "key", "value"))
        if was and (f"{name}.{number}.remove" in form or not (key or value)):
            entries[was] = None
        elif key or value:
            message = _row_error(was, key, value, entries)
            if message:
                sent.problems.append(FieldProblem((name, f"row {len(sent.rows[name]) + 1}"), message))
            if was and was != key:
                entries.setdefault(was, None)
            entries[key] = value
            sent.rows[name].append(number)
            sent.numbers[name][key] = number
    if entries:  # an untouched map keeps its stored entries
        sent.document[name] = entries


def _row_error(was: str, key: str, value: str, entries: Mapping[str, Any]) -> str:
    if not key:
        return _("Enter the identifier.")
    if entries.get(key) is not None:
        return _("This identifier is there twice.")
    if not value and not was:
        return _("Enter a key.")
    if not value and was != key:
        return _("Enter the key again: it is not moved to another identifier by itself.")
    return ""


def _row_of(path: Sequence[str], sent: Submitted) -> int | None:
    name, entry = path[0], path[1]
    if entry in sent.numbers.get(name, {}):
        return sent.numbers[name][entry]
    word, _space, number = entry.partition(" ")
    rows = sent.rows.get(name, [])
    place = whole_number(number) or 0
    return rows[place - 1] if word == "row" and 0 < place <= len(rows) else None
