"""Metadata: up to fifty short strings, merged on update."""

from __future__ import annotations

from typing import Any

from stripe_simulator.errors import bad_request
from stripe_simulator.form import inside


def merged(current: dict[str, str], given: Any) -> dict[str, str]:
    """Return metadata after an update: "" clears all keys, "" as a value removes one, absent keys stay."""
    if given is None:
        return dict(current)
    if given == "":
        return {}
    result = dict(current)
    for key, value in given.items():
        _check(key, value)
        if value == "":
            result.pop(key, None)
        else:
            result[key] = value
    if len(result) > 50:
        raise bad_request("Metadata can have up to 50 keys.", param="metadata")
    return result


def _check(key: str, value: str) -> None:
    if len(key) > 40:
        raise bad_request("Metadata keys can have up to 40 characters.", param="metadata")
    if len(value) > 500:
        raise bad_request("Metadata values can have up to 500 characters.", param=f"metadata[{key}]")


def check_length(params: dict[str, Any], limits: dict[str, int], path: str = "") -> None:
    """Refuse texts that are too long for Stripe; ``path`` is the parent parameter, "" at the top."""
    for name, limit in limits.items():
        value = params.get(name)
        if isinstance(value, str) and len(value) > limit:
            raise bad_request(f"Invalid string: must be at most {limit} characters", param=inside(path, name))
