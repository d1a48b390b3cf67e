"""Quotes: handing over accepted ones, and what became of them."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from marshmallow import fields, validate

from ...exact_json import parse_json
from ...finding import QUOTE_STATES, Asked, stored_document
from ...previews import preview
from ...quote_schema import QuoteSchema
from ...reports import list_quotes, quote_report
from ...store import runs as rows
from ..auth import the_host
from .blueprint import Blueprint, is_no_write, names_fields, needs
from .lists import PageQuery, list_of
from .quote_schemas import AcceptedSchema, PreviewSchema, QuoteReportSchema, QuoteSummarySchema

blueprint = Blueprint("quotes", "Accepted quotes, and what became of them.")


class QuoteQuery(PageQuery):
    """Which quotes."""

    search = fields.String(
        load_default=None,
        validate=validate.Length(1, 200),
        metadata={
            "description": "Words of them, in any order, without case and accents: number, customer, e-mail, invoice "
            "number, `in_…`, `cus_…`, or an amount such as `1,234.50`. A word may be the beginning of one."
        },
    )
    status = fields.String(
        load_default=None,
        validate=validate.OneOf(QUOTE_STATES),
        metadata={"description": "Where the quote stands now."},
    )
    first = fields.Date(
        data_key="from", load_default=None, metadata={"description": "The first day, in the workspace's time zone."}
    )
    last = fields.Date(
        data_key="until", load_default=None, metadata={"description": "The last day, in the workspace's time zone."}
    )


#: Only described: numbers of the document must not pass through a float, so it is read by ``parse_json``.
_QUOTE = {"required": True, "content": {"application/json": {"schema": QuoteSchema}}}


@blueprint.post("/workspaces/<workspace>/quotes/accepted")
@blueprint.doc(requestBody=_QUOTE)
@blueprint.response(202, AcceptedSchema)
@blueprint.alt_response(200, schema=AcceptedSchema, description="The quote was here before.")
@names_fields
def accept_quote(workspace: str) -> Response:
    """Take an accepted quote: 202 when it is new, 200 when it was here before"""
    host = the_host()
    accepted = host.runs.accept(workspace, parse_json(request.get_data()))
    with host.store.read() as db:
        found = [rows.find(db, run_id) for run_id in accepted.run_ids]
    runs = [{name: row[name] for name in ("id", "plugin", "status")} for row in found if row]
    corrected = {"corrected": True} if accepted.corrected else {}
    answer = jsonify({"quote_id": accepted.quote_id, "duplicate": accepted.duplicate, **corrected, "runs": runs})
    answer.status_code = 200 if accepted.duplicate else 202
    return answer


@blueprint.post("/workspaces/<workspace>/quotes/preview")
@blueprint.doc(requestBody=_QUOTE)
@blueprint.response(200, PreviewSchema)
@needs("read")
@is_no_write
def preview_quote(workspace: str) -> dict[str, Any]:
    """Show what would be made of a quote; no network, nothing is written"""
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


@blueprint.get("/workspaces/<workspace>/quotes")
@blueprint.arguments(QuoteQuery, location="query")
@blueprint.response(200, list_of(QuoteSummarySchema))
def get_quotes(query: dict[str, Any], workspace: str) -> dict[str, Any]:
    """List quotes, newest first: all, or those with these words, in a state, of these days"""
    host = the_host()
    asked = Asked(search=query["search"], state=query["status"], first=query["first"], last=query["last"])
    page = {"limit": query["limit"], "after": query["starting_after"]}
    return list_quotes(host.store, workspace, host.clock.now(), **page, asked=asked)


@blueprint.get("/workspaces/<workspace>/quotes/<id:quote_id>/preview")
@blueprint.response(200, PreviewSchema)
def preview_stored_quote(workspace: str, quote_id: str) -> dict[str, Any]:
    """Show what would be made now of a quote that is here; no network, nothing is written"""
    return _preview(workspace, stored_document(the_host().store, workspace, quote_id))


@blueprint.get("/workspaces/<workspace>/quotes/<id:quote_id>")
@blueprint.response(200, QuoteReportSchema)
def get_quote(workspace: str, quote_id: str) -> dict[str, Any]:
    """Show a quote's invoice, payments, installments and runs"""
    host = the_host()
    return quote_report(host.store, workspace, quote_id, host.clock.now())
