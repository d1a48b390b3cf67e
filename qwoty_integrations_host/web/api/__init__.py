"""The HTTP API below ``/v1``: one module per subject, described by OpenAPI at ``/v1/openapi.json``."""

from __future__ import annotations

from flask import Flask

from .. import paths
from . import (
    alerts,
    api_keys,
    connections,
    inquiries,
    installments,
    platform_events,
    plugins,
    quotes,
    runs,
    settings,
    webhooks,
    workspaces,
)
from .description import HostApi, make_api

#: In the order of the OpenAPI description.
_SUBJECTS = (
    workspaces,
    plugins,
    settings,
    connections,
    inquiries,
    quotes,
    platform_events,
    installments,
    runs,
    webhooks,
    alerts,
    api_keys,
)


def register(app: Flask) -> HostApi:
    """Serve the API and its OpenAPI description; return the Api."""
    paths.register(app)
    api = make_api(app)
    for subject in _SUBJECTS:
        api.register_blueprint(subject.blueprint)
    return api
