"""Workspaces: the host's tenants. An API key sees its own workspace."""

from __future__ import annotations

from typing import Any

from flask import g
from marshmallow import RAISE, Schema, fields

from ...reports.installed import workspace_report
from ...workspaces.workspace import set_timezone
from ..auth import the_host
from .blueprint import Blueprint, requires_scope
from .fields import ResponseSchema, flag, many, moment, text
from .lists import list_of, whole

blueprint = Blueprint("workspaces", "The tenants of the host. A key opens one of them.")


class WorkspacePluginSchema(ResponseSchema):
    """An integration of a workspace."""

    id = text("Its id in `/v1/plugins`.")
    status = text("`loaded`, or why it cannot be called: `failed`, `incompatible`, `blocked`.")
    enabled = flag("Whether the integration receives this workspace's quotes.")
    configured = flag("Whether settings are stored.")


class WorkspaceSchema(ResponseSchema):
    """A tenant."""

    id = text()
    created_at = moment("When it was added.")
    timezone = text(
        "The time zone of its days, an IANA name; null: the offset in which each quote was accepted.", nullable=True
    )
    plugins = many(WorkspacePluginSchema, "The installed integrations.")


@blueprint.get("/workspaces")
@blueprint.response(200, list_of(WorkspaceSchema))
def list_workspaces() -> dict[str, Any]:
    """List the workspace that the key opens"""
    return whole([workspace_report(the_host().store, the_host().plugins, g.api_key["workspace"])])


@blueprint.get("/workspaces/<workspace>")
@blueprint.response(200, WorkspaceSchema)
def show_workspace(workspace: str) -> dict[str, Any]:
    """Show a workspace and its integrations"""
    return workspace_report(the_host().store, the_host().plugins, workspace)


class ChangeSchema(Schema):
    """A change of a workspace."""

    class Meta:
        unknown = RAISE

    timezone = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "An IANA name such as `Europe/Paris`; null removes it.",
            "examples": ["Europe/Paris"],
        },
    )


@blueprint.patch("/workspaces/<workspace>")
@blueprint.arguments(ChangeSchema)
@blueprint.response(200, WorkspaceSchema)
@requires_scope("admin")
def change_workspace(change: dict[str, Any], workspace: str) -> dict[str, Any]:
    """Set the time zone in which the workspace's days are counted"""
    host = the_host()
    set_timezone(host.store, host.clock, workspace, change["timezone"])
    return workspace_report(host.store, host.plugins, workspace)
