"""Fields of answers: always there, described, and ``None`` only where that means something."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, INCLUDE, Schema, fields, post_dump


def text(description: str = "", *, nullable: bool = False, **facts: Any) -> fields.String:
    """A string; ``facts`` go into the description as they are."""
    return fields.String(required=True, allow_none=nullable, metadata=_about(description, facts))


def money(description: str, *, nullable: bool = True) -> fields.String:
    """Money: a decimal string in major units."""
    return text(description, nullable=nullable, examples=["9102.00"])


def moment(description: str = "", *, nullable: bool = False) -> fields.String:
    """A time in UTC."""
    return text(description, nullable=nullable, format="date-time")


def integer(description: str, *, nullable: bool = False) -> fields.Integer:
    """A whole number."""
    return fields.Integer(required=True, allow_none=nullable, metadata=_about(description, {}))


def flag(description: str) -> fields.Boolean:
    """True or false."""
    return fields.Boolean(required=True, metadata=_about(description, {}))


def texts(description: str) -> fields.List[Any]:
    """A list of strings."""
    return fields.List(fields.String(), required=True, metadata=_about(description, {}))


def one(schema: type[Schema], description: str = "", *, nullable: bool = False) -> fields.Nested:
    """An object."""
    return fields.Nested(schema, required=True, allow_none=nullable, metadata=_about(description, {}))


def many(schema: type[Schema], description: str = "") -> fields.List[Any]:
    """A list of objects."""
    return fields.List(fields.Nested(schema), required=True, metadata=_about(description, {}))


def mapping(description: str, values: fields.Field[Any] | None = None) -> fields.Dict:
    """An object whose names are not known here."""
    return fields.Dict(keys=fields.String(), values=values, required=True, metadata=_about(description, {}))


class Answer(Schema):
    """What the API answers with; a later release may add fields."""

    class Meta:
        unknown = EXCLUDE


class Open(Schema):
    """An object that may hold more than what is described, such as an integration's own results."""

    class Meta:
        unknown = INCLUDE

    @post_dump(pass_original=True)
    def _keep_the_rest(self, shown: dict[str, Any], original: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**original, **shown}


def _about(description: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {**({"description": description} if description else {}), **facts}
