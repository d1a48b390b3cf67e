"""The URL converter for a platform's ids, which may contain any character, slashes too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from flask import Flask
from werkzeug.routing import BaseConverter


class PlatformId(BaseConverter):
    """``<id:…>``: an id in which every reserved character is percent-encoded."""

    part_isolating = False
    regex = ".+?"

    def to_url(self, value: str) -> str:
        return quote(value, safe="")

    def to_python(self, value: str) -> str:
        return value.replace("%2F", "/").replace("%25", "%")


def register(app: Flask) -> None:
    """Register the converter; call it before any rule uses ``<id:…>``."""
    app.url_map.converters["id"] = PlatformId
    # An id may contain two slashes in a row.
    app.url_map.merge_slashes = False
    app.wsgi_app = _EscapedSlashes(app.wsgi_app)  # type: ignore[method-assign]


class _EscapedSlashes:
    """Keeps a slash within an id percent-encoded until Flask has matched the route.

    WSGI decodes the path: ``/quotes/a%2Finstallments`` would otherwise be the installments of quote ``a``.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("REQUEST_URI", "").partition("?")[0]
        prefix = quote(environ.get("SCRIPT_NAME", ""))
        if "%" in path and path.startswith(f"{prefix}/"):
            environ["PATH_INFO"] = "/".join(map(_unescaped, path.removeprefix(prefix).split("/")))
        return self._app(environ, start_response)


def _unescaped(segment: str) -> str:
    plain = unquote_to_bytes(segment)
    return plain.replace(b"%", b"%25").replace(b"/", b"%2F").decode("latin-1")
