"""Workspaces: the tenants of a host, of which a key sees its own."""

from __future__ import annotations

from typing import Any

from flask import g

from ...reports import workspace_report
from ..auth import the_host
from .blueprint import Blueprint
from .fields import Answer, flag, many, moment, text
from .lists import list_of, whole

blueprint = Blueprint("workspaces", "The tenants of the host. A key opens one of them.")


class WorkspacePluginSchema(Answer):
    """An integration of a workspace."""

    id = text("As in `/v1/plugins`.")
    status = text("`loaded`, or why it cannot be called: `failed`, `incompatible`, `blocked`.")
    enabled = flag("Whether it gets this workspace's quotes.")
    configured = flag("Whether settings are stored.")


class WorkspaceSchema(Answer):
    """A tenant."""

    id = text()
    created_at = moment("When it was added.")
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
