"""Runs: listing, retrying, dismissing and undoing them."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from ...quotes.run import RunKind, RunStatus
from ...reports.runs import find_run, list_runs
from ..auth import the_host
from .blueprint import Blueprint
from .fields import ResponseSchema, texts
from .lists import PageQuery, list_of
from .run_schemas import DismissalSchema, RunSchema

blueprint = Blueprint("runs", "The work of integrations on quotes, step by step.")


class RunQuery(PageQuery):
    """Which runs."""

    status = fields.String(load_default=None, validate=validate.OneOf(list(RunStatus)))
    quote_id = fields.String(load_default=None, metadata={"description": "A quote's id, or its number."})
    plugin = fields.String(load_default=None)
    kind = fields.String(load_default=None, metadata={"description": f"Such as {', '.join(RunKind)}."})
    quiet = fields.Boolean(
        data_key="all",
        load_default=False,
        metadata={"description": "Whether to include upkeep that had nothing to do."},
    )
    without_invoice = fields.Boolean(
        load_default=False, metadata={"description": "Only runs that created no invoice because something was missing."}
    )


class RetriedSchema(ResponseSchema):
    """The runs that are retried."""

    run_ids = texts("The runs, oldest first.")


@blueprint.get("/workspaces/<workspace>/runs")
@blueprint.arguments(RunQuery, location="query")
@blueprint.response(200, list_of(RunSchema))
def get_runs(query: dict[str, Any], workspace: str) -> dict[str, Any]:
    """List runs, newest first"""
    after = query.pop("starting_after")
    return list_runs(the_host().store, workspace=workspace, after=after, **query)


@blueprint.get("/workspaces/<workspace>/runs/<run_id>")
@blueprint.response(200, RunSchema)
def get_run(workspace: str, run_id: str) -> dict[str, Any]:
    """Show a run with its steps"""
    return find_run(the_host().store, run_id, workspace=workspace)


@blueprint.post("/workspaces/<workspace>/runs/<run_id>/retry")
@blueprint.response(202, RunSchema)
def retry_run(workspace: str, run_id: str) -> dict[str, Any]:
    """Retry a run that did not succeed, or waits: it resumes at the step that failed"""
    host = the_host()
    find_run(host.store, run_id, workspace=workspace)
    return find_run(host.store, host.runs.control.retry(run_id))


@blueprint.post("/workspaces/<workspace>/runs/<run_id>/dismiss")
@blueprint.arguments(DismissalSchema)
@blueprint.response(200, RunSchema)
def dismiss_run(body: dict[str, Any], workspace: str, run_id: str) -> dict[str, Any]:
    """Dismiss a run that a person has dealt with; it can still be retried"""
    host = the_host()
    find_run(host.store, run_id, workspace=workspace)
    return find_run(host.store, host.runs.control.dismiss(run_id, body["reason"]))


@blueprint.post("/workspaces/<workspace>/runs/<run_id>/undo")
@blueprint.response(202, RunSchema)
def undo_run(workspace: str, run_id: str) -> dict[str, Any]:
    """Take back what a run created and is not final; return the run that does it"""
    host = the_host()
    find_run(host.store, run_id, workspace=workspace)
    return find_run(host.store, host.runs.cancellation.undo(run_id))


@blueprint.post("/workspaces/<workspace>/runs/retry-all-failed")
@blueprint.response(202, RetriedSchema)
def retry_all_failed(workspace: str) -> dict[str, Any]:
    """Retry every failed run of the workspace"""
    return {"run_ids": the_host().runs.control.retry_all_failed(workspace)}
