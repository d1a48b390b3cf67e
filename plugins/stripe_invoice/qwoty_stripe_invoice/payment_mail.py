"""The mail with the payment link and the invoice PDF, in the quote's language."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

from babel.numbers import format_currency
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from qwoty_integrations_host import Attachment, Contact, MailMessage, Quote

from . import words


def payment_mail(
    quote: Quote,
    contact: Contact,
    *,
    invoice_number: str,
    total: Decimal,
    number: int,
    amount: Decimal,
    url: str,
    pdf: bytes,
) -> MailMessage:
    """Build the mail; amounts in major units, written as the language writes them."""
    language = quote.language if quote.language in words.MAIL else "en"
    facts = {
        "name": contact.first_name or contact.full_name or quote.customer.name,
        "quote": quote.number,
        "number": invoice_number,
        "amount": format_currency(amount, quote.currency, locale=language),
        "total": format_currency(total, quote.currency, locale=language),
        "part": number,
        "parts": len(quote.installments),
    }
    table = words.of(words.MAIL, language)
    said = {name: text.format(**facts) for name, text in table.items()}
    said["ask"] = said["ask"] if len(quote.installments) > 1 else said["ask_single"]
    seller = quote.business_unit.name if quote.business_unit and quote.business_unit.name else ""
    page = {"words": said, "url": url, "seller": seller, "language": language}
    return MailMessage(
        to=contact.email or "",
        subject=said["subject"],
        text=_templates().get_template("payment_link.txt").render(page),
        html=_templates().get_template("payment_link.html").render(page),
        language=language,
        from_name=seller or None,
        reply_to=quote.owner.email if quote.owner else None,
        attachments=(Attachment(filename=f"{_safe(invoice_number)}.pdf", content=pdf),),
    )


@cache
def _templates() -> Environment:
    # HTML is escaped, text is not: a "&" in a name must read as one in both.
    return Environment(
        loader=PackageLoader(__package__),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "invoice"
