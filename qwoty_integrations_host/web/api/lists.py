"""Lists in pages: ``limit`` and ``starting_after`` in, ``{"data", "has_more"}`` out, newest first."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from .fields import ResponseSchema, many

MOST = 100


class PageQuery(Schema):
    """Which page of a list."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MOST), metadata={"description": "How many."})
    starting_after = fields.String(
        load_default=None,
        validate=validate.Length(1, 255),
        metadata={"description": "The id of the last item of the page before."},
    )


def list_of(item: type[Schema]) -> type[Schema]:
    """The schema of one page of items."""
    name = item.__name__.removesuffix("Schema") + "ListSchema"
    members: dict[str, Any] = {
        "__doc__": "One page, newest first.",
        "data": many(item),
        "has_more": fields.Boolean(required=True, metadata={"description": "Whether another page follows."}),
    }
    return type(name, (ResponseSchema,), members)


def whole(items: list[Any]) -> dict[str, Any]:
    """A list that fits on one page."""
    return {"data": items, "has_more": False}
