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

blueprint = Blueprint("settings", "A workspace's settings of an integration. Secrets go in and never come out.")

_DOCUMENT = {
    "required": True,
    "description": "A document for the plugin's `settings-schema`. A secret that is left out or empty keeps its stored "
    "value, `null` removes it.",
    "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
}


class AnywaySchema(Schema):
    """What the caller chooses in spite of a test that finds a problem."""

    anyway = fields.Boolean(
        load_default=False,
        metadata={"description": "Also when a key is refused or lacks a right; else that is a 409."},
    )


class SettingsSchema(ResponseSchema):
    """The settings of one integration in one workspace."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether it gets this workspace's quotes.")
    without_invoice = integer("How many signed quotes have no invoice and could be run by it; some may be old.")
    settings = mapping('With defaults filled in; a secret is shown as `{"set": true, "last4": "…"}`.')
    connection = one(ConnectionSchema, "None while no settings are stored.", nullable=True)


class SwitchSchema(ResponseSchema):
    """Whether an integration is switched on."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether it gets this workspace's quotes.")


@blueprint.get("/workspaces/<workspace>/plugins/<plugin>/settings")
@blueprint.response(200, SettingsSchema)
def show_settings(workspace: str, plugin: str) -> Mapping[str, Any]:
    """Show the settings; of a secret only that it is set, and its last four characters"""
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
    """Replace the settings: 200; those of an integration that is on are tested first: 202"""
    settings = parse_json(request.get_data())
    inquiry_id = inquiries.save_settings(workspace, plugin, settings, anyway=query["anyway"])
    return _done_or_begun(workspace, plugin, inquiry_id)


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/enable")
@blueprint.arguments(AnywaySchema, required=False)
@blueprint.response(202, InquirySchema, headers=LOCATION_HEADER)
@blueprint.alt_response(200, schema=SettingsSchema, description="It is on: it was before, or it has no test.")
@requires_scope("admin")
def enable_plugin(body: dict[str, Any], workspace: str, plugin: str) -> Response:
    """Begin to test the connection, and then switch an integration on: 202; 200 when there is nothing to test"""
    return _done_or_begun(workspace, plugin, inquiries.enable_integration(workspace, plugin, anyway=body["anyway"]))


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/disable")
@blueprint.response(200, SwitchSchema)
@requires_scope("admin")
def disable_plugin(workspace: str, plugin: str) -> Mapping[str, Any]:
    """Switch an integration off: it gets no call for this workspace any more"""
    return the_host().settings.disable(workspace, plugin)


def _done_or_begun(workspace: str, plugin: str, inquiry_id: str | None) -> Response:
    if inquiry_id is not None:
        return begun(workspace, inquiry_id)
    return jsonify(SettingsSchema().dump(_with_count(the_host().connections.settings_of(workspace, plugin))))


def _with_count(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add how many quotes wait for the integration."""
    return {**report, "without_invoice": the_host().uninvoiced.count(report["workspace"], report["plugin"])}
