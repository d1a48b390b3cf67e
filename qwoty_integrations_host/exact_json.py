"""Reading JSON without losing a digit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import MalformedInput

_MAX_DEPTH = 64


def parse_json(raw: bytes | str) -> Any:
    """Parse JSON with every number as ``Decimal`` or ``int``, so that money never passes through a float.

    Raises: MalformedInput, which says where the text stops being JSON and never quotes it.
    """
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        found = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
        return _shallow(found)
    except UnicodeDecodeError as error:
        raise MalformedInput("The document is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedInput(f"The document is not valid JSON ({where}).", hint="Is it truncated?") from error
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise MalformedInput("The document holds a number or a nesting that JSON does not allow.") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _shallow(found: Any) -> Any:
    level = [found]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError("nested too deeply")
    return found


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
