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

blueprint = Blueprint("alerts", "Who receives alerts when something needs a person, and the newest alerts.")

_DOCUMENT = {
    "required": True,
    "description": "Replaces the recipients; omitted fields take their defaults. Without `mails` and `webhook_url` "
    "there are no alerts.",
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

    type = text("The alert's type, as in the alert webhook, such as `run.failed`.")
    code = text("A stable error code.")
    title = text("What happened.")
    hint = text("What to do about it.")
    plugin = text(nullable=True)
    run_id = text(nullable=True)
    quote_id = text(nullable=True)
    quote_number = text(nullable=True)


class AlertSchema(MatterSchema):
    """An alert."""

    url = text("The console's page about it; null without a public URL.", nullable=True)
    open = many(MatterSchema, "The alerts that a daily digest lists; empty for every other type.")
    left_out = integer("How many more things were open than the digest lists.")
    created_at = moment("When it happened.")
    delivered_at = moment("When it had reached every recipient.", nullable=True)
    trouble = text("Why the last delivery failed; otherwise empty.")


class TargetsSchema(ResponseSchema):
    """The recipients, and the newest alerts."""

    workspace = text()
    mails = texts("The recipients by mail.")
    webhook_url = text("The URL that receives a signed request for each alert.", nullable=True)
    language = text("The language of the mails.", enum=["en", "fr"])
    silent_after_hours = integer(
        "So many hours after a payment link's end without any webhook of its service, there is an alert."
    )
    daily_digest = flag("Whether a mail every morning lists what is still open.")
    waiting = integer("How many alerts wait for delivery.")
    alerts = many(AlertSchema, "The newest alerts.")


class NewTargetsSchema(TargetsSchema):
    """The new recipients."""

    new_webhook_secret = text("The secret of a new `webhook_url`, shown once; otherwise `null`.", nullable=True)


@blueprint.get("/workspaces/<workspace>/alerts")
@blueprint.response(200, TargetsSchema)
def show_alerts(workspace: str) -> dict[str, Any]:
    """Show the recipients, and the newest alerts"""
    return the_host().alert_recipients.show(workspace)


@blueprint.put("/workspaces/<workspace>/alerts")
@blueprint.doc(requestBody=_DOCUMENT)
@blueprint.response(200, NewTargetsSchema)
@requires_scope("admin")
@shown_once("new_webhook_secret")
def replace_alerts(workspace: str) -> dict[str, Any]:
    """Replace the recipients; a new webhook's secret is shown once"""
    report = the_host().alert_recipients.replace(workspace, parse_json(request.get_data()))
    secret = report["webhook_secret"]
    return {**report, "new_webhook_secret": secret if isinstance(secret, str) else None}


@blueprint.post("/workspaces/<workspace>/alerts/test")
@blueprint.response(202, InquirySchema, headers=LOCATION_HEADER)
@requires_scope("admin")
def test_alerts(workspace: str) -> Response:
    """Begin to send every recipient a test"""
    return begun(workspace, inquiries.test_alerts(workspace))
