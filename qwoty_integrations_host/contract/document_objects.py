"""What the objects of a quote's document have in common: unknown fields, null, and the dataclass that is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, post_load, pre_load

from . import quote as q
from .document_fields import Amount, Identifier, TextOrNumber, WholeNumber


class DocumentObject(Schema):
    """Base of the document's objects: ignores unknown fields, and treats null in an optional field as absent."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _leave_out_nulls(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None or not self._is_optional(name)}

    def _is_optional(self, name: str) -> bool:
        field = self.fields.get(name)
        return field is not None and not field.required


class DocumentPart(DocumentObject):
    """An object that becomes an instance of the dataclass ``makes``."""

    makes: Any = None

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        return self.makes(**{name: tuple(v) if isinstance(v, list) else v for name, v in data.items()})


def optional_text() -> TextOrNumber:
    """Return a field for a text that may be absent or null."""
    return TextOrNumber(load_default=None, allow_none=True)


def optional_amount() -> Amount:
    """Return a field for a decimal that may be absent or null."""
    return Amount(load_default=None, allow_none=True)


def optional_rank() -> WholeNumber:
    """Return a field for a whole number that may be absent or null."""
    return WholeNumber(load_default=None, allow_none=True)


def optional_part(schema: type[DocumentPart], *, default: Any = None) -> fields.Nested:
    """Return a field for an object that may be absent or null."""
    return fields.Nested(schema, load_default=default, allow_none=True)


class ExternalIdsSchema(DocumentPart):
    makes = q.ExternalIds
    crm, erp, accounting = Identifier(), Identifier(), Identifier()


def by_rank(items: Sequence[Any], attribute: str = "rank") -> tuple[Any, ...]:
    """Sort by rank; ties and missing ranks keep their position (``sorted`` is stable)."""
    return tuple(sorted(items, key=lambda item: _rank_or_last(getattr(item, attribute))))


def _rank_or_last(rank: int | None) -> tuple[bool, int]:
    return (rank is None, rank or 0)
