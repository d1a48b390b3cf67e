"""Ids of a platform in the paths of addresses: they may hold anything, slashes too."""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask
from werkzeug.routing import BaseConverter


class PlatformId(BaseConverter):
    """``<id:…>``: the rest of the path, in which everything but plain letters is escaped."""

    part_isolating = False
    regex = ".+?"

    def to_url(self, value: str) -> str:
        return quote(value, safe="")


def register(app: Flask) -> None:
    """Let rules say ``<id:…>``; call it before they are added."""
    app.url_map.converters["id"] = PlatformId
    # Two slashes in an id are two slashes.
    app.url_map.merge_slashes = False
