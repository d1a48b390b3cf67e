"""The schemas of quotes: the signed quote beside its invoice and payments."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from ...quotes.run import RunKind
from ...reports.search import QUOTE_STATES
from .fields import OpenSchema, ResponseSchema, flag, integer, many, mapping, moment, money, one, text, texts
from .lists import PageQuery
from .run_schemas import RunSchema


class InvoiceSchema(ResponseSchema):
    """A quote's invoice."""

    id = text("The service's id.")
    number = text("The invoice's number; null for a draft.", nullable=True)
    status = text("The service's status.")
    service = text("The service's name.", nullable=True)


class NextStepSchema(ResponseSchema):
    """What a person can do."""

    step = text("`retry`, `dismiss`, `run`, `enable`, `settings`, `send`, `finalize`, `void` or `accept`.")
    label = text("The step's label.")


class StandingSchema(ResponseSchema):
    """A quote's standing: one sentence, who acts next, and what a person can do."""

    state = text("One of the states of docs/reference/states.md.")
    label = text("The state's label.")
    tone = text("`good`, `busy`, `attention`, `bad` or `quiet`.")
    acts = text("Who acts next: `host`, `customer`, `person` or `nobody`.")
    sentence = text("What is true of the quote now.")
    hint = text("What a person can do about it, in a sentence; may be empty.")
    plugin = text("The integration that determines the state.", nullable=True)
    run_id = text("The run that determines the state.", nullable=True)
    installment = integer("The installment that the state is about.", nullable=True)
    steps = many(NextStepSchema, "The most useful first.")


class InstallmentReportSchema(ResponseSchema):
    """One part of a quote's payment."""

    number = integer("1 is the first.")
    amount = money("The amount to pay.", nullable=False)
    due_date = text("The due date, if known.", nullable=True, format="date")
    status = text("`scheduled`, `linked` (not mailed), `sent`, `expired`, `processing`, `paid`, `closed` …")
    url = text("The open payment link.", nullable=True)
    linked_at = moment("When the link was created.", nullable=True)
    mailed_at = moment("When the link was mailed.", nullable=True)
    payment_id = text("The service's id of the payment.", nullable=True)
    amount_refunded = money("The refunded part of the amount.")


class CancellationSchema(ResponseSchema):
    """A quote's cancellation."""

    at = moment("When it reached the host.")
    by = text("Who requested it.")
    reason = text("A person's reason; may be empty.")
    how = text("`request`, or the platform's event or status.")


class UndoneSchema(ResponseSchema):
    """A requested undo of an integration's work on a quote."""

    plugin = text()
    at = moment("When it was requested.")
    by = text("Who requested it.")
    how = text("What was requested.", enum=[RunKind.UNDO.value, RunKind.VOID.value])


class WithoutInvoiceSchema(ResponseSchema):
    """Why a signed quote has no invoice, although no run is at work."""

    code = text("A stable error code.")
    title = text("What is missing.")
    hint = text("What a person does about it.")
    plugin = text("The integration that reported it.", nullable=True)
    run_id = text("The integration's run; null when no integration was enabled.", nullable=True)


class _FiguresSchema(ResponseSchema):
    quote_id = text()
    standing = one(StandingSchema)
    signed_total = money("The total that the customer signed.")
    total_differs = flag("Whether the invoice's total differs from the signed one.")
    cancelled = one(CancellationSchema, "The cancellation, until the quote is accepted again.", nullable=True)
    undone = many(UndoneSchema, "The undo by integration, until the quote is accepted again.")
    invoice = one(InvoiceSchema, nullable=True)
    payment_status = text("The service's status, or `partially_paid`.", nullable=True)
    currency = text("The currency, ISO 4217.", nullable=True)
    total = money("The invoice's total.")
    amount_paid = money("The paid amount, inside or outside the service.")
    amount_paid_outside = money("The amount that was paid outside the service, by bank transfer for example.")
    amount_remaining = money("The amount that is still due.")
    amount_overpaid = money("The amount that was paid in excess.")
    without_invoice = one(WithoutInvoiceSchema, "Why there is no invoice, until a person acts.", nullable=True)


class QuoteSummarySchema(_FiguresSchema):
    """A quote in a list."""

    number = text("The platform's number.")
    customer_name = text()
    received_at = moment("When the host first received it.")


class SavedIdsSchema(ResponseSchema):
    """The service's ids by the platform's ids."""

    contacts = mapping("The ids of contacts.", fields.String())
    taxes = mapping("The ids of taxes.", fields.String())


class QuoteReportSchema(_FiguresSchema):
    """Everything about one quote. While a quote is not fetched, only its runs are known."""

    number = text("The platform's number; null while the quote is not fetched.", nullable=True)
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
            "description": "Search words in any order, without case and accents: number, customer, e-mail, invoice "
            "number, `in_…`, `cus_…`, or an amount such as `1,234.50`. The beginning of a word is enough."
        },
    )
    state = fields.String(
        data_key="status",
        load_default=None,
        validate=validate.OneOf(QUOTE_STATES),
        metadata={"description": "The quote's present state."},
    )
    first = fields.Date(
        data_key="from", load_default=None, metadata={"description": "The first day, in the workspace's time zone."}
    )
    last = fields.Date(
        data_key="until", load_default=None, metadata={"description": "The last day, in the workspace's time zone."}
    )
    asking = fields.Boolean(load_default=False, metadata={"description": "Only quotes that wait for a person."})
    without_invoice = fields.Boolean(
        load_default=False,
        metadata={"description": "Only signed quotes without an invoice and without a run at work."},
    )


class RunQuoteSchema(Schema):
    """Which integration runs a quote."""

    plugin = fields.String(
        load_default=None, allow_none=True, metadata={"description": "Default: all enabled integrations."}
    )


class BegunSchema(ResponseSchema):
    """The runs that were started."""

    run_ids = texts("The runs, in the order of the quotes.")


class AcceptedSchema(ResponseSchema):
    """The runs of an accepted quote."""

    quote_id = text()
    duplicate = flag("Whether the quote was accepted before; then the runs are the first acceptance's.")
    corrected = fields.Boolean(
        metadata={"description": "Present and true when the quote was accepted before, and its changes were stored."}
    )
    anew = fields.Boolean(
        metadata={"description": "Present and true when the quote was cancelled or undone, and begins anew."}
    )
    cancelled = fields.Boolean(
        metadata={"description": "Present and true when the document says that the quote is cancelled."}
    )
    runs = many(StartedRunSchema)


class CancelledSchema(ResponseSchema):
    """The runs of a cancelled quote."""

    quote_id = text()
    duplicate = flag("Whether the quote was cancelled before; then the runs are the first cancellation's.")
    runs = many(StartedRunSchema)


class PreviewProblemSchema(ResponseSchema):
    """A problem at which a run would stop."""

    code = text("The stable error code of the run.")
    title = text("What is wrong.")
    hint = text("What a person does about it; may be empty.")
    status = text("How the run would end: `needs_attention` or `skipped`.")


class PlanSchema(OpenSchema):
    """One integration's plan; without a plan, ``problems`` and ``notes`` say why.

    A plan also has lines and sums and, as far as they are known, who is billed (`billed`), who is mailed what
    (`mailed`), and where the service's customer is searched for, in this order (`customer`).
    """

    plugin = text()
    enabled = flag("Whether the integration receives this workspace's quotes; otherwise no run would begin.")
    status = text("`planned`, or why there is no plan: `skipped`, `needs_attention`.")
    ends = text("How its run would end: `succeeded`, `skipped` or `needs_attention`.")
    ends_well = flag("Whether the run would need no person.")
    problems = many(PreviewProblemSchema, "Every problem at which a run would stop; the first would be its error.")
    notes = texts("Sentences for people.")


class PreviewSchema(ResponseSchema):
    """The integrations' previews of a quote."""

    quote_id = text()
    ends_well = flag("Whether every run would end well.")
    previews = many(PlanSchema)
