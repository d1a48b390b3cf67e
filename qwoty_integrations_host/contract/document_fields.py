"""The kinds of fields in a quote's document: the values that each accepts, and its message for any other value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from marshmallow import ValidationError, fields, validate

_MAX_DIGITS = 28
#: A field for texts accepts integers below this one.
_MAX_INTEGER = 10**_MAX_DIGITS
DECIMAL = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
#: The digits that a double stores exactly; further digits are noise of binary arithmetic (1237.0500000000002).
_DOUBLE = Context(prec=15)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_is_stored: ContextVar[bool] = ContextVar("is_stored", default=False)


@contextmanager
def reading_stored_document() -> Iterator[None]:
    """Read a stored document inside the block, without the rules that earlier releases did not have."""
    token = _is_stored.set(True)
    try:
        yield
    finally:
        _is_stored.reset(token)


def has_just_arrived() -> bool:
    """Whether the document has just arrived, so that newer rules apply to it; they do not apply to stored documents."""
    return not _is_stored.get()


def normalized_status(status: str) -> str:
    """Return a status as one lower-case word: ``Pending Signature`` becomes ``pending_signature``."""
    return "_".join(status.lower().split())


class Amount(fields.Field[Decimal]):
    """A decimal, written as a string or a number. A float, an infinite number or one of absurd length is refused.

    A fraction of more than 15 significant digits is rounded to 15. ``below`` is the message for less than ``least``.
    """

    def __init__(self, *, least: int | None = None, below: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least = least
        self._below = below or f"Must not be less than {least}."

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise ValidationError("Must be a decimal number.")
        text = value.strip() if isinstance(value, str) else None
        if text is not None and not DECIMAL.fullmatch(text):
            raise ValidationError("Must be a decimal number.")
        try:
            number = Decimal(value if text is None else text)
        except InvalidOperation as error:
            raise ValidationError("Must be a decimal number.") from error
        if not number.is_finite() or len(number.as_tuple().digits) > _MAX_DIGITS or abs(number.adjusted()) > 18:
            raise ValidationError("Must be a finite decimal number of ordinary size.")
        if self.least is not None and number < self.least:
            raise ValidationError(self._below)
        return _without_noise(number)


def _without_noise(number: Decimal) -> Decimal:
    if len(number.as_tuple().digits) <= _DOUBLE.prec or number == number.to_integral_value():
        return number
    rounded = number.normalize(_DOUBLE)
    return rounded.quantize(Decimal(1)) if rounded == rounded.to_integral_value() else rounded


class WholeNumber(fields.Integer):
    """A whole number of ordinary size; marshmallow's own field would expand ``1E+999999999``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        number = Amount()._deserialize(value, attr, data, **kwargs)  # noqa: SLF001 - the same rules
        if number != number.to_integral_value():
            raise ValidationError("Must be a whole number.")
        return int(number)


def is_storable(text: str) -> bool:
    """Whether every database and service can store the text: it has no NUL and no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


class Text(fields.String):
    """A string that every database and service can store. Control characters become blanks; outer blanks go."""

    _to_blanks = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")  # tab and line breaks are ordinary

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if not is_storable(text):
            raise ValidationError("Contains an invalid character.")
        return self._to_blanks.sub(" ", text).strip()


class TextOrNumber(Text):
    """A text that the document may also write as an integer: a postal code, a phone number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_INTEGER:
            value = str(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Identifier(TextOrNumber):
    """An id or a number by which something is looked up: at most 255 characters, without control characters.

    A blank optional identifier counts as absent. A stored one keeps every character.
    """

    _to_blanks = re.compile(r"(?!)")

    def __init__(self, *, required: bool = False) -> None:
        length = validate.Length(min=1 if required else None, max=255)
        extra: dict[str, Any] = {"required": True} if required else {"load_default": None, "allow_none": True}
        super().__init__(validate=length, **extra)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        return super().deserialize(value, attr, data, **kwargs) or None

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if has_just_arrived() and isinstance(value, str) and _CONTROLS.search(value):
            raise ValidationError("Holds a control character: write it in printable characters alone.")
        return super()._deserialize(value, attr, data, **kwargs)

    def _validate(self, value: Any) -> None:
        if has_just_arrived():
            super()._validate(value)


class Choice(TextOrNumber):
    """One of a few words; a value that an earlier release stored is returned as it is."""

    def __init__(self, *words: str) -> None:
        right = validate.OneOf(words, error=f"Must be {' or '.join(words)}.")
        super().__init__(required=True, validate=right)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        if has_just_arrived():
            return super().deserialize(value, attr, data, **kwargs)
        return value.strip() if isinstance(value, str) else None


class NullableList(fields.List[Any]):
    """A list that may be null, which means empty."""

    def __init__(self, element: Any, **kwargs: Any) -> None:
        super().__init__(fields.Nested(element), allow_none=True, **kwargs)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        return super().deserialize([] if value is None else value, attr, data, **kwargs)


class Flag(fields.Field[bool]):
    """True or false, and nothing that is only truthy or falsy."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class Instant(fields.Field[datetime]):
    """An ISO 8601 time, returned in its own offset; a time without an offset is UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            found = datetime.fromisoformat(value)
            found = found.replace(tzinfo=found.tzinfo or UTC)
            # Near the ends of the calendar, converting to another time zone or adding a month would overflow.
            is_ordinary = 1900 <= found.astimezone(UTC).year <= 9000
        except (TypeError, ValueError, OverflowError):
            is_ordinary = False
        if not is_ordinary:
            raise ValidationError("Must be an ISO 8601 time such as 2026-03-10T09:15:00Z.")
        return found


class Roles(fields.Field[tuple[str, ...]]):
    """A list of words, or a single word: Qwoty's documentation shows both."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValidationError("Must be a list of words.")
        return tuple(word.strip().lower() for word in words)
