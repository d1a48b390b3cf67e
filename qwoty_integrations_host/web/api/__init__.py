"""The HTTP API below ``/v1``: one module per subject, described by OpenAPI at ``/v1/openapi.json``."""

from __future__ import annotations

from flask import Flask

from . import api_keys, installments, plugins, quotes, runs, settings, webhooks, workspaces
from .description import describe

#: In the order in which they are described.
_SUBJECTS = (workspaces, plugins, settings, quotes, installments, runs, webhooks, api_keys)


def register(app: Flask) -> None:
    """Serve the API and its description."""
    api = describe(app)
    for subject in _SUBJECTS:
        api.register_blueprint(subject.blueprint)
