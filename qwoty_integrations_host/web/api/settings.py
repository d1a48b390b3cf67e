"""A workspace's settings of an integration, and enabling it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, fields

from ...contract.exact_json import parse_json
from .. import inquiries
from ..auth import the_host
from .blueprint import Blueprint, requires_scope
from .connections import ConnectionSchema
from .fields import ResponseSchema, flag, integer, mapping, one, text
from .inquiries import LOCATION_HEADER, InquirySchema, begun

blueprint = Blueprint("settings", "A workspace's settings of an integration. Secrets are never returned.")

_DOCUMENT = {
    "required": True,
    "description": "A document for the plugin's `settings-schema`. An omitted or empty secret keeps its stored value, "
    "`null` removes it.",
    "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
}


class AnywaySchema(Schema):
    """Whether to proceed when the connection test finds a problem."""

    anyway = fields.Boolean(
        load_default=False,
        metadata={"description": "Whether to proceed when a key is refused or lacks a permission; otherwise a 409."},
    )


class SettingsSchema(ResponseSchema):
    """The settings of one integration in one workspace."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether the integration receives this workspace's quotes.")
    without_invoice = integer("How many signed quotes without an invoice it could run; some may be old.")
    settings = mapping('The settings with defaults; a secret is shown as `{"set": true, "last4": "…"}`.')
    connection = one(ConnectionSchema, "The connection; null while no settings are stored.", nullable=True)


class SwitchSchema(ResponseSchema):
    """Whether an integration is enabled."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether the integration receives this workspace's quotes.")


@blueprint.get("/workspaces/<workspace>/plugins/<plugin>/settings")
@blueprint.response(200, SettingsSchema)
def show_settings(workspace: str, plugin: str) -> Mapping[str, Any]:
    """Show the settings; a secret only by its last four characters"""
    return _with_count(the_host().connections.settings_of(workspace, plugin))


@blueprint.put("/workspaces/<workspace>/plugins/<plugin>/settings")
@blueprint.doc(requestBody=_DOCUMENT)
@blueprint.arguments(AnywaySchema, location="query")
@blueprint.response(200, SettingsSchema)
@blueprint.alt_response(
    202, schema=InquirySchema, headers=LOCATION_HEADER, description="They are tested, and then saved."
)
@requires_scope("admin")
def replace_settings(query: dict[str, Any], workspace: str, plugin: str) -> Response:
    """Replace the settings: 200; those of an enabled integration after a test: 202"""
    settings = parse_json(request.get_data())
    inquiry_id = inquiries.save_settings(workspace, plugin, settings, anyway=query["anyway"])
    return _done_or_begun(workspace, plugin, inquiry_id)


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/enable")
@blueprint.arguments(AnywaySchema, required=False)
@blueprint.response(202, InquirySchema, headers=LOCATION_HEADER)
@blueprint.alt_response(200, schema=SettingsSchema, description="It is enabled: it was before, or it has no test.")
@requires_scope("admin")
def enable_plugin(body: dict[str, Any], workspace: str, plugin: str) -> Response:
    """Enable an integration after a connection test: 202; without a test: 200"""
    return _done_or_begun(workspace, plugin, inquiries.enable_integration(workspace, plugin, anyway=body["anyway"]))


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/disable")
@blueprint.response(200, SwitchSchema)
@requires_scope("admin")
def disable_plugin(workspace: str, plugin: str) -> Mapping[str, Any]:
    """Disable an integration: it is no longer called for this workspace"""
    return the_host().settings.disable(workspace, plugin)


def _done_or_begun(workspace: str, plugin: str, inquiry_id: str | None) -> Response:
    if inquiry_id is not None:
        return begun(workspace, inquiry_id)
    return jsonify(SettingsSchema().dump(_with_count(the_host().connections.settings_of(workspace, plugin))))


def _with_count(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add how many quotes wait for the integration."""
    return {**report, "without_invoice": the_host().runs.without_invoice.count(report["workspace"], report["plugin"])}
