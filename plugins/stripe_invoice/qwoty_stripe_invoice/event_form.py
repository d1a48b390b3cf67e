"""The form of an event, checked before anything is read from it. Pure.

A good signature proves who sent the event. It proves nothing about the content, because whoever knows the secret can
sign anything. Malformed events are rejected at intake, so that no run gets them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from qwoty_integrations_host import WebhookRejected

#: Levels of a document; characters of an id (at most 255 at Stripe) and of a metadata value.
_DEEPEST, _LONGEST_NAME, _LONGEST_TEXT = 64, 255, 500
#: In minor units: Stripe's largest amounts have twelve digits.
_MOST = 10**12


def read_event(body: bytes, acted_on: Collection[str]) -> dict[str, Any]:
    """Return the event; the fields that we read are checked if its type is one of those ``acted_on``.

    Raises: WebhookRejected for anything else.
    """
    try:
        event = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise not_an_event() from None
    if not _is_event(event, acted_on):
        raise not_an_event()
    found: dict[str, Any] = event
    return found


def not_an_event() -> WebhookRejected:
    """Return the error for a body that is not an event of Stripe."""
    return WebhookRejected("The webhook is not a Stripe event.", code="no_event")


def _is_event(found: Any, acted_on: Collection[str]) -> bool:
    if not isinstance(found, dict) or not _is_shallow(found) or not _fits(found, _EVENT):
        return False
    thing = found["data"].get("object")
    if not isinstance(thing, dict):
        return False
    if found["type"] not in acted_on:
        return True
    # checkout.session.completed is about a checkout.session.
    kind = found["type"].rpartition(".")[0]
    return thing.get("object") == kind and _fits(thing, _THING) and _fits(thing, _OF_KIND.get(kind, {}))


def _fits(found: Mapping[str, Any], form: Mapping[str, Callable[[Any], bool]]) -> bool:
    return all(is_right(found.get(name)) for name, is_right in form.items())


def _is_shallow(found: Any) -> bool:
    level = [found]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    return not level


def _inside(value: Any) -> Collection[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


# -- fields -------------------------------------------------------------------------------------------


def _is_text(value: Any) -> bool:
    """Whether every database can store it: text without NUL and lone surrogates."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_name(value: Any) -> bool:
    return _is_text(value) and 0 < len(value) <= _LONGEST_NAME


def _is_amount(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST  # a bool is an int, too


def _is_currency(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha()


def _is_metadata(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    return all(_is_text(text) and len(text) <= _LONGEST_TEXT for pair in value.items() for text in pair)


def _is_payment(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and _maybe(_is_name)(value.get("payment_intent")))


def _maybe(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


_EVENT: Mapping[str, Callable[[Any], bool]] = {
    "id": _is_name,
    "object": lambda value: value == "event",
    "type": _is_name,
    "livemode": _maybe(lambda value: isinstance(value, bool)),
    "data": lambda value: isinstance(value, dict),
}
#: The fields that event_routing.py keeps; an object may lack any of them.
_THING: Mapping[str, Callable[[Any], bool]] = {
    "id": _is_name,
    "metadata": _is_metadata,
    "status": _maybe(_is_name),
    "payment_status": _maybe(_is_name),
    "payment_intent": _maybe(_is_name),
    "client_reference_id": _maybe(_is_name),
    "invoice": _maybe(_is_name),
    "payment": _is_payment,
    "currency": _maybe(_is_currency),
    "amount": _maybe(_is_amount),
    "amount_total": _maybe(_is_amount),
    "amount_refunded": _maybe(_is_amount),
}
#: Fields that must be present, because they may be read from the event alone: refunds always are, and sessions are if
#: the key may not read sessions.
_OF_KIND: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "charge": {"currency": _is_currency, "amount": _is_amount, "amount_refunded": _is_amount},
    "checkout.session": {"payment_status": _is_name},
}
