"""The WSGI application of one host."""

from __future__ import annotations

from flask import Flask, request
from flask.json.provider import DefaultJSONProvider

from ..errors import NotFound
from ..host import Host
from . import api, console, monitoring, pages, problems, webhooks
from .proxies import ClientAddresses
from .rate_limit import AuthFailures

MAX_BODY_BYTES = 2_000_000


def create_app(host: Host) -> Flask:
    """Build the app. It holds no state except the counters of failed authentications."""
    app = Flask("qwoty_integrations_host", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    assert isinstance(app.json, DefaultJSONProvider)
    app.json.sort_keys = False  # the order of a settings schema is the order of its form
    app.extensions["qwoty_host"] = host
    app.extensions["qwoty_auth_failures"] = AuthFailures(host.clock)
    api.register(app)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(monitoring.blueprint)
    monitoring.monitor(app)
    console.register(app)
    app.before_request(_reject_nul)
    problems.register(app)
    app.wsgi_app = ClientAddresses(app.wsgi_app, host.config.trusted_proxies)  # type: ignore[method-assign]
    return app


def _reject_nul() -> None:
    """Raise NotFound for a path with a NUL, which no route has and PostgreSQL cannot store."""
    if "\0" in request.path:
        raise NotFound("There is nothing at this address.", hint="Addresses hold no NUL character: leave it out.")
