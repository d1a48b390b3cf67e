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

    id = text("Its id.")
    status = text("`loaded`, `failed`, `incompatible` or `blocked`.")
    reason = text("Why it is not loaded; otherwise empty.")
    distribution = text("The Python distribution that contains it.")
    version = text("The distribution's version.")
    title = text(nullable=True)
    description = text(nullable=True)
    capabilities = texts("Its capabilities, such as `quotes`.")
    hooks = texts("The hooks that it implements.")
    hook_api = integer("The version of the hook API that it uses.", nullable=True)
    settings_schema_id = text("The `$id` of its settings' schema.", nullable=True)
    import_ms = integer("How long its import took, in milliseconds.")
    hanging = texts("Its calls that hang in the process that responds.")


@blueprint.get("/plugins")
@blueprint.response(200, list_of(PluginSchema))
def list_plugins() -> dict[str, Any]:
    """List the installed integrations; those that failed to load with the reason"""
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
    """Return the JSON Schema of an integration's settings unchanged, for a form of your own"""
    return jsonify(the_host().plugins.manifest(plugin).settings_schema)
