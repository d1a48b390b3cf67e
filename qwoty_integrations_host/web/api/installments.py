"""Installments: the parts of a quote's payment."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from ...reports.quotes import quote_report
from ...reports.runs import find_run
from ..auth import the_host
from .blueprint import Blueprint
from .lists import list_of, whole
from .quote_schemas import InstallmentReportSchema
from .run_schemas import RunSchema

blueprint = Blueprint("installments", "The parts of a quote's payment.")


class InstallmentRequestSchema(Schema):
    """Which installment."""

    number = fields.Integer(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, 10_000),
        metadata={"description": "Default: the lowest unpaid one."},
    )
    look_first = fields.Boolean(
        load_default=False,
        metadata={
            "description": "Whether the run asks the service what is possible; otherwise the host's record decides."
        },
    )


@blueprint.get("/workspaces/<workspace>/quotes/<id:quote_id>/installments")
@blueprint.response(200, list_of(InstallmentReportSchema))
def list_installments(workspace: str, quote_id: str) -> dict[str, Any]:
    """List a quote's installments: amount, due date, state, link"""
    host = the_host()
    return whole(quote_report(host.store, workspace, quote_id, host.clock.now())["installments"])


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/installments/send")
@blueprint.arguments(InstallmentRequestSchema, required=False)
@blueprint.response(202, RunSchema)
def send_installment(body: dict[str, Any], workspace: str, quote_id: str) -> dict[str, Any]:
    """Mail the customer a payment link for an installment; it replaces an open link for the same installment"""
    host = the_host()
    run_id = host.runs.installments.request(workspace, quote_id, body["number"], look_first=body["look_first"])
    return find_run(host.store, run_id)
