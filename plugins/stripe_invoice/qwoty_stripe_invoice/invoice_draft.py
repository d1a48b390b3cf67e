"""Creates the draft of an invoice: first empty, then with the planned lines in the quote's order.

Stripe shows lines in the order in which they are added to a draft (docs/notes/stripe.md#lines-of-an-invoice).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from qwoty_integrations_host import Attempt, CredentialsError, NeedsAttention, PermissionMissing, Quote

from . import wording
from .comparison import ROUNDING_KEY, in_planned_order, line_differences, rounding_of
from .invoices import find_by_metadata, invoice_lines, retrieve_invoice, taxes_told
from .plan_types import InvoicePlan, LineTax, PlanLine
from .record import days_until_due, invoice_seen
from .stripe_errors import StripeRefused
from .tax_methods import TaxMethod
from .taxes import RateKey
from .work import Work

_LINES_A_REQUEST = 100
#: What a step records of an invoice: enough to decide on, and no address that opens it.
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


class InvoiceDraft:
    """The draft of one quote's invoice, by one tax method. Every method but ``note`` is one or more recorded steps."""

    def __init__(
        self, work: Work, quote: Quote, method: TaxMethod, customer: str, rates: Mapping[RateKey, str]
    ) -> None:
        self.quote, self.plan, self.rates = quote, method.plan, rates
        self._ctx, self._stripe, self._work = work.ctx, work.stripe, work
        self._method, self._customer = method, customer
        #: The PDF's address. It opens the invoice without a key, so it is kept for this run and never recorded.
        self.pdf_url: str | None = None
        #: Whether this process has read the total; otherwise it is read again before the invoice becomes final.
        self.total_was_read = False

    def note(self, invoice: Mapping[str, Any]) -> dict[str, Any]:
        """Put what Stripe shows of the invoice into the record, and return the facts that a step records."""
        today = self._ctx.today(self.quote)
        self._ctx.records.update(
            self.quote.id,
            lambda record: invoice_seen(record, invoice, self._stripe.account, self.quote, today, self.quote.version),
        )
        self.pdf_url = invoice.get("invoice_pdf") or self.pdf_url
        return {name: invoice[name] for name in _FACTS if name in invoice}

    # -- the empty draft ------------------------------------------------------------------------------

    def create(self, why: Sequence[str] = ()) -> dict[str, Any]:
        """Create the empty draft, or adopt the invoice of an earlier attempt; return its facts.

        ``why`` says why earlier methods were given up. Among the facts, ``taxes`` names the draft's tax method, and
        ``why`` the reasons for it.
        """
        facts: dict[str, Any] = self._ctx.step("invoice", partial(self._create_or_adopt, why=list(why)))
        return facts

    def _create_or_adopt(self, attempt: Attempt, why: list[str]) -> dict[str, Any]:
        invoice, gone = self._made_before(attempt)
        adopted = invoice is not None
        told = {"taxes": self._method.name, "why": why} if invoice is None else self._told_of(invoice["id"], why)
        if invoice is None:
            # Saved before the request, so that the next attempt can find the invoice if the answer is lost.
            billed = {"customer": self._customer, "version": self.quote.version}
            self._ctx.state.set(f"billed:{self.quote.id}", billed)
            invoice = self._stripe.write(
                attempt,
                "inv",
                self.quote.id,
                self._params(),
                lambda v1, p, o: v1.invoices.create(params=p, options=o),
                replaces=gone or (self._ctx.state.get(f"discarded:{self.quote.id}") or {}).get("invoice", ""),
            )
        self._ctx.state.set(f"invoice:{invoice['id']}", {**self._origin(), **told})
        return {**self.note(invoice), "adopted": adopted, "out_of_reach": gone, **told}

    def _told_of(self, invoice_id: str, why: list[str]) -> dict[str, Any]:
        """Return the tax method of an existing invoice, and the reasons for it.

        If the answer that created the invoice was lost, it has no lines yet, so this draft's method is used.
        """
        known = self._ctx.state.get(f"invoice:{invoice_id}")
        if known is None:
            return {"taxes": self._method.name, "why": why}
        return {"taxes": taxes_told(known), "why": known.get("why", [])}

    def _made_before(self, attempt: Attempt) -> tuple[dict[str, Any] | None, str]:
        """Find this quote's invoice by its stored id, or by metadata; also return the stored id if that is gone."""
        record = self._ctx.records.get(self.quote.id)
        known, gone = (record.invoice if record else None), ""
        if known is not None:
            invoice = self._retrieve(attempt, known.id)
            if invoice is not None and not invoice.get("deleted"):
                return invoice, ""
            if known.status != "draft":
                raise NeedsAttention(
                    f"This quote already has the invoice {known.id}, which the present key does not see.",
                    hint="It was made with a key of another account or mode. Put that key back, or handle it by hand.",
                    code="invoice_in_other_account",
                )
            gone = known.id
        if known is None and not attempt.repeated:
            return None, ""
        return find_by_metadata(self._work, attempt, self.quote.id, self._customer), gone

    def _retrieve(self, attempt: Attempt, invoice_id: str) -> dict[str, Any] | None:
        try:
            return retrieve_invoice(self._stripe, attempt, invoice_id)
        except StripeRefused as error:
            if error.missing:
                return None
            raise

    def _params(self) -> dict[str, Any]:
        quote, labels = self.quote, wording.in_language(wording.INVOICE, self.quote.language)
        fields = [{"name": labels["quote"], "value": quote.number[:140]}]
        if quote.customer.type == "company" and quote.customer.name:
            fields.append({"name": labels["company"], "value": quote.customer.name[:140]})
        return {
            "customer": self._customer,
            "currency": quote.currency.lower(),
            "collection_method": "send_invoice",
            "days_until_due": days_until_due(quote, self._ctx.today(quote)),
            # Stripe must not finalize, remind or mail by itself, and not add the customer's pending items or coupon.
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

    def _origin(self) -> dict[str, str | None]:
        """Return what is saved beside the invoice's id: its quote, business unit and key."""
        unit = self.quote.business_unit
        return {
            "quote_id": self.quote.id,
            "business_unit": unit.id if unit else None,
            "account": self._stripe.account,
        }

    # -- lines ----------------------------------------------------------------------------------------

    def add_lines(self, invoice_id: str, *, adopted: bool) -> dict[str, Any]:
        """Add the planned lines in order, and return the invoice's facts with the total that Stripe computed.

        Among the facts: ``again``, others may have worked on the draft, so its lines have to be compared;
        ``refused``, Stripe does not take the taxes as amounts; ``one_by_one``, the lines were added as items;
        ``reordered``, Stripe shows them in another order.
        """
        facts: dict[str, Any] = {}
        again = False
        lines = self.plan.lines
        for number, start in enumerate(range(0, len(lines), _LINES_A_REQUEST)):
            chunk = lines[start : start + _LINES_A_REQUEST]
            facts = self._ctx.step(
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
        """Add those lines of a chunk that are missing, and return the facts of ``add_lines``."""
        again = adopted or attempt.repeated
        if again:
            there = self._ever_there(attempt, invoice_id)
            chunk = [line for line in chunk if line.key not in there]
            if not chunk:
                return {**self.note(retrieve_invoice(self._stripe, attempt, invoice_id)), "again": True}
        params = {"lines": [line_params(line, self.plan, self.rates) for line in chunk]}
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
                # ``again`` makes ``_add_one_by_one`` look first for the lines that an earlier try has added.
                return {"unsupported": True, "again": again}
            # A rate may have been archived since it was found: the next try looks everything up again.
            error.restart = True
            raise
        if again:
            # Stripe may have replayed an old answer, and somebody may have changed the draft since: fetch it.
            invoice = retrieve_invoice(self._stripe, attempt, invoice_id)
        self._note_added(invoice_id, chunk)
        self.total_was_read = True
        return {
            **self.note(invoice),
            "again": again,
            "reordered": not in_planned_order(self.plan, invoice["lines"]["data"]),
        }

    def _add_one_by_one(self, invoice_id: str, lines: Sequence[PlanLine], *, look: bool) -> dict[str, Any]:
        there = self._ctx.step("items", lambda attempt: sorted(self._ever_there(attempt, invoice_id))) if look else []
        for line in lines:
            if line.key not in there:
                self._ctx.step(f"item:{line.key}", partial(self._add_item, invoice_id=invoice_id, line=line))
        return {**self._read_facts("totals", invoice_id), "one_by_one": True}

    def _add_item(self, attempt: Attempt, invoice_id: str, line: PlanLine) -> None:
        if attempt.repeated and line.key in self._ever_there(attempt, invoice_id):
            return
        params = {
            "customer": self._customer,
            "invoice": invoice_id,
            "currency": self.quote.currency.lower(),
            **line_params(line, self.plan, self.rates),
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
        """Return the keys of lines that are there or once were: a line that somebody removed is not added again."""
        lines = invoice_lines(self._stripe, attempt, invoice_id)
        there = {(line.get("metadata") or {}).get("qwoty_line", "") for line in lines}
        return there | set(self._ctx.state.get(f"lines:{invoice_id}") or ())

    def compare_lines(self, invoice_id: str, *, taxes: bool) -> dict[str, Any]:
        """Return ``differences`` from the planned lines, in words, and the amount of our ``rounding`` line."""

        def look(attempt: Attempt) -> dict[str, Any]:
            lines = list(invoice_lines(self._stripe, attempt, invoice_id))
            differences = line_differences(self.plan, lines, self.rates, taxes=taxes)
            return {"differences": differences, "rounding": rounding_of(lines)}

        compared: dict[str, Any] = self._ctx.step("compare", look)
        return compared

    def add_rounding(self, invoice_id: str, amount: int, *, one_by_one: bool) -> dict[str, Any]:
        """Add the one untaxed line that makes the total equal the signed one, and return the facts again."""
        label = wording.in_language(wording.INVOICE, self.quote.language)["rounding"]
        line = PlanLine(ROUNDING_KEY, label, amount)
        if not one_by_one:
            facts: dict[str, Any] = self._ctx.step(
                "rounding", partial(self._add_chunk, invoice_id=invoice_id, chunk=[line], adopted=False)
            )
            if not facts.get("unsupported"):
                return facts
        self._ctx.step(f"item:{line.key}", partial(self._add_item, invoice_id=invoice_id, line=line))
        return self._read_facts("totals.rounded", invoice_id)

    def _read_facts(self, step: str, invoice_id: str) -> dict[str, Any]:
        facts: dict[str, Any] = self._ctx.step(
            step, lambda attempt: self.note(retrieve_invoice(self._stripe, attempt, invoice_id))
        )
        return facts


def line_params(line: PlanLine, plan: InvoicePlan, rates: Mapping[RateKey, str]) -> dict[str, Any]:
    """Return the parameters of one line: its taxes as amounts where the plan has them, else by Tax Rate ids."""
    params: dict[str, Any] = {
        "amount": line.amount,
        "description": line.description,
        "discountable": False,
        "metadata": {"qwoty_line": line.key},
    }
    if line.taxes and plan.has_amounts:
        params["tax_amounts"] = [_tax_amount(tax, plan) for tax in line.taxes]
    elif line.taxes:
        params["tax_rates"] = [rates[rate] for rate in line.rates]
    return params


def _tax_amount(tax: LineTax, plan: InvoicePlan) -> dict[str, Any]:
    return {"amount": tax.amount, "taxable_amount": tax.base, "tax_rate_data": plan.rates[tax.rate].at_stripe}


def _add_lines_unsupported(error: StripeRefused | CredentialsError) -> bool:
    """Whether Stripe does not offer ``add_lines`` to this key: then the lines are added as invoice items."""
    if isinstance(error, StripeRefused):
        return error.status == 404 or error.stripe_code == "parameter_unknown"
    return isinstance(error, PermissionMissing)
