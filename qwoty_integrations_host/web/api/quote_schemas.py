"""How quotes are shown: what was signed beside what became of it."""

from __future__ import annotations

from marshmallow import fields

from .fields import Answer, Open, flag, integer, many, mapping, moment, money, one, text, texts
from .run_schemas import RunSchema


class InvoiceSchema(Answer):
    """The invoice that was made of a quote."""

    id = text("The service's.")
    number = text("None while it is a draft.", nullable=True)
    status = text("The service's word.")


class InstallmentReportSchema(Answer):
    """One part of a quote's payment."""

    number = integer("1 is the first.")
    amount = money("What is to be paid.", nullable=False)
    due_date = text("Its day, if that can be known.", nullable=True, format="date")
    status = text("`scheduled`, `sent`, `expired`, `processing`, `paid` …")
    url = text("Where it can be paid now.", nullable=True)
    linked_at = moment("When the link was made.", nullable=True)
    mailed_at = moment("When the link was mailed.", nullable=True)
    payment_id = text("The service's name for its payment.", nullable=True)
    amount_refunded = money("What of it was paid back.")


class CancellationSchema(Answer):
    """The end of a quote."""

    at = moment("When the host heard of it.")
    by = text("Who told the host.")
    reason = text("Why, in a person's words; may be empty.")
    how = text("`request`, or the platform's event or status.")


class UndoneSchema(Answer):
    """What an integration made of a quote, and was asked to take back."""

    plugin = text()
    at = moment("When that was asked for.")
    by = text("Who asked.")
    how = text("What was asked for.", enum=["undo", "void"])


class _FiguresSchema(Answer):
    quote_id = text()
    cancelled = one(CancellationSchema, "Until the quote is accepted again.", nullable=True)
    undone = many(UndoneSchema, "By integration, until the quote is accepted again.")
    invoice = one(InvoiceSchema, nullable=True)
    payment_status = text("`partially_paid` beside the service's words.", nullable=True)
    currency = text("ISO 4217.", nullable=True)
    total = money("Of the invoice.")
    amount_paid = money("What was paid of it.")
    amount_remaining = money("What is still to be paid.")
    amount_overpaid = money("What was paid beyond it.")


class QuoteSummarySchema(_FiguresSchema):
    """A quote in a list."""

    number = text("The platform's.")
    customer_name = text()
    received_at = moment("When the host first heard of it.")
    signed_total = money("What the customer signed.")


class SavedIdsSchema(Answer):
    """The service's ids for what a quote names, by the platform's."""

    contacts = mapping("Contacts.", fields.String())
    taxes = mapping("Taxes.", fields.String())


class QuoteReportSchema(_FiguresSchema):
    """Everything about one quote."""

    installments = many(InstallmentReportSchema)
    saved_ids = one(SavedIdsSchema)
    runs = many(RunSchema, "Oldest first.")


class StartedRunSchema(Answer):
    """A run that works on a quote."""

    id = text()
    plugin = text()
    status = text()


class AcceptedSchema(Answer):
    """What was started for a quote."""

    quote_id = text()
    duplicate = flag("Whether the quote was here before; the runs are the first's.")
    corrected = fields.Boolean(
        metadata={"description": "There and true when the quote was here before, and its changes were taken."}
    )
    anew = fields.Boolean(
        metadata={"description": "There and true when the quote was cancelled or undone, and begins anew."}
    )
    cancelled = fields.Boolean(
        metadata={"description": "There and true when the document says that the quote is cancelled."}
    )
    runs = many(StartedRunSchema)


class CancelledSchema(Answer):
    """What was started for a cancelled quote."""

    quote_id = text()
    duplicate = flag("Whether the quote was cancelled before; the runs are the first's.")
    runs = many(StartedRunSchema)


class PlanSchema(Open):
    """What one integration would make; without a plan, ``notes`` say why. A plan has lines and sums beside it."""

    plugin = text()
    status = text("`planned`, or why there is no plan: `skipped`, `needs_attention`.")
    notes = texts("Sentences for people.")


class PreviewSchema(Answer):
    """What the integrations would make of a quote."""

    quote_id = text()
    previews = many(PlanSchema)
