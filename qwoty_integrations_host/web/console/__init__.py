"""The console: a workspace's web pages. They work without JavaScript; htmx avoids full reloads."""

from __future__ import annotations

from flask import Flask

from .. import paths
from . import (
    access,
    alerts,
    audit,
    cancellation,
    filters,
    i18n,
    inquiries,
    integrations,
    login,
    quotes,
    runs,
    webhooks,
)
from .access_control import blueprint

__all__ = ["register"]
#: Importing a module of pages adds its routes to the blueprint.
_PAGES = (login, integrations, inquiries, runs, quotes, cancellation, webhooks, alerts, audit, access)


def register(app: Flask) -> None:
    """Add the console below ``/console``."""
    paths.register(app)
    i18n.set_up(app)
    filters.set_up(app)
    app.register_blueprint(blueprint)
