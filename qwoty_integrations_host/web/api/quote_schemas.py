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


class NextStepSchema(Answer):
    """What a person can do."""

    step = text("`retry`, `dismiss`, `run`, `enable`, `settings`, `send`, `finalize`, `void` or `accept`.")
    label = text("The same in words.")


class StandingSchema(Answer):
    """Where a quote stands: one sentence, who acts next, and what a person can do."""

    state = text("One of the states of docs/reference/states.md.")
    label = text("The state in a word or two.")
    tone = text("`good`, `busy`, `attention`, `bad` or `quiet`.")
    acts = text("Who acts next: `host`, `customer`, `person` or `nobody`.")
    sentence = text("What is true of the quote now.")
    hint = text("What a person can do about it, in a sentence; may be empty.")
    plugin = text("The integration whose work decides.", nullable=True)
    run_id = text("The run that decides.", nullable=True)
    installment = integer("The installment that it is about.", nullable=True)
    steps = many(NextStepSchema, "The most useful first.")


class InstallmentReportSchema(Answer):
    """One part of a quote's payment."""

    number = integer("1 is the first.")
    amount = money("What is to be paid.", nullable=False)
    due_date = text("Its day, if that can be known.", nullable=True, format="date")
    status = text("`scheduled`, `linked` (not mailed), `sent`, `expired`, `processing`, `paid` …")
    url = text("Where it can be paid now.", nullable=True)
    linked_at = moment("When the link was made.", nullable=True)
    mailed_at = moment("When the link was mailed.", nullable=True)
    payment_id = text("The service's name for its payment.", nullable=True)
    amount_refunded = money("What of it was paid back.")


class _FiguresSchema(Answer):
    quote_id = text()
    standing = one(StandingSchema)
    signed_total = money("What the customer signed.")
    total_differs = flag("Whether the invoice's total is not the signed one.")
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


class SavedIdsSchema(Answer):
    """The service's ids for what a quote names, by the platform's."""

    contacts = mapping("Contacts.", fields.String())
    taxes = mapping("Taxes.", fields.String())


class QuoteReportSchema(_FiguresSchema):
    """Everything about one quote. Of one that the platform has told of, and that was not fetched, only its runs."""

    number = text("The platform's; None while the quote is not fetched.", nullable=True)
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
