"""Quotes: accepting them, and reporting their invoices and payments."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, validate

from ...contract.document_fields import Text
from ...contract.exact_json import parse_json
from ...contract.quote_schema import QuoteSchema
from ...reports.previews import preview
from ...reports.quotes import list_quotes, quote_report
from ...reports.runs import find_run
from ...reports.search import QuoteFilter, stored_document
from ...runs.acceptance import Accepted
from ...runs.cancellation import Cancelled
from ...store import runs as runs_table
from ..auth import the_host
from .blueprint import Blueprint, reports_field_errors, requires_scope, safe_to_repeat
from .lists import list_of
from .quote_schemas import (
    AcceptedSchema,
    BegunSchema,
    CancelledSchema,
    PreviewSchema,
    QuoteQuery,
    QuoteReportSchema,
    QuoteSummarySchema,
    RunQuoteSchema,
)
from .run_schemas import DismissalSchema, RunSchema

blueprint = Blueprint("quotes", "Accepted quotes, with their invoices and payments.")


#: For the description only: ``parse_json`` parses the body, so that numbers stay exact.
_QUOTE = {"required": True, "content": {"application/json": {"schema": QuoteSchema}}}


class CancellationRequest(Schema):
    """Why a quote is cancelled."""

    reason = Text(load_default="", validate=validate.Length(max=500))


@blueprint.post("/workspaces/<workspace>/quotes/accepted")
@blueprint.doc(requestBody=_QUOTE)
@blueprint.response(202, AcceptedSchema)
@blueprint.alt_response(200, schema=AcceptedSchema, description="The quote was accepted before.")
@reports_field_errors
def accept_quote(workspace: str) -> Response:
    """Accept a quote: 202 when it is new, 200 when it was accepted before"""
    accepted = the_host().runs.acceptance.accept(workspace, parse_json(request.get_data()))
    flags = {name: True for name in ("corrected", "anew", "cancelled") if getattr(accepted, name)}
    return _started(accepted, flags)


@blueprint.post("/workspaces/<workspace>/quotes/preview")
@blueprint.doc(requestBody=_QUOTE)
@blueprint.response(200, PreviewSchema)
@requires_scope("read")
@safe_to_repeat
def preview_quote(workspace: str) -> dict[str, Any]:
    """Preview a quote's invoice, and the problems at which a run would stop; without network or writes"""
    return _preview(workspace, parse_json(request.get_data()))


def _preview(workspace: str, document: Any) -> dict[str, Any]:
    return preview(workspace, document, the_host().integrations)


def _started(result: Accepted | Cancelled, flags: dict[str, bool]) -> Response:
    with the_host().store.read() as db:
        rows = [runs_table.find(db, run_id) for run_id in result.run_ids]
    runs = [{name: getattr(row, name) for name in ("id", "plugin", "status")} for row in rows if row]
    response = jsonify({"quote_id": result.quote_id, "duplicate": result.duplicate, **flags, "runs": runs})
    response.status_code = 200 if result.duplicate else 202
    return response


@blueprint.get("/workspaces/<workspace>/quotes")
@blueprint.arguments(QuoteQuery, location="query")
@blueprint.response(200, list_of(QuoteSummarySchema))
def get_quotes(query: dict[str, Any], workspace: str) -> dict[str, Any]:
    """List quotes, newest first: all, or filtered by search words, state and days"""
    host, page = the_host(), {"limit": query.pop("limit"), "after": query.pop("starting_after")}
    return list_quotes(host.store, workspace, host.clock.now(), **page, quote_filter=QuoteFilter(**query))


@blueprint.get("/workspaces/<workspace>/quotes/<id:quote_id>/preview")
@blueprint.response(200, PreviewSchema)
def preview_stored_quote(workspace: str, quote_id: str) -> dict[str, Any]:
    """Preview a stored quote's invoice under the present settings; without network or writes"""
    return _preview(workspace, stored_document(the_host().store, workspace, quote_id))


@blueprint.post("/workspaces/<workspace>/quotes/run-waiting")
@blueprint.arguments(RunQuoteSchema, required=False)
@blueprint.response(202, BegunSchema)
def run_waiting_quotes(body: dict[str, Any], workspace: str) -> dict[str, Any]:
    """Run every signed quote without an invoice and without a run at work, oldest first; some may be old"""
    return {"run_ids": the_host().runs.acceptance.run_all(workspace, body["plugin"])}


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/run")
@blueprint.arguments(RunQuoteSchema, required=False)
@blueprint.response(202, BegunSchema)
def run_quote(body: dict[str, Any], workspace: str, quote_id: str) -> dict[str, Any]:
    """Run a quote for which no integration was enabled, or something was missing"""
    return {"run_ids": the_host().runs.acceptance.run(workspace, quote_id, body["plugin"])}


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/dismiss")
@blueprint.arguments(DismissalSchema)
@blueprint.response(200, QuoteReportSchema)
def dismiss_quote(body: dict[str, Any], workspace: str, quote_id: str) -> dict[str, Any]:
    """Dismiss a quote that needs no invoice; it can still be run"""
    host = the_host()
    host.runs.without_invoice.dismiss(workspace, quote_id, body["reason"])
    return quote_report(host.store, workspace, quote_id, host.clock.now())


@blueprint.get("/workspaces/<workspace>/quotes/<id:quote_id>")
@blueprint.response(200, QuoteReportSchema)
def get_quote(workspace: str, quote_id: str) -> dict[str, Any]:
    """Show a quote's invoice, payments, installments and runs"""
    host = the_host()
    return quote_report(host.store, workspace, quote_id, host.clock.now())


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/cancel")
@blueprint.arguments(CancellationRequest, required=False)
@blueprint.response(202, CancelledSchema)
@blueprint.alt_response(200, schema=CancelledSchema, description="The quote was cancelled before.")
def cancel_quote(body: dict[str, Any], workspace: str, quote_id: str) -> Response:
    """Cancel a quote: stop its runs, and take back what is not final"""
    return _started(the_host().runs.cancellation.cancel(workspace, quote_id, reason=body["reason"]), {})


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/invoice/void")
@blueprint.response(202, RunSchema)
def void_invoice(workspace: str, quote_id: str) -> dict[str, Any]:
    """Void a quote's final, unpaid invoice; return the run that does it"""
    host = the_host()
    return find_run(host.store, host.runs.cancellation.void(workspace, quote_id))
