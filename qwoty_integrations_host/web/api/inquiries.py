"""The results of background checks: the ``Location`` of a 202."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, url_for

from ...errors import FieldProblem
from ..auth import the_host
from .blueprint import Blueprint
from .fields import ResponseSchema, flag, many, moment, one, text

blueprint = Blueprint("tests", "What came of the tests that requests began: nobody waits for a service.")

#: The headers of a 202, for the description.
LOCATION_HEADER = {"Location": {"description": "How the test stands: ask there until its `status` is not `running`."}}


class PlaceSchema(ResponseSchema):
    """What is wrong with one field."""

    pointer = text("Of the document that was sent, as a JSON pointer.")
    detail = text("A sentence.")


class InquiryErrorSchema(ResponseSchema):
    """Why nothing came of it."""

    code = text("A stable word for machines.")
    title = text("What happened.")
    hint = text("What a person does about it; may be empty.")
    errors = many(PlaceSchema, "By field, where fields are wrong.")


class ToldSchema(ResponseSchema):
    """Whether somebody was told a test."""

    to = text("A mail address, or the webhook's.")
    delivered = flag("Whether it was taken.")
    trouble = text("Why not; else empty.")


class InquirySchema(ResponseSchema):
    """A test that a request began. What a test of a connection found is the connection's."""

    id = text()
    workspace = text()
    kind = text(enum=["connection.test", "integration.enable", "settings.save", "alerts.test"])
    plugin = text("Whose; none of a test of the alerts.", nullable=True)
    status = text(
        "`running`; `succeeded`: it was done as asked; `failed`: it was not, and `error` says why; `lost`: the host "
        "did not finish it in time, and nothing was changed. A test that finds a problem has succeeded.",
        enum=["running", "succeeded", "failed", "lost"],
    )
    begun_at = moment("When it was asked for.")
    ended_at = moment("When it ended.", nullable=True)
    error = one(InquiryErrorSchema, nullable=True)
    told = many(ToldSchema, "Of a test of the alerts: who was told.")


@blueprint.get("/workspaces/<workspace>/tests/<test_id>")
@blueprint.response(200, InquirySchema)
def show_test(workspace: str, test_id: str) -> dict[str, Any]:
    """Show how a test stands; it is kept for a day"""
    return _report(workspace, test_id)


def begun(workspace: str, inquiry_id: str) -> Response:
    """Return a 202 with the inquiry and its location."""
    response = jsonify(InquirySchema().dump(_report(workspace, inquiry_id)))
    response.status_code = 202
    response.headers["Location"] = url_for("tests.show_test", workspace=workspace, test_id=inquiry_id)
    return response


def _report(workspace: str, inquiry_id: str) -> dict[str, Any]:
    inquiry = the_host().inquiries.find(workspace, inquiry_id)
    return {**inquiry, "error": inquiry["error"] and _error(inquiry["error"]), "told": inquiry["found"] or []}


def _error(error: dict[str, Any]) -> dict[str, Any]:
    problems = [FieldProblem(tuple(one["path"]), one["message"]) for one in error["problems"]]
    return {**error, "errors": [{"pointer": each.pointer, "detail": each.message} for each in problems]}
