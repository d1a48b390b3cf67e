"""The connection of a workspace's integration to its service, and its test."""

from __future__ import annotations

from typing import Any

from flask import Response

from .. import inquiries
from ..auth import the_host
from .blueprint import Blueprint, safe_to_repeat
from .fields import ResponseSchema, flag, many, moment, one, text, texts
from .inquiries import LOCATION_HEADER, InquirySchema, begun

blueprint = Blueprint("connections", "How a workspace's integration stands with its service.")


class ConnectionProblemSchema(ResponseSchema):
    """What is wrong until a test succeeds."""

    code = text("A stable word for machines.")
    title = text("What happened.")
    hint = text("What a person does about it; may be empty.")
    run_id = text("The first run that met it; none when a test did.", nullable=True)
    since = moment("Since when it is known.")


class RightSchema(ResponseSchema):
    """One thing that a key may have to do."""

    resource = text("As the service's own pages call it.")
    access = text("As well: Read, Write.")
    status = text("`ok`, `missing` or `unclear`.")


class KeyReportSchema(ResponseSchema):
    """What a test found out about one key."""

    label = text("Which of the settings' keys.")
    last4 = text("Its last four characters.")
    mode = text("The service's word: test, live.")
    account = text("Which of the service's accounts it opens.")
    status = text("`ok`, `missing` (a right), `refused` or `unreachable`.")
    code = text("A stable word for machines; empty when all is well.")
    title = text("What is wrong.")
    hint = text("What a person does about it.")
    rights = many(RightSchema)


class ConnectionSchema(ResponseSchema):
    """The last test of a connection, and what runs met since."""

    workspace = text()
    plugin = text()
    enabled = flag("Whether it gets this workspace's quotes.")
    testable = flag("Whether the integration has a test of its connection.")
    status = text(
        "`ok`, `needs_attention`, `unreachable`, `untested` (a test of other settings counts as none), or "
        "`settings_incomplete`: they do not fit the integration's present release, and its runs wait."
    )
    problem = one(ConnectionProblemSchema, nullable=True)
    outdated = flag("Whether the test, or the problem, is of other settings than those of now.")
    checked_at = moment("When it was last tested.", nullable=True)
    keys = many(KeyReportSchema)
    notes = texts("Sentences for people.")


@blueprint.get("/workspaces/<workspace>/plugins/<plugin>/connection")
@blueprint.response(200, ConnectionSchema)
def show_connection(workspace: str, plugin: str) -> dict[str, Any]:
    """Show the last test of a connection, and what runs met since"""
    return the_host().connections.show(workspace, plugin)


@blueprint.post("/workspaces/<workspace>/plugins/<plugin>/connection/test")
@blueprint.response(202, InquirySchema, headers=LOCATION_HEADER)
@safe_to_repeat
def test_connection(workspace: str, plugin: str) -> Response:
    """Begin to try the saved settings at the service, without any effect there; then look at the connection"""
    return begun(workspace, inquiries.test_connection(workspace, plugin))
