"""Write the published schemas from the code: `make schemas`. A test fails when they drift."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask

import qwoty_slack.settings
import qwoty_stripe_invoice.settings
from qwoty_integrations_host.contract import quote_schema
from qwoty_integrations_host.contract.hook_types import Manifest
from qwoty_integrations_host.web import api
from qwoty_integrations_host.web.api.description import own_fields

ROOT = Path(__file__).resolve().parent.parent / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def published() -> Mapping[str, dict[str, Any]]:
    """Every published schema by its path below ``schemas/``."""
    return {
        "host/quote.v1.json": quote(),
        "host/plugin_manifest.v1.json": plugin_manifest(),
        "host/openapi.v1.json": openapi(),
        "plugins/slack.settings.v1.json": dict(qwoty_slack.settings.settings_schema()),
        "plugins/stripe_invoice.settings.v1.json": dict(qwoty_stripe_invoice.settings.settings_schema()),
    }


def quote() -> dict[str, Any]:
    """The canonical quote, from the marshmallow schema that loads it."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec("quote", "1", "3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(own_fields)
    spec.components.schema("Quote", schema=quote_schema.QuoteSchema)
    parts: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    text = json.dumps(parts, default=str).replace("#/components/schemas/", "#/$defs/")
    definitions = json.loads(text)
    top = definitions.pop("Quote")
    return {
        "$schema": DRAFT,
        "$id": "urn:qwoty:host:quote:1",
        "title": "Accepted quote",
        "description": "What the host takes when a quote is accepted. Money is in major units, as decimal strings "
        "or numbers; unknown fields are ignored.",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def _name(schema: Any) -> str:
    found = schema if isinstance(schema, type) else type(schema)
    return found.__name__.removesuffix("Schema")


def plugin_manifest() -> dict[str, Any]:
    """What a plugin says of itself."""
    text = {"type": "string", "minLength": 1}
    properties = {
        "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"},
        "title": text,
        "description": text,
        "version": text,
        "hook_api": {"type": "integer", "minimum": 1},
        "settings_schema": {"type": "object", "description": "JSON Schema 2020-12 of the plugin's settings."},
        "settings_version": {"type": "integer", "minimum": 1, "default": 1},
        "confirms_writes": {"type": "boolean", "default": False},
        "capabilities": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    }
    # Files of the package, and nothing that a program reads in the manifest.
    described = set(properties) | {"translations"}
    assert described == set(Manifest.__dataclass_fields__), "a field of Manifest is not described"
    return {
        "$schema": DRAFT,
        "$id": "urn:qwoty:host:plugin_manifest:1",
        "title": "Plugin manifest",
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in {"capabilities", "settings_version"}],
        "additionalProperties": False,
    }


def openapi() -> dict[str, Any]:
    """The HTTP API, as ``/v1/openapi.json`` describes it."""
    document: dict[str, Any] = json.loads(json.dumps(api.register(Flask("description")).openapi(), default=str))
    return document


def as_text(schema: Mapping[str, Any]) -> str:
    """The text of a published file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for path, schema in published().items():
        file = ROOT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(as_text(schema), "utf-8")
        print(f"schemas/{path}")


if __name__ == "__main__":
    main()
