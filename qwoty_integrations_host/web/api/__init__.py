"""The HTTP API below ``/v1``: one module per subject, described by OpenAPI at ``/v1/openapi.json``."""

from __future__ import annotations

from flask import Flask

from . import quotes, runs, workspaces
from .description import describe

_BLUEPRINTS = (
    workspaces.blueprint,
    quotes.blueprint,
    runs.blueprint,
)


def register(app: Flask) -> None:
    """Serve the API and its description."""
    api = describe(app)
    for blueprint in _BLUEPRINTS:
        api.register_blueprint(blueprint)
