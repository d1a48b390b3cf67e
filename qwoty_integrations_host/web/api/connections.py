"""The connection of a workspace's integration to its service, and its test."""

from __future__ import annotations

from typing import Any

from flask import Response

from .. import inquiries
from ..auth import the_host
from .blueprint import Blueprint, safe_to_repeat
from .fields import ResponseSchema, flag, many, moment, one, text, texts
from .inquiries import LOCATION_HEADER, InquirySchema, begun

blueprint = Blueprint("connections", "The connection of a workspace's integration to its service.")


class ConnectionProblemSchema(ResponseSchema):
    """A problem that remains until a test succeeds."""

    code = text("A stable error code.")
    title = text("What happened.")
    hint = text("What a person does about it; may be empty.")
    run_id = text("The first run that met it; null when a test found it.", nullable=True)
    since = moment("Since when it is known.")


class RightSchema(ResponseSchema):
    """A permission that a key may need."""

    resource = text("The resource, as the service's dashboard names it.")
    access = text("The access, as the service's dashboard names it: Read, Write.")
    status = text("`ok`, `missing` or `unclear`.")


class KeyReportSchema(ResponseSchema):
    """The test result of one key."""

    label = text("Which of the settings' keys.")
    last4 = text("Its last four characters.")
    mode = text("The service's mode: test, live.")
    account = text("The service's account that the key opens.")
    status = text("`ok`, `missing` (a permission), `refused` or `unreachable`.")
    code = text("A stable error code; empty without a problem.")
    title = text("What is wrong.")
    hint = text("What a person does about it.")
    rights = many(RightSchema)


class ConnectionSchema(ResponseSchema):
    """The last test of a connection, and the problems of later runs."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether the integration receives this workspace's quotes.")
    testable = flag("Whether the integration has a connection test.")
    status = text(
        "`ok`, `needs_attention`, `unreachable`, `untested` (also after a test of earlier settings), or "
        "`settings_incomplete`: the settings do not fit the integration's present release, and its runs wait."
    )
    problem = one(ConnectionProblemSchema, nullable=True)
    outdated = flag("Whether the test, or the problem, is about earlier settings.")
    checked_at = moment("When it was last tested.", nullable=True)
    keys = many(KeyReportSchema)
    notes = texts("Sentences for people.")


@blueprint.get("/workspaces/<workspace>/plugins/<plugin>/connection")
@blueprint.response(200, ConnectionSchema)
def show_connection(workspace: str, plugin: str) -> dict[str, Any]:
    """Show the last test of a connection, and the problems of later runs"""
    return the_host().connections.show(workspace, plugin)


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/connection/test")
@blueprint.response(202, InquirySchema, headers=LOCATION_HEADER)
@safe_to_repeat
def test_connection(workspace: str, plugin: str) -> Response:
    """Begin a connection test of the saved settings, which changes nothing at the service"""
    return begun(workspace, inquiries.test_connection(workspace, plugin))
