"""The results of background checks: the ``Location`` of a 202."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, url_for

from ...errors import FieldProblem
from ...store.inquiries import InquiryStatus
from ..auth import the_host
from ..inquiries import InquiryKind
from .blueprint import Blueprint
from .fields import ResponseSchema, flag, many, moment, one, text

blueprint = Blueprint("tests", "The results of tests that requests began; no request waits for a service.")

#: The headers of a 202, for the description.
LOCATION_HEADER = {"Location": {"description": "The test: poll it until its `status` is not `running`."}}


class PlaceSchema(ResponseSchema):
    """An invalid field."""

    pointer = text("JSON pointer to the field of the sent document.")
    detail = text("What is wrong.")


class InquiryErrorSchema(ResponseSchema):
    """Why a test failed."""

    code = text("A stable error code.")
    title = text("What happened.")
    hint = text("What a person does about it; may be empty.")
    errors = many(PlaceSchema, "The invalid fields.")


class ToldSchema(ResponseSchema):
    """The result of a test alert for one recipient."""

    to = text("The recipient's mail address or webhook URL.")
    delivered = flag("Whether the test was delivered.")
    trouble = text("Why not; otherwise empty.")


class InquirySchema(ResponseSchema):
    """A test that a request began. The result of a connection test is in the connection."""

    id = text()
    workspace = text()
    kind = text(enum=[kind.value for kind in InquiryKind])
    plugin = text("The integration; null for a test of the alerts.", nullable=True)
    status = text(
        "`running`; `succeeded`: the request was carried out; `failed`: it was not, and `error` says why; `lost`: the "
        "host did not finish it in time, and nothing was changed. A test that finds a problem has succeeded.",
        enum=[status.value for status in InquiryStatus],
    )
    begun_at = moment("When it was requested.")
    ended_at = moment("When it ended.", nullable=True)
    error = one(InquiryErrorSchema, nullable=True)
    told = many(ToldSchema, "For a test of the alerts: the result for each recipient.")


@blueprint.get("/workspaces/<workspace>/tests/<test_id>")
@blueprint.response(200, InquirySchema)
def show_test(workspace: str, test_id: str) -> dict[str, Any]:
    """Show a test's status; it is stored for a day"""
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
