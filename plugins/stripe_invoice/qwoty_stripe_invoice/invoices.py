"""The Stripe invoice: empty draft, lines in the quote's order, finalized, sent (Stripe page, sections 9 and 10)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from qwoty_integrations_host import (
    Attempt,
    CredentialsError,
    HookContext,
    NeedsAttention,
    PermissionMissing,
    Quote,
    RetryableError,
)

from . import words
from .check import ROUNDING_KEY, in_planned_order, line_differences, rounding_of
from .gateway import Gateway, StripeRefused
from .ledger import days_until_due, invoice_seen
from .money import shown
from .planned import InvoicePlan, LineTax, PlanLine
from .taxes import RateKey
from .ways import Way

_CHUNK = 100
_DAY = 24 * 3600
#: What a step records of an invoice: enough to decide on, nothing that opens a page.
_FACTS = (
    "id",
    "status",
    "number",
    "total",
    "subtotal",
    "amount_due",
    "ending_balance",
    "customer_email",
    "customer_tax_exempt",
)


class Invoice:
    """The invoice of one quote; every method is one or more recorded steps."""

    def __init__(
        self,
        ctx: HookContext,
        stripe: Gateway,
        quote: Quote,
        way: Way,
        customer: str,
        rates: Mapping[RateKey, str],
        *,
        making: HookContext | None = None,
    ) -> None:
        """``making`` has the steps of the draft, told apart from those of a way that was tried before.

        To finalize and to send are steps of the run, whichever way it took: they happen once.
        """
        self._making = making or ctx
        self._ctx, self._stripe, self._quote, self._way = ctx, stripe, quote, way
        self._customer, self._rates = customer, rates
        #: The PDF's address: it opens the invoice without a key, so it is never recorded, only kept for this run.
        self.pdf_url: str | None = None
        #: Whether the total was read by this very process: else it is read again before anything becomes final.
        self._compared = False

    @property
    def plan(self) -> InvoicePlan:
        return self._way.plan

    # -- draft ---------------------------------------------------------------------------------------

    def create_draft(self, why: Sequence[str] = ()) -> dict[str, Any]:
        """Make the empty draft, or adopt the invoice that an earlier attempt made.

        ``why`` tells of the ways that were tried before. ``taxes`` names the way that the draft was made in, and with
        ``why`` it was.
        """
        facts: dict[str, Any] = self._making.step("invoice", partial(self._create_or_adopt, why=list(why)))
        return facts

    def _create_or_adopt(self, attempt: Attempt, why: list[str]) -> dict[str, Any]:
        found, gone = self._made_before(attempt)
        adopted = found is not None
        told = {"taxes": self._way.name, "why": why} if found is None else self._told_of(found["id"], why)
        if found is None:
            # Before it is asked for: should the answer be lost, the next try knows where to look, and for what.
            billed = {"customer": self._customer, "version": self._quote.version}
            self._ctx.state.set(f"billed:{self._quote.id}", billed)
            found = self._stripe.write(
                attempt,
                "inv",
                self._quote.id,
                self._draft_params(),
                lambda v1, p, o: v1.invoices.create(params=p, options=o),
                replaces=gone or (self._ctx.state.get(f"discarded:{self._quote.id}") or {}).get("invoice", ""),
            )
        self._ctx.state.set(f"invoice:{found['id']}", {**self._whose(), **told})
        return {**self._seen(found), "adopted": adopted, "out_of_reach": gone, **told}

    def _told_of(self, invoice_id: str, why: list[str]) -> dict[str, Any]:
        """How an invoice's taxes were told, and why so; one whose answer was lost has no lines yet."""
        known = self._ctx.state.get(f"invoice:{invoice_id}")
        if known is None:
            return {"taxes": self._way.name, "why": why}
        return {"taxes": taxes_told(known), "why": known.get("why", [])}

    def _made_before(self, attempt: Attempt) -> tuple[dict[str, Any] | None, str]:
        """Find this quote's invoice by its stored id, else by metadata; and the stored id if that is gone."""
        record = self._ctx.records.get(self._quote.id)
        known, gone = (record.invoice if record else None), ""
        if known is not None:
            found = self._retrieve(attempt, known.id)
            if found is not None and not found.get("deleted"):
                return found, ""
            if known.status != "draft":
                raise NeedsAttention(
                    f"This quote already has the invoice {known.id}, which the present key does not see.",
                    hint="It was made with a key of another account or mode. Put that key back, or handle it by hand.",
                    code="invoice_in_other_account",
                )
            gone = known.id
        if known is None and not attempt.repeated:
            return None, ""
        return find_by_metadata(self._ctx, self._stripe, attempt, self._quote.id, self._customer), gone

    def _retrieve(self, attempt: Attempt, invoice_id: str) -> dict[str, Any] | None:
        try:
            return retrieve_invoice(self._stripe, attempt, invoice_id)
        except StripeRefused as error:
            if error.missing:
                return None
            raise

    def _draft_params(self) -> dict[str, Any]:
        quote, labels = self._quote, words.of(words.INVOICE, self._quote.language)
        fields = [{"name": labels["quote"], "value": quote.number[:140]}]
        if quote.customer.type == "company" and quote.customer.name:
            fields.append({"name": labels["company"], "value": quote.customer.name[:140]})
        return {
            "customer": self._customer,
            "currency": quote.currency.lower(),
            "collection_method": "send_invoice",
            "days_until_due": days_until_due(quote, self._ctx.today(quote)),
            # Nothing finalizes, reminds or mails by itself, and nobody else's pending items or coupon slip in.
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "discounts": "",
            "automatic_tax": {"enabled": False},
            "custom_fields": fields,
            "rendering": {"pdf": {"page_size": "a4"}},
            "metadata": {
                "qwoty_workspace": self._ctx.workspace,
                "qwoty_quote_id": quote.id,
                "qwoty_quote_number": quote.number,
                "qwoty_version": quote.version,
            },
        }

    def _whose(self) -> dict[str, str | None]:
        unit = self._quote.business_unit
        return {
            "quote_id": self._quote.id,
            "business_unit": unit.id if unit else None,
            "account": self._stripe.account,
        }

    # -- lines ----------------------------------------------------------------------------------------

    def add_lines(self, invoice_id: str, *, adopted: bool) -> dict[str, Any]:
        """Add the planned lines in order and give the invoice's facts, with the total that Stripe computed."""
        facts: dict[str, Any] = {}
        again = False
        lines = self.plan.lines
        for number, start in enumerate(range(0, len(lines), _CHUNK)):
            chunk = lines[start : start + _CHUNK]
            facts = self._making.step(
                f"lines:{number}",
                partial(self._add_chunk, invoice_id=invoice_id, chunk=chunk, adopted=adopted),
            )
            again = again or facts["again"]
            if facts.get("refused"):
                break
            if facts.get("unsupported"):
                facts = self._add_one_by_one(invoice_id, lines[start:], look=facts["again"])
                break
        return {**facts, "again": again}

    def _add_chunk(self, attempt: Attempt, invoice_id: str, chunk: Sequence[PlanLine], adopted: bool) -> dict[str, Any]:
        """Add what is missing. ``again`` in the facts: others may have worked on the draft, so look at its lines.

        ``refused`` says that Stripe does not take the taxes as amounts.
        """
        again = adopted or attempt.repeated
        if again:
            there = self._ever_there(attempt, invoice_id)
            chunk = [line for line in chunk if line.key not in there]
            if not chunk:
                return {**self._seen(retrieve_invoice(self._stripe, attempt, invoice_id)), "again": True}
        params = {"lines": [self._line_params(line) for line in chunk]}
        try:
            invoice = self._stripe.write(
                attempt,
                "lines",
                f"{invoice_id}:{chunk[0].key}",
                params,
                lambda v1, p, o: v1.invoices.add_lines(invoice_id, params=p, options=o),
            )
        except (StripeRefused, CredentialsError) as error:
            if self.plan.has_amounts and isinstance(error, StripeRefused | PermissionMissing):
                return {"refused": error.title, "again": again}
            if _add_lines_unsupported(error):
                # What an earlier try left behind must not be added again, item by item.
                return {"unsupported": True, "again": again}
            # A rate may have been archived since it was found: the next try looks everything up again.
            error.restart = True
            raise
        if again:
            # This may be the replayed answer to an earlier request, of before somebody worked on the draft.
            invoice = retrieve_invoice(self._stripe, attempt, invoice_id)
        self._note_added(invoice_id, chunk)
        self._compared = True
        return {
            **self._seen(invoice),
            "again": again,
            "reordered": not in_planned_order(self.plan, invoice["lines"]["data"]),
        }

    def _add_one_by_one(self, invoice_id: str, lines: Sequence[PlanLine], *, look: bool) -> dict[str, Any]:
        there = (
            self._making.step("items", lambda attempt: sorted(self._ever_there(attempt, invoice_id))) if look else []
        )
        for line in lines:
            if line.key not in there:
                self._making.step(f"item:{line.key}", partial(self._add_item, invoice_id=invoice_id, line=line))
        return {**self._look_again("totals", invoice_id), "one_by_one": True}

    def _add_item(self, attempt: Attempt, invoice_id: str, line: PlanLine) -> None:
        if attempt.repeated and line.key in self._ever_there(attempt, invoice_id):
            return
        params = {
            "customer": self._customer,
            "invoice": invoice_id,
            "currency": self._quote.currency.lower(),
            **self._line_params(line),
        }
        self._stripe.write(
            attempt,
            "item",
            f"{invoice_id}:{line.key}",
            params,
            lambda v1, p, o: v1.invoice_items.create(params=p, options=o),
        )
        self._note_added(invoice_id, [line])

    def _note_added(self, invoice_id: str, lines: Iterable[PlanLine]) -> None:
        known = self._ctx.state.get(f"lines:{invoice_id}") or []
        self._ctx.state.set(f"lines:{invoice_id}", list(dict.fromkeys([*known, *(line.key for line in lines)])))

    def _ever_there(self, attempt: Attempt, invoice_id: str) -> set[str]:
        """The keys of the lines that are there or were: what somebody took out is for a person to see."""
        there = {(line.get("metadata") or {}).get("qwoty_line", "") for line in self._lines(attempt, invoice_id)}
        return there | set(self._ctx.state.get(f"lines:{invoice_id}") or ())

    def _line_params(self, line: PlanLine) -> dict[str, Any]:
        params: dict[str, Any] = {
            "amount": line.amount,
            "description": line.description,
            "discountable": False,
            "metadata": {"qwoty_line": line.key},
        }
        if line.taxes and self.plan.has_amounts:
            params["tax_amounts"] = [self._tax_amount(tax) for tax in line.taxes]
        elif line.taxes:
            params["tax_rates"] = [self._rates[rate] for rate in line.rates]
        return params

    def _tax_amount(self, tax: LineTax) -> dict[str, Any]:
        rate = self.plan.rates[tax.rate].at_stripe
        return {"amount": tax.amount, "taxable_amount": tax.base, "tax_rate_data": rate}

    def _lines(self, attempt: Attempt, invoice_id: str) -> Iterator[dict[str, Any]]:
        return self._stripe.pages(attempt, lambda v1, p: v1.invoices.line_items.list(invoice_id, params=p), {})

    def look_at_lines(self, invoice_id: str, *, taxes: bool) -> dict[str, Any]:
        """Say in words how the invoice's lines differ from the planned ones, and what its rounding line comes to."""

        def look(attempt: Attempt) -> dict[str, Any]:
            lines = list(self._lines(attempt, invoice_id))
            differences = line_differences(self.plan, lines, self._rates, taxes=taxes)
            return {"differences": differences, "rounding": rounding_of(lines)}

        found: dict[str, Any] = self._making.step("compare", look)
        return found

    def add_rounding(self, invoice_id: str, amount: int, *, one_by_one: bool) -> dict[str, Any]:
        """Add the one untaxed line that makes the total equal the signed one, and give the facts again."""
        word = words.of(words.INVOICE, self._quote.language)["rounding"]
        line = PlanLine(ROUNDING_KEY, word, amount)
        if not one_by_one:
            facts: dict[str, Any] = self._making.step(
                "rounding", partial(self._add_chunk, invoice_id=invoice_id, chunk=[line], adopted=False)
            )
            if not facts.get("unsupported"):
                return facts
        self._making.step(f"item:{line.key}", partial(self._add_item, invoice_id=invoice_id, line=line))
        return self._look_again("totals.rounded", invoice_id)

    def _look_again(self, name: str, invoice_id: str) -> dict[str, Any]:
        facts: dict[str, Any] = self._making.step(
            name, lambda attempt: self._seen(retrieve_invoice(self._stripe, attempt, invoice_id))
        )
        return facts

    # -- final ----------------------------------------------------------------------------------------

    def finalize(self, invoice_id: str) -> dict[str, Any]:
        """Make the invoice final; an invoice that is final already is a success."""
        facts: dict[str, Any] = self._ctx.step("finalize", lambda attempt: self._finalize(attempt, invoice_id))
        return facts

    def _finalize(self, attempt: Attempt, invoice_id: str) -> dict[str, Any]:
        if attempt.repeated or not self._compared:
            found = require_status(
                self._ctx, self._stripe, attempt, self._quote.id, invoice_id, {"draft", "open", "paid"}
            )
            self._refuse_if_changed(found, line_differences(self.plan, self._lines(attempt, invoice_id), self._rates))
            if found["status"] != "draft":
                return self._seen(found)
        try:
            found = self._stripe.write(
                attempt,
                "fin",
                invoice_id,
                {"auto_advance": False},
                lambda v1, p, o: v1.invoices.finalize_invoice(invoice_id, params=p, options=o),
            )
        except StripeRefused:
            found = retrieve_invoice(self._stripe, attempt, invoice_id)
            if found["status"] not in {"open", "paid"}:
                raise
        facts = self._seen(found)
        # The very answer counts: a line may have been added while we asked. Nothing has been sent yet.
        self._refuse_if_changed(found)
        return facts

    def _refuse_if_changed(self, invoice: Mapping[str, Any], differences: Sequence[str] = ()) -> None:
        """Somebody may have worked on the invoice since it was compared with the signed quote."""
        if invoice["total"] == self.plan.signed_total and not differences:
            return
        money = self.plan.currency
        raise NeedsAttention(
            f"Invoice {invoice['id']} was changed in Stripe: it comes to {shown(invoice['total'], money)}, the "
            f"signed quote says {shown(self.plan.signed_total, money)}. Nothing was sent.",
            hint=" ".join(
                [*differences, "Undo the change, or delete the draft, in the Stripe Dashboard; then retry the run."]
            ),
            code="totals_differ",
            restart=True,
        )

    def send(self, invoice_id: str) -> None:
        """Have Stripe mail the invoice; never twice."""
        self._ctx.step("send", lambda attempt: self._send(attempt, invoice_id))

    def _send(self, attempt: Attempt, invoice_id: str) -> None:
        age = (self._ctx.clock.now() - attempt.first_started_at).total_seconds()
        if attempt.repeated and age > _DAY - 3600:
            # Stripe forgets idempotency keys after a day: asking again might mail again.
            raise NeedsAttention(
                "It is not known whether Stripe has mailed the invoice.",
                hint="Look at the invoice's events in the Stripe Dashboard, and send it there if it was not sent.",
                code="send_unsure",
            )
        if attempt.repeated:
            require_status(self._ctx, self._stripe, attempt, self._quote.id, invoice_id, {"open", "paid"})
        try:
            self._stripe.write(
                attempt,
                "send",
                invoice_id,
                {},
                lambda v1, p, o: v1.invoices.send_invoice(invoice_id, params=p, options=o),
            )
        except RetryableError as error:
            # A new key would mail a second time if the first had worked: stay with the key that Stripe knows.
            error.answered = False
            error.hint = (
                "It is not known whether Stripe has mailed the invoice: look at its events in the Stripe Dashboard "
                "before you retry the run."
            )
            raise

    # -- shared ---------------------------------------------------------------------------------------

    def _seen(self, invoice: Mapping[str, Any]) -> dict[str, Any]:
        """Put what Stripe shows of the invoice into the record, and give what a step records of it."""
        today = self._ctx.today(self._quote)
        self._ctx.records.update(
            self._quote.id,
            lambda record: invoice_seen(record, invoice, self._stripe.account, self._quote, today, self._quote.version),
        )
        self.pdf_url = invoice.get("invoice_pdf") or self.pdf_url
        return {name: invoice[name] for name in _FACTS if name in invoice}


def find_by_metadata(
    ctx: HookContext, stripe: Gateway, attempt: Attempt, quote_id: str, customer: str
) -> dict[str, Any] | None:
    """The quote's invoice among the customer's, when the answer that made it was lost."""
    mine = {"qwoty_workspace": ctx.workspace, "qwoty_quote_id": quote_id}
    listed = stripe.pages(attempt, lambda v1, p: v1.invoices.list(params=p), {"customer": customer})
    return next(
        (
            invoice
            for invoice in listed
            if mine.items() <= dict(invoice.get("metadata") or {}).items() and invoice["status"] != "void"
        ),
        None,
    )


def taxes_told(known: Mapping[str, Any]) -> str:
    """The way in which an invoice's taxes were told, by what is remembered of it: by Tax Rates in earlier releases."""
    return str(known.get("taxes", "rates"))


def retrieve_invoice(stripe: Gateway, attempt: Attempt, invoice_id: str) -> dict[str, Any]:
    """Fetch an invoice. Raises: StripeRefused when this key does not see it."""
    return stripe.read(attempt, lambda v1: v1.invoices.retrieve(invoice_id))


def require_status(
    ctx: HookContext, stripe: Gateway, attempt: Attempt, quote_id: str, invoice_id: str, wanted: Collection[str]
) -> dict[str, Any]:
    """Fetch the invoice before a step is repeated: somebody may have voided it meanwhile.

    Raises: NeedsAttention when its status is not one of those that let the step go on.
    """
    invoice = retrieve_invoice(stripe, attempt, invoice_id)
    ctx.records.update(quote_id, lambda record: invoice_seen(record, invoice, stripe.account))
    if invoice["status"] not in wanted:
        raise NeedsAttention(
            f"Invoice {invoice_id} is {invoice['status']} by now; nothing was sent.",
            hint="Somebody changed it in Stripe. Look at it in the Dashboard.",
            code="invoice_not_open",
        )
    return invoice


def _add_lines_unsupported(error: StripeRefused | CredentialsError) -> bool:
    """No public recording proves ``add_lines``: these answers say "not like this", and items are proven."""
    if isinstance(error, StripeRefused):
        return error.status == 404 or error.stripe_code == "parameter_unknown"
    return isinstance(error, PermissionMissing)
