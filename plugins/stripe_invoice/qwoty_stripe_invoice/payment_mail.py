"""The mail with the payment link and the invoice PDF, in the quote's language."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

from babel.dates import format_date, format_time
from babel.numbers import format_currency, get_currency_precision
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from qwoty_integrations_host import Attachment, Contact, InstallmentRecord, MailMessage, Quote, offset_name

from . import wording


def payment_mail(
    quote: Quote,
    contact: Contact,
    part: InstallmentRecord,
    *,
    invoice_number: str,
    total: Decimal,
    pdf: bytes,
) -> MailMessage:
    """Build the mail for an installment with an open link; money, dates and times are formatted for its language.

    The link's expiry is in the quote's time zone, with its offset.
    """
    language = quote.language if quote.language in wording.MAIL else "en"
    said = _said(quote, contact, part, invoice_number=invoice_number, total=total, language=language)
    seller = quote.business_unit.name if quote.business_unit and quote.business_unit.name else ""
    page = {"words": said, "url": part.url or "", "seller": seller, "language": language}
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


def _said(
    quote: Quote,
    contact: Contact,
    part: InstallmentRecord,
    *,
    invoice_number: str,
    total: Decimal,
    language: str,
) -> dict[str, str]:
    assert part.expires_at is not None, "an open link has an end"
    locale = wording.LOCALES.get(language, language)
    end = part.expires_at.astimezone(quote.timezone)
    facts = {
        "name": contact.full_name or quote.customer.name,
        "quote": quote.number,
        "number": invoice_number,
        "amount": _money(part.amount, quote.currency, locale),
        "total": _money(total, quote.currency, locale),
        "part": part.number,
        "parts": len(quote.installments),
        "due": format_date(part.due_date, "long", locale=locale) if part.due_date else "",
        "day": format_date(end, "long", locale=locale),
        "time": format_time(end, "short", tzinfo=quote.timezone, locale=locale),
        "zone": offset_name(end),
    }
    said = {name: text.format(**facts) for name, text in wording.in_language(wording.MAIL, language).items()}
    said["ask"] = said["ask"] if len(quote.installments) > 1 else said["ask_single"]
    said["due"] = said["due"] if part.due_date else ""
    return said


def _money(amount: Decimal, currency: str, locale: str) -> str:
    # CLDR shows some currencies (RSD, ALL, …) without the cents that Stripe charges: no cent may be rounded away.
    exact = amount == round(amount, get_currency_precision(currency))
    text = format_currency(amount, currency, locale=locale, currency_digits=exact)
    # CLDR puts a space between a currency code and a digit, Babel does not: "KWD 5", not "KWD5".
    return re.sub(r"(?<=[A-Za-z])(?=\d)", "\u00a0", text)


@cache
def _templates() -> Environment:
    # HTML is escaped and text is not, so that a "&" in a name reads as one in both.
    return Environment(
        loader=PackageLoader(__package__),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "invoice"
