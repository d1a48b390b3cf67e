"""How quotes are shown: what was signed beside what became of it."""

from __future__ import annotations

from marshmallow import Schema, fields

from .fields import Answer, Open, flag, integer, many, mapping, moment, money, one, text, texts
from .lists import PageQuery
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


class WithoutInvoiceSchema(Answer):
    """Why a signed quote has no invoice although nothing works on it."""

    code = text("A stable word for machines.")
    title = text("What is missing.")
    hint = text("What a person does about it.")
    plugin = text("The integration that found it.", nullable=True)
    run_id = text("Its run; none where no integration was enabled.", nullable=True)


class _FiguresSchema(Answer):
    quote_id = text()
    invoice = one(InvoiceSchema, nullable=True)
    payment_status = text("`partially_paid` beside the service's words.", nullable=True)
    currency = text("ISO 4217.", nullable=True)
    total = money("Of the invoice.")
    amount_paid = money("What was paid of it.")
    amount_remaining = money("What is still to be paid.")
    amount_overpaid = money("What was paid beyond it.")
    without_invoice = one(WithoutInvoiceSchema, "Set while a person has to add something.", nullable=True)


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


class QuoteQuery(PageQuery):
    """Which quotes."""

    without_invoice = fields.Boolean(
        load_default=False,
        metadata={"description": "Only signed quotes that have none although nothing works on them."},
    )


class RunQuoteSchema(Schema):
    """Who works a quote."""

    plugin = fields.String(
        load_default=None, allow_none=True, metadata={"description": "All that are enabled unless given."}
    )


class BegunSchema(Answer):
    """What works quotes now."""

    run_ids = texts("The runs, in the order of the quotes.")


class AcceptedSchema(Answer):
    """What was started for a quote."""

    quote_id = text()
    duplicate = flag("Whether the quote was here before; the runs are the first's.")
    corrected = fields.Boolean(
        metadata={"description": "There and true when the quote was here before, and its changes were taken."}
    )
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
