"""The schemas of quotes: the signed quote beside its invoice and payments."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from ...reports.search import QUOTE_STATES
from .fields import OpenSchema, ResponseSchema, flag, integer, many, mapping, moment, money, one, text, texts
from .lists import PageQuery
from .run_schemas import RunSchema


class InvoiceSchema(ResponseSchema):
    """The invoice that was made of a quote."""

    id = text("The service's.")
    number = text("None while it is a draft.", nullable=True)
    status = text("The service's word.")
    service = text("The name that people know the service by.", nullable=True)


class NextStepSchema(ResponseSchema):
    """What a person can do."""

    step = text("`retry`, `dismiss`, `run`, `enable`, `settings`, `send`, `finalize`, `void` or `accept`.")
    label = text("The same in words.")


class StandingSchema(ResponseSchema):
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


class InstallmentReportSchema(ResponseSchema):
    """One part of a quote's payment."""

    number = integer("1 is the first.")
    amount = money("What is to be paid.", nullable=False)
    due_date = text("Its day, if that can be known.", nullable=True, format="date")
    status = text("`scheduled`, `linked` (not mailed), `sent`, `expired`, `processing`, `paid`, `closed` …")
    url = text("Where it can be paid now.", nullable=True)
    linked_at = moment("When the link was made.", nullable=True)
    mailed_at = moment("When the link was mailed.", nullable=True)
    payment_id = text("The service's name for its payment.", nullable=True)
    amount_refunded = money("What of it was paid back.")


class CancellationSchema(ResponseSchema):
    """The end of a quote."""

    at = moment("When the host heard of it.")
    by = text("Who told the host.")
    reason = text("Why, in a person's words; may be empty.")
    how = text("`request`, or the platform's event or status.")


class UndoneSchema(ResponseSchema):
    """What an integration made of a quote, and was asked to take back."""

    plugin = text()
    at = moment("When that was asked for.")
    by = text("Who asked.")
    how = text("What was asked for.", enum=["undo", "void"])


class WithoutInvoiceSchema(ResponseSchema):
    """Why a signed quote has no invoice although nothing works on it."""

    code = text("A stable word for machines.")
    title = text("What is missing.")
    hint = text("What a person does about it.")
    plugin = text("The integration that found it.", nullable=True)
    run_id = text("Its run; none where no integration was enabled.", nullable=True)


class _FiguresSchema(ResponseSchema):
    quote_id = text()
    standing = one(StandingSchema)
    signed_total = money("What the customer signed.")
    total_differs = flag("Whether the invoice's total is not the signed one.")
    cancelled = one(CancellationSchema, "Until the quote is accepted again.", nullable=True)
    undone = many(UndoneSchema, "By integration, until the quote is accepted again.")
    invoice = one(InvoiceSchema, nullable=True)
    payment_status = text("`partially_paid` beside the service's words.", nullable=True)
    currency = text("ISO 4217.", nullable=True)
    total = money("Of the invoice.")
    amount_paid = money("What was paid of it, in whichever way.")
    amount_paid_outside = money("What of that was settled outside the service, by bank transfer for instance.")
    amount_remaining = money("What is still to be paid.")
    amount_overpaid = money("What was paid beyond it.")
    without_invoice = one(WithoutInvoiceSchema, "Set while a person has to add something.", nullable=True)


class QuoteSummarySchema(_FiguresSchema):
    """A quote in a list."""

    number = text("The platform's.")
    customer_name = text()
    received_at = moment("When the host first heard of it.")


class SavedIdsSchema(ResponseSchema):
    """The service's ids for what a quote names, by the platform's."""

    contacts = mapping("Contacts.", fields.String())
    taxes = mapping("Taxes.", fields.String())


class QuoteReportSchema(_FiguresSchema):
    """Everything about one quote. Of one that the platform has told of, and that was not fetched, only its runs."""

    number = text("The platform's; None while the quote is not fetched.", nullable=True)
    installments = many(InstallmentReportSchema)
    saved_ids = one(SavedIdsSchema)
    runs = many(RunSchema, "Oldest first.")


class StartedRunSchema(ResponseSchema):
    """A run that works on a quote."""

    id = text()
    plugin = text()
    status = text()


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
    state = fields.String(
        data_key="status",
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
    asking = fields.Boolean(
        load_default=False, metadata={"description": "Only those that stay as they are until a person acts."}
    )
    without_invoice = fields.Boolean(
        load_default=False,
        metadata={"description": "Only signed quotes that have none although nothing works on them."},
    )


class RunQuoteSchema(Schema):
    """Who works a quote."""

    plugin = fields.String(
        load_default=None, allow_none=True, metadata={"description": "All that are enabled unless given."}
    )


class BegunSchema(ResponseSchema):
    """What works quotes now."""

    run_ids = texts("The runs, in the order of the quotes.")


class AcceptedSchema(ResponseSchema):
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


class CancelledSchema(ResponseSchema):
    """What was started for a cancelled quote."""

    quote_id = text()
    duplicate = flag("Whether the quote was cancelled before; the runs are the first's.")
    runs = many(StartedRunSchema)


class PreviewProblemSchema(ResponseSchema):
    """What a run would stop at."""

    code = text("A stable word for machines, as of the run's error.")
    title = text("What is wrong.")
    hint = text("What a person does about it; may be empty.")
    status = text("How the run would end: `needs_attention` or `skipped`.")


class PlanSchema(OpenSchema):
    """What one integration would make; without a plan, ``problems`` and ``notes`` say why.

    A plan has lines and sums beside it. Who is billed (`billed`), who is mailed what (`mailed`) and where the service's
    customer is looked for (`customer`, in this order) stand there as far as they are known.
    """

    plugin = text()
    enabled = flag("Whether it gets this workspace's quotes: else no run would begin.")
    status = text("`planned`, or why there is no plan: `skipped`, `needs_attention`.")
    ends = text("How its run would end: `succeeded`, `skipped` or `needs_attention`.")
    ends_well = flag("Whether nobody would have to do anything about it.")
    problems = many(PreviewProblemSchema, "Everything that a run would stop at; the first would be its error.")
    notes = texts("Sentences for people.")


class PreviewSchema(ResponseSchema):
    """What the integrations would make of a quote."""

    quote_id = text()
    ends_well = flag("Whether every run would end well.")
    previews = many(PlanSchema)
