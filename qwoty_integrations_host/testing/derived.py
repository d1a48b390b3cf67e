"""The conformance suite without an author's fixtures: settings are derived from the schema.

Without a stand-in for the service the network is blocked, and checks that need the service are skipped.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ..contract.hook_types import Manifest
from ..contract.settings_document import schema_problems, with_defaults
from .conformance import PluginConformance
from .network import no_network
from .nonconformity import not_checked


class DerivedConformance(PluginConformance):
    """The suite with settings from the schema's examples, defaults, choices and patterns."""

    @pytest.fixture(autouse=True)
    def _no_network(self) -> Iterator[None]:
        with no_network():
            yield

    @pytest.fixture
    def valid_settings(self, manifest: Manifest) -> Mapping[str, Any]:
        return derived_settings(manifest.settings_schema) or not_checked(
            "no valid settings could be made from the schema: give examples there, or your test class by --tests"
        )

    @pytest.fixture
    def invalid_settings(self, manifest: Manifest) -> Sequence[tuple[Mapping[str, Any], str]]:
        valid = derived_settings(manifest.settings_schema)
        return [] if valid is None else list(_invalid(manifest.settings_schema, valid))


def derived_settings(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return minimal settings that the schema accepts; None when none can be derived."""
    return copy.deepcopy(_derived(json.dumps(schema)))


@cache
def _derived(text: str) -> dict[str, Any] | None:
    schema: dict[str, Any] = json.loads(text)
    settings: dict[str, Any] = {}
    # Validation reports which settings a condition requires.
    for _ in range(len(schema.get("properties", {})) + 1):
        problems = list(schema_problems(schema, with_defaults(schema, settings)))
        if not problems:
            return settings
        name = problems[0].path[0] if problems[0].path else ""
        value = _value(schema.get("properties", {}).get(name, {}))
        if value is None or name in settings:
            return None
        settings[name] = value
    return None


def _value(part: Mapping[str, Any]) -> Any:
    values = part.get("additionalProperties")
    if isinstance(values, Mapping):
        inner = _value(values)
        return None if inner is None else {"unit1": inner}
    choices = [one.get("const") for one in part.get("oneOf", ()) if isinstance(one, Mapping)]
    from_schema = [*part.get("examples", ()), part.get("x-placeholder"), *choices, *part.get("enum", ())]
    candidates = chain(from_schema, [False, 1], _texts(part))
    is_valid = Draft202012Validator(part).is_valid
    return next((value for value in candidates if value is not None and is_valid(value)), None)


def _texts(part: Mapping[str, Any]) -> Iterator[str]:
    yield from ("conformance", "https://service.invalid", "conformance@service.invalid")
    if "pattern" in part:
        # lazy: it is slow to import, and only settings without an example need it
        from hypothesis import find, settings  # noqa: PLC0415
        from hypothesis.errors import HypothesisException  # noqa: PLC0415
        from hypothesis.strategies import from_regex  # noqa: PLC0415

        try:
            plain = from_regex(re.compile(str(part["pattern"]), re.ASCII), fullmatch=True)
            # Long enough to search for: a secret of two letters would be found everywhere.
            length = max(12, int(part.get("minLength", 0)))
            yield find(plain, lambda text: len(text) >= length and text.isprintable(), settings=settings(database=None))
            yield find(plain, str.isprintable, settings=settings(database=None))
        except (HypothesisException, re.error):
            return


def _invalid(schema: Mapping[str, Any], valid: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for name, part in schema.get("properties", {}).items():
        if part.get("type") == "boolean":
            yield {**valid, name: "perhaps"}, name
        if part.get("oneOf"):
            yield {**valid, name: "conformance-choice"}, name
    for name in schema.get("required", ()):
        if name in valid:
            yield {other: value for other, value in valid.items() if other != name}, name
    yield {**valid, "conformance_setting": True}, "conformance_setting"
