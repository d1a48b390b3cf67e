"""The console: pages for the people of one workspace. They work without JavaScript; htmx spares reloads."""

from __future__ import annotations

from flask import Flask

from .. import paths
from . import access, alerts, audit, endings, integrations, login, quotes, runs, shown, tested, webhooks, words
from .guard import blueprint

__all__ = ["register"]
#: Importing a module of pages adds its routes to the blueprint.
_PAGES = (login, integrations, tested, runs, quotes, endings, webhooks, alerts, audit, access)


def register(app: Flask) -> None:
    """Add the console below ``/console``."""
    paths.register(app)
    words.set_up(app)
    shown.set_up(app)
    app.register_blueprint(blueprint)
