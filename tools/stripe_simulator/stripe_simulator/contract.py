"""Check requests and answers against the SDK's own published types.

Parameters become typed values: "1900" an int, "true" a bool, "5.5" a Decimal, ``lines[0]`` a list. This proves the form
of requests and answers, never their behavior.
"""

from __future__ import annotations

import re
import sys
import types
import typing
from decimal import Decimal
from functools import cache
from typing import Any, Literal, get_args, get_origin

import typing_extensions

from stripe_simulator.errors import StripeError, bad_request, unknown_parameter
from stripe_simulator.form import inside, is_list

_INTEGER = re.compile(r"^-?\d+$")
_DECIMAL = re.compile(r"^-?\d+(\.\d+)?$")
_UNIONS = (typing.Union, types.UnionType)


def parse(params: dict[str, Any], params_class: str) -> dict[str, Any]:
    """Check decoded parameters against a type such as ``checkout.SessionCreateParams``, and return them typed."""
    return _mapping(params, _params_class(params_class), "")


@cache
def _params_class(name: str) -> Any:
    # lazy: the SDK's parameter modules load slowly, and few of them are used
    import stripe.params

    found: Any = stripe.params
    for part in name.split("."):
        found = getattr(found, part)
    return found


@cache
def _hints(typed_dict: Any) -> dict[str, Any]:
    # The SDK's annotations are strings with names of typing that not every module imports.
    namespace = {**vars(typing), **vars(sys.modules[typed_dict.__module__]), "Decimal": Decimal, "StripeContext": Any}
    namespace["NotRequired"] = typing_extensions.NotRequired
    hints = typing_extensions.get_type_hints(typed_dict, globalns=namespace, include_extras=True)
    return {key: hint for key, hint in hints.items() if key not in _option_names()}


@cache
def _option_names() -> frozenset[str]:
    # The SDK has these in the same dictionaries, but sends them as headers or not at all.
    from stripe._request_options import RequestOptions

    return frozenset(RequestOptions.__annotations__)


def _is_optional(hint: Any) -> bool:
    return get_origin(hint) is typing_extensions.NotRequired


def _value(raw: Any, hint: Any, path: str) -> Any:
    if get_origin(hint) in (typing_extensions.NotRequired, typing_extensions.Required):
        return _value(raw, get_args(hint)[0], path)
    if get_origin(hint) in _UNIONS:
        return _union(raw, get_args(hint), path)
    if get_origin(hint) is list:
        return _list(raw, get_args(hint)[0], path)
    if get_origin(hint) is Literal:
        return _literal(raw, get_args(hint), path)
    if typing_extensions.is_typeddict(hint):
        return _mapping(_hash(raw, path), hint, path)
    if hint in _SCALARS:
        return _SCALARS[hint](raw, path)
    return _open_hash(raw, path)


def _union(raw: Any, members: tuple[Any, ...], path: str) -> Any:
    literals = [value for member in members if get_origin(member) is Literal for value in get_args(member)]
    if raw == "" and "" in literals:
        return ""
    names = [value for value in literals if value != ""]
    others = [member for member in members if get_origin(member) is not Literal and member is not type(None)]
    if names:
        # The SDK's `Literal[…] | str` lets old clients survive new values; Stripe itself accepts the listed ones only.
        others = [member for member in others if member is not str]
        if raw in names or not others:
            return _literal(raw, tuple(names), path)
    return _first_that_fits(raw, others, path)


def _first_that_fits(raw: Any, members: list[Any], path: str) -> Any:
    fitting = [member for member in members if _same_shape(raw, member)] or members
    error: StripeError | None = None
    for member in fitting:
        try:
            return _value(raw, member, path)
        except StripeError as refused:
            error = error or refused
    raise error or bad_request(f"Invalid value for {path}", param=path)


def _same_shape(raw: Any, member: Any) -> bool:
    if is_list(raw) and get_origin(member) is list:
        return True
    if isinstance(raw, dict):
        return member not in _SCALARS and get_origin(member) is not list
    return member in _SCALARS


def _list(raw: Any, hint: Any, path: str) -> list[Any]:
    if not is_list(raw):
        raise bad_request("Invalid array", param=path)
    return [_value(raw[key], hint, f"{path}[{key}]") for key in sorted(raw, key=int)]


def _literal(raw: Any, allowed: tuple[Any, ...], path: str) -> Any:
    for value in allowed:
        if raw == _as_sent(value):
            return value
    shown = ", ".join(str(value) for value in allowed[:12]) + (", …" if len(allowed) > 12 else "")
    raise bad_request(f"Invalid {path}: must be one of {shown}", param=path)


def _as_sent(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hash(raw: Any, path: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise bad_request("Invalid hash", param=path)
    return raw


def _mapping(raw: dict[str, Any], typed_dict: Any, path: str) -> dict[str, Any]:
    hints = _hints(typed_dict)
    for key in raw:
        if key not in hints:
            name = inside(path, key)
            raise unknown_parameter(name)
    for key, hint in hints.items():
        if key not in raw and not _is_optional(hint):
            name = inside(path, key)
            raise bad_request(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return {key: _value(item, hints[key], inside(path, key)) for key, item in raw.items()}


def _open_hash(raw: Any, path: str) -> dict[str, str]:
    return {key: _text(item, inside(path, key)) for key, item in _hash(raw, path).items()}


def _text(raw: Any, path: str) -> str:
    if not isinstance(raw, str):
        raise bad_request("Invalid string", param=path)
    return raw


def _integer(raw: Any, path: str) -> int:
    if not _INTEGER.match(_text(raw, path)):
        raise bad_request(f"Invalid integer: {raw}", param=path, code="parameter_invalid_integer")
    return int(raw)


def _decimal(raw: Any, path: str) -> Decimal:
    if not _DECIMAL.match(_text(raw, path)):
        raise bad_request(f"Invalid decimal: {raw}", param=path)
    return Decimal(raw)


def _boolean(raw: Any, path: str) -> bool:
    if raw not in ("true", "false"):
        raise bad_request(f"Invalid boolean: {raw}", param=path)
    return bool(raw == "true")


_SCALARS: dict[Any, Any] = {
    str: _text,
    int: _integer,
    float: _decimal,
    Decimal: _decimal,
    bool: _boolean,
}


def check_response(answer: Any, path: str = "") -> list[str]:
    """Return the keys of an answer that the SDK's class does not know; empty if the answer conforms."""
    if not isinstance(answer, dict) or answer.get("deleted") is True:
        return []
    if answer.get("object") in ("list", "search_result"):
        return _unknown_in_page(answer, path)
    known = _resource_class(answer.get("object", ""))
    if known is None:
        return [f"{path}: no class for object {answer.get('object')!r}"]
    return _unknown_keys(answer, known, path)


def _unknown_in_page(page: dict[str, Any], path: str) -> list[str]:
    allowed = {"object", "data", "has_more", "url", "next_page", "total_count"}
    found = [inside(path, key) for key in page if key not in allowed]
    for index, item in enumerate(page["data"]):
        found += check_response(item, f"{path}.data[{index}]")
    return found


def _unknown_keys(answer: dict[str, Any], known: Any, path: str) -> list[str]:
    found = []
    inner = getattr(known, "_inner_class_types", {})
    names = {name for base in known.__mro__ for name in getattr(base, "__annotations__", {})}
    for key, item in answer.items():
        here = f"{path}.{key}" if path else key
        if key not in names:
            found.append(here)
        for child in item if isinstance(item, list) else [item]:
            if isinstance(child, dict):
                found += _unknown_in_child(child, inner.get(key), here)
    return found


def _unknown_in_child(child: dict[str, Any], inner: Any, path: str) -> list[str]:
    if inner is not None:
        return _unknown_keys(child, inner, path)
    return check_response(child, path) if "object" in child else []


@cache
def _resource_class(object_name: str) -> Any:
    # lazy: as for the parameters
    from stripe._object_classes import get_object_class

    found = get_object_class("V1", object_name)
    return None if found.__name__ == "StripeObject" else found
