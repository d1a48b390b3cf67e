"""The settings schema follows the conventions on which the console's form and the host's messages rely."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from ...contract.hook_types import Manifest
from ..nonconformity import require, require_none
from .fixtures import ConformanceFixtures

DRAFT = "https://json-schema.org/draft/2020-12/schema"
#: The keywords that a schema, and a setting, may have beside annotations that begin with ``x-``.
_ROOT = set("$schema $id title description type properties required additionalProperties if then else".split())
_SETTING = set(
    "type title description default examples oneOf const format writeOnly pattern propertyNames additionalProperties "
    "minProperties maxProperties minimum maximum multipleOf minLength maxLength".split()
)
_TYPES = ("string", "boolean", "integer", "number", "object")
_SECRET = re.compile(r"(^|_)(token|tokens|secret|password|api_key|key)$")
_SEE_DOCS = "docs/writing-a-plugin.md shows a schema that keeps to all of this."


class SchemaChecks(ConformanceFixtures):
    """Checks on the schema, one per convention."""

    def test_its_schema_is_named_and_of_the_right_draft(self, manifest: Manifest) -> None:
        schema = manifest.settings_schema
        problems = []
        if schema.get("$schema") != DRAFT:
            problems.append(f"Its $schema is not {DRAFT}.")
        if not re.search(r"\d+(\.json)?$", str(schema.get("$id", ""))):
            problems.append("Its $id is missing, or does not end with a version.")

        require_none(
            problems,
            why="Whoever keeps a settings file must know which form it follows, and tools which rules.",
            mend=f'Say "$schema": "{DRAFT}" and an "$id" such as "urn:qwoty:{self.plugin_id}:settings:1".',
        )

    def test_its_schema_is_flat(self, manifest: Manifest) -> None:
        schema = manifest.settings_schema
        problems = [] if schema.get("type") == "object" else ["The schema is not of the type object."]
        for name, part in _settings(schema):
            if part.get("type") not in _TYPES:
                problems.append(f"{name} is of the type {part.get('type')!r}, not one of {', '.join(_TYPES)}.")
            if part.get("type") == "object" and ("properties" in part or not _map_values(part)):
                problems.append(f"{name} is an object that is no map: it needs additionalProperties of type string.")

        require_none(
            problems,
            why="A form shows one level, and an error has to name one field that people can see.",
            mend=f"Give every setting a name of its own; a map has propertyNames and additionalProperties. {_SEE_DOCS}",
        )

    def test_its_schema_is_closed(self, manifest: Manifest) -> None:
        require(
            manifest.settings_schema.get("additionalProperties") is False,
            "The schema takes settings that it does not know.",
            why="A misspelt setting would be stored and have no effect.",
            mend='Say "additionalProperties": false at its root.',
        )

    def test_every_setting_has_title_and_description(self, manifest: Manifest) -> None:
        parts = [("The schema", manifest.settings_schema), *_settings(manifest.settings_schema)]

        require_none(
            [
                f"{name} has no {word}."
                for name, part in parts
                for word in ("title", "description")
                if not str(part.get(word, "")).strip()
            ],
            why="They are the labels and the help of the form; a setting's name explains itself to its author only.",
            mend=f"Write both in plain English. {_SEE_DOCS}",
        )

    def test_every_optional_setting_has_a_default_that_is_valid(self, manifest: Manifest) -> None:
        schema = manifest.settings_schema
        problems = []
        for name, part in _settings(schema):
            if (
                "default" not in part
                and name not in _required(schema)
                and not _is_secret(part)
                and not _map_values(part)
            ):
                problems.append(f"{name} is optional and has no default.")
            if "default" in part and any(Draft202012Validator(part).iter_errors(part["default"])):
                problems.append(f"The default of {name} is not valid.")

        require_none(
            problems,
            why="Hooks get every setting with its default filled in; one without may be absent, and then a run fails.",
            mend="Give it a default, or name it in `required`.",
        )

    def test_secrets_are_marked(self, manifest: Manifest) -> None:
        problems = []
        for name, part in _settings(manifest.settings_schema):
            inner = _map_values(part) or part
            is_choice = "oneOf" in inner or inner.get("type") != "string"
            if _SECRET.search(name) and not is_choice and not inner.get("writeOnly"):
                problems.append(f"{name} sounds like a secret and is not marked writeOnly.")
            if bool(inner.get("writeOnly")) != (inner.get("format") == "password"):
                problems.append(f"{name} has only one of writeOnly and format: password.")
            if inner.get("writeOnly") and ("pattern" not in inner or "default" in inner):
                problems.append(f"{name} is a secret; it needs a pattern, and no default.")

        require_none(
            problems,
            why="By writeOnly the host knows what to encrypt and never to show; an unmarked secret is stored in clear.",
            mend='A secret says "format": "password", "writeOnly": true and a "pattern".',
        )

    def test_choices_and_conditions_are_of_the_plain_kind(self, manifest: Manifest) -> None:
        schema = manifest.settings_schema
        problems = [f"The schema says {word!r}." for word in sorted(_strange(schema, _ROOT))]
        for name, part in _settings(schema):
            problems += [f"{name} says {word!r}." for word in sorted(_strange(part, _SETTING))]
            choices = part.get("oneOf", ())
            if not all(isinstance(one, Mapping) and {"const", "title"} <= set(one) for one in choices):
                problems.append(f"{name} has choices that are not of const and title.")
        for branch in ("then", "else"):
            if set(schema.get(branch, {})) - {"required"}:
                problems.append(f"The branch {branch!r} says more than `required`.")

        require_none(
            problems,
            why="With anything else the form cannot be shown, or one mistake makes several messages at wrong places.",
            mend=f"Choices are `oneOf` of const and title, conditions one root if/then/else of `required`; own "
            f"annotations begin with x-. {_SEE_DOCS}",
        )

    def test_what_is_shown_on_a_condition_names_settings(self, manifest: Manifest) -> None:
        known = dict(_settings(manifest.settings_schema))

        require_none(
            [
                f"{name} is shown if {other} has a value, and there is no setting {other}."
                for name, part in known.items()
                for other in part.get("x-show-if", {})
                if other not in known
            ],
            why="The field would never be shown.",
            mend="Name settings of this schema in x-show-if.",
        )


def _settings(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, part in schema.get("properties", {}).items():
        yield name, part if isinstance(part, Mapping) else {}


def _map_values(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of a map's values; None for another setting."""
    values = part.get("additionalProperties")
    return values if isinstance(values, Mapping) else None


def _is_secret(part: Mapping[str, Any]) -> bool:
    return bool(part.get("writeOnly"))


def _required(schema: Mapping[str, Any]) -> set[str]:
    return {name for place in (schema, schema.get("then", {}), schema.get("else", {})) for name in _named(place)}


def _named(place: Mapping[str, Any]) -> list[str]:
    return list(place.get("required", ()))


def _strange(part: Mapping[str, Any], known: set[str]) -> set[str]:
    return {word for word in part if word not in known and not word.startswith("x-")}
