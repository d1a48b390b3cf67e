"""Quotes: handing over accepted ones, and what became of them."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from marshmallow import Schema, validate

from ...contract.document_fields import Text
from ...contract.exact_json import parse_json
from ...contract.quote_schema import QuoteSchema
from ...reports.previews import preview
from ...reports.search import Asked, stored_document
from ...reports.shapes import find_run, list_quotes, quote_report
from ...runs.requests import Accepted, Cancelled
from ...store import runs as rows
from ..auth import the_host
from .blueprint import Blueprint, is_no_write, names_fields, needs
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

blueprint = Blueprint("quotes", "Accepted quotes, and what became of them.")


#: Only described: numbers of the document must not pass through a float, so it is read by ``parse_json``.
_QUOTE = {"required": True, "content": {"application/json": {"schema": QuoteSchema}}}


class CancellationRequest(Schema):
    """Why a quote is cancelled."""

    reason = Text(load_default="", validate=validate.Length(max=500))


@blueprint.post("/workspaces/<workspace>/quotes/accepted")
@blueprint.doc(requestBody=_QUOTE)
@blueprint.response(202, AcceptedSchema)
@blueprint.alt_response(200, schema=AcceptedSchema, description="The quote was here before.")
@names_fields
def accept_quote(workspace: str) -> Response:
    """Take an accepted quote: 202 when it is new, 200 when it was here before"""
    host = the_host()
    accepted = host.runs.accept(workspace, parse_json(request.get_data()))
    more = {name: True for name in ("corrected", "anew", "cancelled") if getattr(accepted, name)}
    return _started(accepted, more)


@blueprint.post("/workspaces/<workspace>/quotes/preview")
@blueprint.doc(requestBody=_QUOTE)
@blueprint.response(200, PreviewSchema)
@needs("read")
@is_no_write
def preview_quote(workspace: str) -> dict[str, Any]:
    """Show what would be made of a quote, and what a run would stop at; no network, nothing is written"""
    return _preview(workspace, parse_json(request.get_data()))


def _preview(workspace: str, document: Any) -> dict[str, Any]:
    host = the_host()
    return preview(
        workspace,
        document,
        plugins=host.plugins,
        settings=host.settings,
        contexts=host.runs.contexts,
        clock=host.clock,
    )


def _started(found: Accepted | Cancelled, more: dict[str, bool]) -> Response:
    with the_host().store.read() as db:
        started = [rows.find(db, run_id) for run_id in found.run_ids]
    runs = [{name: row[name] for name in ("id", "plugin", "status")} for row in started if row]
    answer = jsonify({"quote_id": found.quote_id, "duplicate": found.duplicate, **more, "runs": runs})
    answer.status_code = 200 if found.duplicate else 202
    return answer


@blueprint.get("/workspaces/<workspace>/quotes")
@blueprint.arguments(QuoteQuery, location="query")
@blueprint.response(200, list_of(QuoteSummarySchema))
def get_quotes(query: dict[str, Any], workspace: str) -> dict[str, Any]:
    """List quotes, newest first: all, or those with these words, in a state, of these days"""
    host, page = the_host(), {"limit": query.pop("limit"), "after": query.pop("starting_after")}
    return list_quotes(host.store, workspace, host.clock.now(), **page, asked=Asked(**query))


@blueprint.get("/workspaces/<workspace>/quotes/<id:quote_id>/preview")
@blueprint.response(200, PreviewSchema)
def preview_stored_quote(workspace: str, quote_id: str) -> dict[str, Any]:
    """Show what would be made now of a quote that is here; no network, nothing is written"""
    return _preview(workspace, stored_document(the_host().store, workspace, quote_id))


@blueprint.post("/workspaces/<workspace>/quotes/run-waiting")
@blueprint.arguments(RunQuoteSchema, required=False)
@blueprint.response(202, BegunSchema)
def run_waiting_quotes(body: dict[str, Any], workspace: str) -> dict[str, Any]:
    """Run every signed quote that has no invoice although nothing works on it, oldest first; some may be old"""
    return {"run_ids": the_host().uninvoiced.run_all(workspace, body["plugin"])}


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/run")
@blueprint.arguments(RunQuoteSchema, required=False)
@blueprint.response(202, BegunSchema)
def run_quote(body: dict[str, Any], workspace: str, quote_id: str) -> dict[str, Any]:
    """Run a quote that was not worked: nothing was enabled, or something was missing"""
    return {"run_ids": the_host().runs.run_quote(workspace, quote_id, body["plugin"])}


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/dismiss")
@blueprint.arguments(DismissalSchema)
@blueprint.response(200, QuoteReportSchema)
def dismiss_quote(body: dict[str, Any], workspace: str, quote_id: str) -> dict[str, Any]:
    """Say that a quote without an invoice needs none any more; it can still be run"""
    host = the_host()
    host.runs.dismiss_quote(workspace, quote_id, body["reason"])
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
    """Cancel a quote: nothing more is made or sent, and what is not final is taken back"""
    return _started(the_host().runs.cancel(workspace, quote_id, reason=body["reason"]), {})


@blueprint.post("/workspaces/<workspace>/quotes/<id:quote_id>/invoice/void")
@blueprint.response(202, RunSchema)
def void_invoice(workspace: str, quote_id: str) -> dict[str, Any]:
    """Void a quote's final invoice of which nothing is paid; give the run that does it"""
    host = the_host()
    return find_run(host.store, host.runs.request_void(workspace, quote_id))
