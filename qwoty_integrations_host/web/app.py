"""The WSGI application of one host."""

from __future__ import annotations

from flask import Flask, request
from flask.json.provider import DefaultJSONProvider

from ..errors import NotFound
from ..host import Host
from . import api, console, pages, problems, watching, webhooks
from .proxies import ClientAddresses
from .throttle import WrongKeys

MAX_BODY_BYTES = 2_000_000


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
    app.wsgi_app = ClientAddresses(app.wsgi_app, host.config.trusted_proxies)  # type: ignore[method-assign]
    return app


def _refuse_nul() -> None:
    """No address of ours has a NUL, and PostgreSQL takes none."""
    if "\0" in request.path:
        raise NotFound("There is nothing at this address.", hint="Addresses hold no NUL character: leave it out.")
