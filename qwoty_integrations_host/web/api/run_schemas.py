"""The schemas of runs."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from ...contract.document_fields import Text
from ...quotes.run import RunKind, RunStatus
from .fields import OpenSchema, ResponseSchema, integer, many, moment, money, one, text, texts


class DismissalSchema(Schema):
    """A person's reason to dismiss a run or a quote."""

    reason = Text(required=True, validate=validate.Length(1, 500))


class PaymentLinkSchema(ResponseSchema):
    """An open payment link."""

    url = text("The URL at which the customer pays.")
    amount = money("The amount to pay.", nullable=False)
    expires_at = moment("When it expires.", nullable=True)


class OutcomeSchema(OpenSchema):
    """A run's outcome; an integration may add results of its own."""

    invoice_id = text(nullable=True)
    invoice_status = text("The service's status: draft, open, paid, void …", nullable=True)
    payment_status = text("The service's status, or `partially_paid`.", nullable=True)
    currency = text("The currency, ISO 4217.", nullable=True)
    net = money("The invoice's total without tax.")
    tax = money("The invoice's tax.")
    total = money("The invoice's total.")
    customer_id = text("The service's id of the customer.", nullable=True)
    payment_link = one(PaymentLinkSchema, nullable=True)
    notes = texts("Sentences for people.")


class StepSchema(ResponseSchema):
    """One step of a run."""

    name = text()
    status = text()
    attempts = integer("The number of attempts.")
    started_at = moment("When the first attempt began, or the first one with the present idempotency key.")
    ms = integer("How long the last attempt took, in milliseconds.")
    request_ids = texts("The service's ids of the requests.")


class RunErrorSchema(OpenSchema):
    """Why a run did not succeed."""

    code = text("A stable error code.")
    title = text("What happened.")
    hint = text("What a person does about it; may be empty.")


class RunSchema(ResponseSchema):
    """One integration's work on one event."""

    id = text()
    kind = text(f"{', '.join(RunKind)}, …")
    workspace = text()
    plugin = text()
    quote_id = text("The quote's id; empty for a run about no quote.")
    status = text(f"{', '.join(RunStatus)}.")
    created_at = moment("When it was requested.")
    finished_at = moment("When it ended.", nullable=True)
    waits_until = moment("When a waiting run is retried.", nullable=True)
    outcome = one(OutcomeSchema)
    steps = many(StepSchema, "The steps, in order.")
    error = fields.Nested(
        RunErrorSchema,
        required=True,
        allow_none=True,
        metadata={"description": "Also set for a run that was `skipped` because something was missing."},
    )
