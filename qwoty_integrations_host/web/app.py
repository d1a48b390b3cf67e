"""The WSGI application of one host."""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask.json.provider import DefaultJSONProvider

from ..errors import NotFound
from ..host import Host
from . import api, console, pages, problems, watching, webhooks
from .throttle import WrongKeys

MAX_BODY_BYTES = 2_000_000
#: Waitress keeps a body, and be it on disk, before anybody is asked for a key; only up to here do we say why not.
_MOST_KEPT_BYTES = 4 * MAX_BODY_BYTES


def create_app(host: Host) -> Flask:
    """Build the app; it keeps nothing of its own but who sent wrong keys of late."""
    app = Flask("qwoty_integrations_host", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    assert isinstance(app.json, DefaultJSONProvider)
    app.json.sort_keys = False  # the order of a settings schema is the order of its form
    app.extensions["qwoty_host"] = host
    app.extensions["qwoty_wrong_keys"] = WrongKeys(host.clock)
    api.register(app)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(watching.blueprint)
    watching.watch(app)
    console.register(app)
    app.before_request(_refuse_nul)
    problems.register(app)
    return app


def create_server(app: Flask, address: str, port: int) -> Any:
    """Give the server, which listens already; ``run()`` answers. Raises: OSError, ValueError when it cannot listen."""
    from waitress import server  # type: ignore[import-untyped]  # noqa: PLC0415 - lazy: tests need none

    return server.create_server(
        app, host=address, port=port, threads=8, ident="qwoty", max_request_body_size=_MOST_KEPT_BYTES
    )


def _refuse_nul() -> None:
    """No address of ours has a NUL, and PostgreSQL takes none."""
    if "\0" in request.path:
        raise NotFound("There is nothing at this address.", hint="Addresses hold no NUL character: leave it out.")
