"""Plugins: the installed integrations, the same for every workspace."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from ...reports.installed import plugin_report
from ..auth import the_host
from .blueprint import Blueprint
from .fields import ResponseSchema, integer, text, texts
from .lists import list_of, whole

blueprint = Blueprint("plugins", "The installed integrations.")


class PluginSchema(ResponseSchema):
    """An installed integration."""

    id = text("Its name everywhere.")
    status = text("`loaded`, `failed`, `incompatible` or `blocked`.")
    reason = text("Why it is not loaded; else empty.")
    distribution = text("The package that brought it.")
    version = text("That package's version.")
    title = text(nullable=True)
    description = text(nullable=True)
    capabilities = texts("What it works with.")
    hooks = texts("The hooks that it has.")
    hook_api = integer("The hook API that it speaks.", nullable=True)
    settings_schema_id = text("The `$id` of its settings' schema.", nullable=True)
    import_ms = integer("How long its import took, in milliseconds.")
    hanging = texts("Calls of it that did not come back, in the process that answers.")


@blueprint.get("/plugins")
@blueprint.response(200, list_of(PluginSchema))
def list_plugins() -> dict[str, Any]:
    """List the installed integrations, also those that failed to load, and why"""
    plugins = the_host().plugins
    return whole([plugin_report(plugins, status.id) for status in plugins.statuses])


@blueprint.get("/plugins/<plugin>")
@blueprint.response(200, PluginSchema)
def show_plugin(plugin: str) -> dict[str, Any]:
    """Show one integration"""
    return plugin_report(the_host().plugins, plugin)


@blueprint.get("/plugins/<plugin>/settings-schema")
@blueprint.response(200, {"type": "object", "additionalProperties": True})
def show_settings_schema(plugin: str) -> Response:
    """Give the JSON Schema of an integration's settings as it is, for a form of your own"""
    return jsonify(the_host().plugins.manifest(plugin).settings_schema)
