"""A Checkout link for one installment, and the mail that carries it (docs/notes/stripe.md#checkout-links).

No parameter about payment methods is sent, so the methods set in the Stripe Dashboard are offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qwoty_integrations_host import (
    ActionRefused,
    Attempt,
    Contact,
    InstallmentRecord,
    NeedsAttention,
    PermissionMissing,
    Quote,
    QuoteRecord,
    RetryableError,
    pick_installment,
)

from . import wording
from .endpoint import require_public_url
from .invoices import require_status, retrieve_invoice
from .money import LEAST_PAYMENT, shown, to_minor
from .payment_mail import payment_mail
from .pdf import fetch_pdf
from .record import link_made, link_mailed, session_seen
from .sessions import expire_link
from .stripe_errors import StripeRefused
from .work import Work


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of sending a link; not ``possible`` if Stripe does not take the amount."""

    sentence: str
    possible: bool = True


class PaymentLink:
    """The link for one installment of one quote."""

    def __init__(self, work: Work, quote: Quote, contact: Contact, number: int) -> None:
        self._work, self._quote, self._contact, self._number = work, quote, contact, number
        self._ctx, self._stripe = work.ctx, work.stripe

    def send(self, *, pdf_url: str | None = None) -> Sent:
        """Make the link unless one is open, and mail it with the PDF, each once; say what was done."""
        session = self._ctx.step(f"link:{self._number}", self._create_or_adopt)
        if session.get("unwanted"):
            self.expire(session["id"])
            session = self._ctx.step(f"link.again:{self._number}", self._create_or_adopt)
        if session["id"] is None:
            return Sent(session["why"], possible=False)
        mailed = self._ctx.step(f"mail:{self._number}", lambda attempt: self._mail(attempt, session, pdf_url))
        which = f"installment {self._number} of {len(self._quote.installments)}"
        if not mailed:
            return Sent(f"The link for {which} was paid or replaced meanwhile, so it was not mailed again.")
        return Sent(f"A payment link for {which} was mailed to {self._contact.email}.")

    def expire(self, session_id: str) -> str:
        """Expire an open link and return its status then; ``complete`` means that the customer has paid by it."""
        return expire_link(self._work, self._quote.id, self._number, session_id)

    # -- the session --------------------------------------------------------------------------------

    def _create_or_adopt(self, attempt: Attempt) -> dict[str, Any]:
        record, part = self._installment()
        invoice = record.invoice
        assert invoice is not None and invoice.customer_id is not None, "links are for open invoices"
        session = self._made_before(attempt) if attempt.repeated else None
        try:
            if attempt.repeated:
                require_status(self._work, attempt, self._quote.id, invoice.id, {"open"})
                record, part = self._seen_anew(attempt)
            self._refuse_if_in_the_way(record)
            # Another run of the quote made a link while this one waited, or the customer has paid.
            is_there = part.is_open(self._ctx.clock.now()) or part.status in {"processing", "paid"}
        except NeedsAttention:
            if session is None or session["id"] == part.session_id:
                raise
            is_there = True
        if is_there and session is not None and session["id"] != part.session_id:
            # This link's answer was lost, and meanwhile there is another link, or nothing to pay.
            return {"id": session["id"], "unwanted": True}
        if is_there:
            return {"id": part.session_id}
        amount = self._amount(record, part)
        if amount < LEAST_PAYMENT.get(record.currency, 1) and session is None:
            return self._too_small(record, amount)
        try:
            session = session or self._stripe.write(
                attempt,
                "cs",
                f"{invoice.id}:{self._number}:{part.links + 1}",
                self._params(record, amount),
                lambda v1, p, o: v1.checkout.sessions.create(params=p, options=o),
            )
        except StripeRefused as error:
            if error.stripe_code != "amount_too_small":
                raise
            return self._too_small(record, amount)
        self._ctx.records.update(self._quote.id, lambda r: link_made(r or record, self._number, session))
        return {"id": session["id"]}

    def _seen_anew(self, attempt: Attempt) -> tuple[QuoteRecord, InstallmentRecord]:
        """Return record and installment. If the link has expired, fetch it first: the customer may have paid before."""
        record, part = self._installment()
        session_id = part.session_id
        if session_id is None or part.status != "sent" or part.is_open(self._ctx.clock.now()):
            return record, part
        try:
            session = self._stripe.read(attempt, lambda v1: v1.checkout.sessions.retrieve(session_id))
        except PermissionMissing:
            return record, part
        self._ctx.records.update(self._quote.id, lambda r: session_seen(r or record, self._number, session))
        return self._installment()

    def _amount(self, record: QuoteRecord, part: InstallmentRecord) -> int:
        """Return the link's amount, in minor units: never more than what remains of the invoice."""
        remaining = part.amount if record.amount_remaining is None else record.amount_remaining
        return to_minor(min(part.amount, remaining), record.currency, "The installment")

    def _too_small(self, record: QuoteRecord, amount: int) -> dict[str, Any]:
        which = f"Installment {self._number} of {len(record.installments)}"
        small = f"{which} ({shown(amount, record.currency)}) is below the smallest payment that Stripe takes"
        return {"id": None, "why": f"{small}: no link was made and no mail sent."}

    def _refuse_if_in_the_way(self, record: QuoteRecord) -> None:
        """Raise NeedsAttention if, while this run waited, the installment was paid or another one's link was made."""
        try:
            pick_installment(record, self._number, self._ctx.clock.now())
        except ActionRefused as refused:
            raise NeedsAttention(
                f"No link for installment {self._number} was made: {refused.title}",
                hint=refused.hint or "Nothing is left to do for it.",
                code="link_not_needed",
            ) from refused

    def _made_before(self, attempt: Attempt) -> dict[str, Any] | None:
        record, _ = self._installment()
        customer = record.invoice.customer_id if record.invoice else None
        wanted = self._metadata()
        sessions = self._stripe.pages(
            attempt,
            lambda v1, p: v1.checkout.sessions.list(params=p),
            {"customer": customer, "status": "open"},
        )
        try:
            for session in sessions:
                if session["status"] == "open" and wanted.items() <= dict(session.get("metadata") or {}).items():
                    return session
        except PermissionMissing:
            pass  # without permission to read sessions, the same request follows, and Stripe replays its answer to it
        return None

    def _installment(self) -> tuple[QuoteRecord, InstallmentRecord]:
        record = self._ctx.records.get(self._quote.id)
        part = record.installment(self._number) if record else None
        assert record is not None and part is not None, "links are for installments of the record"
        return record, part

    def _metadata(self) -> dict[str, str]:
        return {
            "qwoty_workspace": self._ctx.workspace,
            "qwoty_quote_id": self._quote.id,
            "qwoty_quote_number": self._quote.number,
            "qwoty_installment": str(self._number),
        }

    def _params(self, record: QuoteRecord, amount: int) -> dict[str, Any]:
        assert record.invoice is not None
        base, label = (
            require_public_url(self._ctx),
            wording.in_language(wording.INVOICE, self._quote.language)["installment"],
        )
        name = f"{self._quote.number} – {label} {self._number}/{len(record.installments)}"
        price = {
            "currency": record.currency.lower(),
            "unit_amount": amount,
            "product_data": {"name": name},
        }
        return {
            "mode": "payment",
            "customer": record.invoice.customer_id,
            "line_items": [{"quantity": 1, "price_data": price}],
            "client_reference_id": record.invoice.id,
            "metadata": self._metadata(),
            # Stripe does not copy a session's metadata to the payment.
            "payment_intent_data": {"metadata": self._metadata(), "description": name},
            "success_url": f"{base}/paid",
            "cancel_url": f"{base}/cancelled",
            # Otherwise a Dashboard setting might charge another currency; that payment could not be attached.
            "adaptive_pricing": {"enabled": False},
        }

    # -- the mail -----------------------------------------------------------------------------------

    def _mail(self, attempt: Attempt, session: Mapping[str, Any], pdf_url: str | None) -> bool:
        record, part = self._installment()
        assert record.invoice is not None and record.total is not None
        state = part.seen_at(self._ctx.clock.now()).status
        if state in {"paid", "processing"} or part.session_id != session["id"]:
            return False
        if state != "sent":
            raise NeedsAttention(
                f"The payment link of installment {self._number} is {state} by now, so it is not mailed.",
                hint="Retry the run: it makes a new link if one is still needed.",
                code="link_not_open",
                restart=True,
            )
        if pdf_url is None:
            invoice = retrieve_invoice(self._stripe, attempt, record.invoice.id)
            pdf_url = invoice.get("invoice_pdf")
        if pdf_url is None:
            raise RetryableError("Stripe has not rendered the invoice's PDF yet.", code="pdf_unreachable")
        message = payment_mail(
            self._quote,
            self._contact,
            part,
            invoice_number=record.invoice.number or record.invoice.id,
            total=record.total,
            pdf=fetch_pdf(pdf_url),
        )
        self._ctx.mail.send(f"link:{self._number}:{session['id']}", message)
        now = self._ctx.clock.now()
        self._ctx.records.update(self._quote.id, lambda r: link_mailed(r or record, self._number, now))
        return True
