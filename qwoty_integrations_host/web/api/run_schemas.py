"""The schemas of runs."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from ...contract.document_fields import Text
from ...store.runs import STATUSES
from .fields import OpenSchema, ResponseSchema, integer, many, moment, money, one, text, texts

KINDS = ("quote_accepted", "installment", "webhook", "undo", "cancel", "void", "upkeep", "platform_event")


class DismissalSchema(Schema):
    """What a person did about it."""

    reason = Text(required=True, validate=validate.Length(1, 500))


class PaymentLinkSchema(ResponseSchema):
    """A link that can be paid now."""

    url = text("Where the customer pays.")
    amount = money("What is paid with it.", nullable=False)
    expires_at = moment("Until when.", nullable=True)


class OutcomeSchema(OpenSchema):
    """What came of a run; an integration may add results of its own."""

    invoice_id = text(nullable=True)
    invoice_status = text("The service's word: draft, open, paid, void …", nullable=True)
    payment_status = text("`partially_paid` beside the service's words.", nullable=True)
    currency = text("ISO 4217.", nullable=True)
    net = money("Of the invoice, without tax.")
    tax = money("Of the invoice.")
    total = money("Of the invoice.")
    customer_id = text("The customer at the service.", nullable=True)
    payment_link = one(PaymentLinkSchema, nullable=True)
    notes = texts("Sentences for people.")


class StepSchema(ResponseSchema):
    """One step of a run."""

    name = text()
    status = text()
    attempts = integer("How often it was begun.")
    started_at = moment("When it was first begun, or begun with its present idempotency key.")
    ms = integer("How long its last try took, in milliseconds.")
    request_ids = texts("The service's names for the requests.")


class RunErrorSchema(OpenSchema):
    """Why a run did not succeed."""

    code = text("A stable word for machines.")
    title = text("What happened.")
    hint = text("What a person does about it; may be empty.")


class RunSchema(ResponseSchema):
    """One integration's work on one event."""

    id = text()
    kind = text(f"{', '.join(KINDS)}, …")
    workspace = text()
    plugin = text()
    quote_id = text("Empty for what concerns no quote.")
    status = text(f"{', '.join(STATUSES)}.")
    created_at = moment("When it was asked for.")
    finished_at = moment("When it ended.", nullable=True)
    waits_until = moment("While it waits through an outage: when it tries again.", nullable=True)
    outcome = one(OutcomeSchema)
    steps = many(StepSchema, "The timeline.")
    error = fields.Nested(
        RunErrorSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Also of a run that was `skipped` for want of something."},
    )
