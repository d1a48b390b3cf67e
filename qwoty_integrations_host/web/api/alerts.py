"""A workspace's alert recipients, and its newest alerts."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from ...contract.exact_json import parse_json
from .. import inquiries
from ..auth import the_host
from .blueprint import Blueprint, requires_scope, shown_once
from .fields import ResponseSchema, flag, integer, many, moment, text, texts
from .inquiries import LOCATION_HEADER, InquirySchema, begun

blueprint = Blueprint("alerts", "Who is told when something needs a person, and what was told.")

_DOCUMENT = {
    "required": True,
    "description": "Replaces who is told; what is left out takes its default. Nobody is told without `mails` and "
    "`webhook_url`.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "mails": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
                    "webhook_url": {"type": ["string", "null"]},
                    "language": {"enum": ["en", "fr"]},
                    "silent_after_hours": {"type": "integer", "minimum": 1, "maximum": 720},
                    "daily_digest": {"type": "boolean"},
                },
                "additionalProperties": False,
            }
        }
    },
}


class MatterSchema(ResponseSchema):
    """Something that needs a person."""

    type = text("As the alert webhook names it, such as `run.failed`.")
    code = text("A stable word for machines.")
    title = text("What happened.")
    hint = text("What to do about it.")
    plugin = text(nullable=True)
    run_id = text(nullable=True)
    quote_id = text(nullable=True)
    quote_number = text(nullable=True)


class AlertSchema(MatterSchema):
    """Something that was to be told."""

    url = text("The console's page about it; none without a public address.", nullable=True)
    open = many(MatterSchema, "What a daily digest tells of; empty for every other type.")
    left_out = integer("How many more things were open.")
    created_at = moment("When it happened.")
    delivered_at = moment("When everybody had been told.", nullable=True)
    trouble = text("Why somebody was not told yet; else empty.")


class TargetsSchema(ResponseSchema):
    """Who is told, and the newest alerts."""

    workspace = text()
    mails = texts("Who is told by mail.")
    webhook_url = text("The machine that is told.", nullable=True)
    language = text("Of the mails.", enum=["en", "fr"])
    silent_after_hours = integer(
        "A service is silent so long after the end of a payment link of which it told nothing."
    )
    daily_digest = flag("Whether what is still open is told every morning.")
    waiting = integer("How many alerts are still to be told.")
    alerts = many(AlertSchema, "The newest alerts.")


class NewTargetsSchema(TargetsSchema):
    """Who is told from now on."""

    new_webhook_secret = text(
        "The secret that a new `webhook_url` was given, this once; `null` for one that stays.", nullable=True
    )


@blueprint.get("/workspaces/<workspace>/alerts")
@blueprint.response(200, TargetsSchema)
def show_alerts(workspace: str) -> dict[str, Any]:
    """Show who is told, and the newest alerts"""
    return the_host().alert_recipients.show(workspace)


@blueprint.put("/workspaces/<workspace>/alerts")
@blueprint.doc(requestBody=_DOCUMENT)
@blueprint.response(200, NewTargetsSchema)
@requires_scope("admin")
@shown_once("new_webhook_secret")
def replace_alerts(workspace: str) -> dict[str, Any]:
    """Replace who is told; a new webhook's secret is shown this once"""
    report = the_host().alert_recipients.replace(workspace, parse_json(request.get_data()))
    secret = report["webhook_secret"]
    return {**report, "new_webhook_secret": secret if isinstance(secret, str) else None}


@blueprint.post("/workspaces/<workspace>/alerts/test")
@blueprint.response(202, InquirySchema, headers=LOCATION_HEADER)
@requires_scope("admin")
def test_alerts(workspace: str) -> Response:
    """Begin to tell everybody a test"""
    return begun(workspace, inquiries.test_alerts(workspace))
