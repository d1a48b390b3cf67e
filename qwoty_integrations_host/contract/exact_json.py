"""Parses JSON without losing digits of numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from ..errors import MalformedInput

_MAX_DEPTH = 64
#: A string (so that its content is skipped), a constant that JSON does not have, or a number.
_TOKENS = re.compile(r'"(?:\\.|[^"\\])*"|(?P<constant>NaN|-?Infinity)|(?P<number>-?\d[\d.eE+-]*)', re.DOTALL)


def parse_json(raw: bytes | str) -> Any:
    """Parse JSON with every number as ``Decimal`` or ``int``, so that money never passes through a float.

    Raises: MalformedInput, which says where the JSON breaks off and never quotes it.
    """
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1}, line {error.object[: error.start].count(10) + 1}"
        raise MalformedInput(f"The document is not UTF-8 text ({where}).", hint="Save it as UTF-8.") from error
    if not text.strip():
        raise MalformedInput("The document is empty.", hint="It has to hold JSON, such as {}.")
    try:
        found = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedInput(f"The document is not valid JSON ({where}).", hint="Is it truncated?") from error
    except (ValueError, InvalidOperation) as error:
        raise _strange_number(text) from error
    except RecursionError as error:
        raise _too_deep() from error
    if not _is_shallow(found):
        raise _too_deep()
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _strange_number(text: str) -> MalformedInput:
    """Return an error that locates the first number that is not JSON or too large; Python's error has no position."""
    for token in _TOKENS.finditer(text):
        before = text[: token.start()]
        where = f"line {before.count(chr(10)) + 1}, column {token.start() - before.rfind(chr(10))}"
        if token["constant"]:
            return MalformedInput(
                f"JSON knows no {token['constant']} ({where}).", hint="Give a number, or null where there is none."
            )
        if token["number"] and not _is_sensible(token["number"]):
            return MalformedInput(
                f"The number at {where} is too long or too large.", hint="Give a number of a sensible size."
            )
    return MalformedInput("The document holds a number that JSON does not allow.", hint="Correct that number.")


def _is_sensible(number: str) -> bool:
    try:
        json.loads(number, parse_float=Decimal)
    except (ValueError, InvalidOperation):
        return False
    return True


def _too_deep() -> MalformedInput:
    return MalformedInput(
        f"The document is nested more than {_MAX_DEPTH} levels deep.", hint="Take out what is nested so deeply."
    )


def _is_shallow(found: Any) -> bool:
    level = [found]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    return not level


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
