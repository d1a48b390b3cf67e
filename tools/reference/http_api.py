"""The HTTP API, from its OpenAPI description: every route with its scope, parameters, bodies and answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from write_schemas import openapi

from . import markdown as md

Part = Mapping[str, Any]


def page() -> str:
    document = openapi()
    routes = list(_routes(document))
    return md.page(
        "Reference: HTTP API",
        "The same as `schemas/host/openapi.v1.json` and `GET /v1/openapi.json`, for people. "
        "[The HTTP API](../api.md) shows how it is used, with examples that run. A write takes an `Idempotency-Key` "
        "where it says so; every error is a `Problem`.",
        md.table(
            ("What it does", "Route", "Scope"),
            [
                (f"[{found['summary']}](#{found['operationId']})", md.code(f"{method} {path}"), _scope(found))
                for path, method, found in routes
            ],
        ),
        *(
            block
            for tag, group in groupby(routes, key=lambda route: _tag(route[2]))
            for block in _group(tag, group, document)
        ),
        "## Bodies and answers",
        *(block for name in sorted(document["components"]["schemas"]) for block in _schema(name, document)),
    )


def _routes(document: Part) -> Iterator[tuple[str, str, Part]]:
    for path, found in document["paths"].items():
        for method, operation in found.items():
            if method != "parameters":
                shared = found.get("parameters", ())
                yield path, method.upper(), {**operation, "parameters": [*shared, *operation.get("parameters", ())]}


def _tag(operation: Part) -> str:
    return str(operation["tags"][0])


def _scope(operation: Part) -> str:
    scopes = [scope for one in operation.get("security", ()) for scope in one.get("bearer", ())]
    return ", ".join(map(md.code, scopes)) or "–"


def _group(tag: str, routes: Iterator[tuple[str, str, Part]], document: Part) -> Iterator[str]:
    yield f"## Routes: {tag}"
    for path, method, operation in routes:
        yield f"### {operation['operationId']}"
        yield md.fence("text", f"{method} {path}")
        yield f"{operation['summary']}. {operation.get('description', '')}".strip()
        given = [_resolved(parameter, document) for parameter in operation["parameters"]]
        rows = [_parameter(found) for found in given if found["in"] != "path"]
        if rows:
            yield md.table(("Parameter", "In", "Type", "Meaning"), rows)
        body = operation.get("requestBody", {})
        lines = [f"Body: {_shape(_schema_of(body))}. {body.get('description', '')}".strip()] if body else []
        answers = [(status, answer) for status, answer in operation["responses"].items() if status != "default"]
        lines += [f"{status}: {_answer(_resolved(answer, document))}" for status, answer in answers]
        yield "\n".join(f"- {line}" for line in lines)


def _resolved(found: Part, document: Part) -> Part:
    while "$ref" in found:
        *_, place, name = found["$ref"].split("/")
        found = document["components"][place][name]
    return found


def _parameter(found: Part) -> tuple[str, ...]:
    schema = found.get("schema", {})
    meaning = found.get("description") or schema.get("description", "")
    return md.code(found["name"]), found["in"], _shape(schema), meaning


def _answer(found: Part) -> str:
    schema = _schema_of(found)
    words = str(found.get("description", "")).rstrip(".")
    return f"{words} ({_shape(schema)})" if schema else words


def _schema_of(found: Part) -> Part:
    return next((part.get("schema", {}) for part in found.get("content", {}).values()), {})


def _shape(schema: Part) -> str:
    """What a value looks like, in a few words; named schemas are linked."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(_shape(part) for part in schema[word])
    kinds = schema.get("type", "any")
    shown = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    if "enum" in schema:
        return ", ".join(md.code(value) for value in schema["enum"])
    if shown.startswith("array"):
        return f"list of {_shape(schema.get('items', {}))}"
    if shown.startswith("object") and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map to {_shape(schema['additionalProperties'])}"
    return f"{shown} ({schema['format']})" if "format" in schema else shown


def _schema(name: str, document: Part) -> Iterator[str]:
    schema = document["components"]["schemas"][name]
    required = set(schema.get("required", ()))
    yield f"### {name}"
    if "description" in schema:
        yield schema["description"]
    rows = [
        (md.code(field), _shape(found), "yes" if field in required else "", found.get("description", ""))
        for field, found in schema.get("properties", {}).items()
    ]
    if rows:
        yield md.table(("Field", "Type", "Always", "Meaning"), rows)
