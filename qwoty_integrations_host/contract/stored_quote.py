"""The form in which a loaded quote is stored, so that a run gets it without validating the document again (ADR 0083).

Only the release that wrote it reads it, and only beside the document that it was loaded from. The document decides.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta, timezone, tzinfo
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from .quote import Quote


def dump_quote(quote: Quote, document: str) -> str:
    """Return the quote, which was loaded from this document, as text that this release's ``parse_quote`` reads."""
    offset = quote.accepted_at.astimezone(quote.timezone).utcoffset() or timedelta()
    text = msgspec.json.encode(quote, enc_hook=lambda _zone: offset.total_seconds())
    return f"{_head(document)}\n{text.decode()}"


def parse_quote(text: str | None, document: str) -> Quote | None:
    """Return the quote; None if this release did not write the text, or wrote it for another document."""
    head, _, form = (text or "").partition("\n")
    if head != _head(document):
        return None
    try:
        return _decoder().decode(form)
    except msgspec.DecodeError:
        return None


def _head(document: str) -> str:
    return f"{_release()} {hashlib.sha256(document.encode()).hexdigest()}"


def _zone(kind: type, seconds: Any) -> tzinfo:
    if kind is not tzinfo:
        raise NotImplementedError(kind)  # so msgspec learns that a hook does not know a type
    return timezone(timedelta(seconds=seconds))


@cache
def _decoder() -> msgspec.json.Decoder[Quote]:
    return msgspec.json.Decoder(Quote, dec_hook=_zone)


@cache
def _release() -> str:
    return version("qwoty-integrations-host")
