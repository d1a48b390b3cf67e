"""A workspace's settings of an integration, and its switch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, fields

from ...contract.exact_json import parse_json
from .. import asking
from ..auth import the_host
from .blueprint import Blueprint, needs
from .connections import ConnectionSchema
from .fields import Answer, flag, integer, mapping, one, text
from .inquiries import WHERE, InquirySchema, begun

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


class SettingsSchema(Answer):
    """The settings of one integration in one workspace."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether it gets this workspace's quotes.")
    without_invoice = integer("How many signed quotes have no invoice and could be run by it; some may be old.")
    settings = mapping('With defaults filled in; a secret is shown as `{"set": true, "last4": "…"}`.')
    connection = one(ConnectionSchema, "None while no settings are stored.", nullable=True)


class SwitchSchema(Answer):
    """Whether an integration is switched on."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether it gets this workspace's quotes.")


@blueprint.get("/workspaces/<workspace>/plugins/<plugin>/settings")
@blueprint.response(200, SettingsSchema)
def show_settings(workspace: str, plugin: str) -> Mapping[str, Any]:
    """Show the settings; of a secret only that it is set, and its last four characters"""
    return _counted(the_host().connections.settings_of(workspace, plugin))


@blueprint.put("/workspaces/<workspace>/plugins/<plugin>/settings")
@blueprint.doc(requestBody=_DOCUMENT)
@blueprint.arguments(AnywaySchema, location="query")
@blueprint.response(200, SettingsSchema)
@blueprint.alt_response(202, schema=InquirySchema, headers=WHERE, description="They are tested, and then saved.")
@needs("admin")
def replace_settings(query: dict[str, Any], workspace: str, plugin: str) -> Response:
    """Replace the settings: 200; those of an integration that is on are tested first: 202"""
    given = parse_json(request.get_data())
    return _done_or_begun(workspace, plugin, asking.save(workspace, plugin, given, anyway=query["anyway"]))


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/enable")
@blueprint.arguments(AnywaySchema, required=False)
@blueprint.response(202, InquirySchema, headers=WHERE)
@blueprint.alt_response(200, schema=SettingsSchema, description="It is on: it was before, or it has no test.")
@needs("admin")
def enable_plugin(body: dict[str, Any], workspace: str, plugin: str) -> Response:
    """Begin to test the connection, and then switch an integration on: 202; 200 when there is nothing to test"""
    return _done_or_begun(workspace, plugin, asking.enable(workspace, plugin, anyway=body["anyway"]))


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/disable")
@blueprint.response(200, SwitchSchema)
@needs("admin")
def disable_plugin(workspace: str, plugin: str) -> Mapping[str, Any]:
    """Switch an integration off: it gets no call for this workspace any more"""
    return the_host().settings.disable(workspace, plugin)


def _done_or_begun(workspace: str, plugin: str, inquiry_id: str | None) -> Response:
    if inquiry_id is not None:
        return begun(workspace, inquiry_id)
    return jsonify(SettingsSchema().dump(_counted(the_host().connections.settings_of(workspace, plugin))))


def _counted(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say beside the settings how many quotes wait for the integration."""
    return {**shown, "without_invoice": the_host().uninvoiced.count(shown["workspace"], shown["plugin"])}
