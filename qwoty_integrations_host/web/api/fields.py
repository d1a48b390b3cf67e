"""Fields of responses: always present, described, and null only where that has a meaning."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, INCLUDE, Schema, fields, post_dump


def text(description: str = "", *, nullable: bool = False, **facts: Any) -> fields.String:
    """A string; ``facts`` are further keywords of its JSON Schema."""
    return fields.String(required=True, allow_none=nullable, metadata=_metadata(description, facts))


def money(description: str, *, nullable: bool = True) -> fields.String:
    """Money: a decimal string in major units."""
    return text(description, nullable=nullable, examples=["9102.00"])


def moment(description: str = "", *, nullable: bool = False) -> fields.String:
    """A time in UTC."""
    return text(description, nullable=nullable, format="date-time")


def integer(description: str, *, nullable: bool = False) -> fields.Integer:
    """A whole number."""
    return fields.Integer(required=True, allow_none=nullable, metadata=_metadata(description, {}))


def flag(description: str) -> fields.Boolean:
    """True or false."""
    return fields.Boolean(required=True, metadata=_metadata(description, {}))


def texts(description: str) -> fields.List[Any]:
    """A list of strings."""
    return fields.List(fields.String(), required=True, metadata=_metadata(description, {}))


def one(schema: type[Schema], description: str = "", *, nullable: bool = False) -> fields.Nested:
    """An object."""
    return fields.Nested(schema, required=True, allow_none=nullable, metadata=_metadata(description, {}))


def many(schema: type[Schema], description: str = "") -> fields.List[Any]:
    """A list of objects."""
    return fields.List(fields.Nested(schema), required=True, metadata=_metadata(description, {}))


def mapping(description: str, values: fields.Field[Any] | None = None) -> fields.Dict:
    """An object with arbitrary names."""
    return fields.Dict(keys=fields.String(), values=values, required=True, metadata=_metadata(description, {}))


class ResponseSchema(Schema):
    """The base of every response's schema; a later release may add fields."""

    class Meta:
        unknown = EXCLUDE


class OpenSchema(Schema):
    """An object with further fields that are not described, such as an integration's own results."""

    class Meta:
        unknown = INCLUDE

    @post_dump(pass_original=True)
    def _keep_undescribed(self, dumped: dict[str, Any], original: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**original, **dumped}


def _metadata(description: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {**({"description": description} if description else {}), **facts}
