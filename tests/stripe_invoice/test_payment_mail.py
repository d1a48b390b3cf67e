"""The words for customers in six languages, and the mail made of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from string import Formatter
from typing import Any

import pytest

from builders import a_quote, loaded
from qwoty_integrations_host import Contact, InstallmentRecord, MailMessage
from qwoty_stripe_invoice import wording
from qwoty_stripe_invoice.payment_mail import payment_mail

LANGUAGES = ["en", "fr", "de", "it", "pt", "es"]
#: A link as long as Stripe's, with characters that HTML has to escape.
LINK = (
    "https://checkout.stripe.com/c/pay/cs_test_a1" + "B7xQ2mK9" * 8 + "?a=1&b=2#fid" + "kdWxOYHwnPyd1blpxYHZxWjA0" * 16
)

AMOUNTS = [
    ("en", "EUR", "2275.50", "€2,275.50"),
    ("fr", "EUR", "2275.50", "2\u202f275,50\xa0€"),
    ("de", "EUR", "2275.50", "2.275,50\xa0€"),
    ("it", "EUR", "2275.50", "2.275,50\xa0€"),
    ("pt", "EUR", "2275.50", "2\xa0275,50\xa0€"),
    ("es", "EUR", "2275.50", "2.275,50\xa0€"),
    ("en", "JPY", "227550", "¥227,550"),
    ("fr", "JPY", "227550", "227\u202f550\xa0JPY"),
    ("de", "JPY", "227550", "227.550\xa0¥"),
    ("it", "JPY", "227550", "227.550\xa0JPY"),
    ("pt", "JPY", "227550", "227\xa0550\xa0JP¥"),
    ("es", "JPY", "227550", "227.550\xa0JPY"),
    ("en", "KWD", "2275.500", "KWD\xa02,275.500"),
    ("fr", "KWD", "2275.500", "2\u202f275,500\xa0KWD"),
    ("de", "KWD", "2275.500", "2.275,500\xa0KWD"),
    ("it", "KWD", "2275.500", "2.275,500\xa0KWD"),
    ("pt", "KWD", "2275.500", "2\xa0275,500\xa0KWD"),
    ("es", "KWD", "2275.500", "2.275,500\xa0KWD"),
]


def a_mail(
    language: str = "en",
    *,
    amount: str = "30.00",
    currency: str = "EUR",
    parts: int = 4,
    quote: dict[str, Any] | None = None,
    contact: Contact | None = None,
    **part: Any,
) -> MailMessage:
    found = replace(loaded(a_quote(installments=parts, language=language, **(quote or {}))), currency=currency)
    given = {
        "number": 2,
        "amount": Decimal(amount),
        "due_date": date(2026, 4, 8),
        "status": "sent",
        "url": LINK,
        "expires_at": datetime(2026, 3, 11, 15, 5, tzinfo=UTC),
    }
    return payment_mail(
        found,
        contact or found.customer.contacts[0],
        InstallmentRecord(**{**given, **part}),
        invoice_number="R-0001",
        total=Decimal(amount) * 4,
        pdf=b"%PDF-",
    )


# -- the tables --------------------------------------------------------------------------------------


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("table", [wording.INVOICE, wording.MAIL], ids=["invoice", "mail"])
def test_every_language_has_the_same_words_and_placeholders(table: dict[str, dict[str, str]]) -> None:
    shape = {key: placeholders(text) for key, text in table["en"].items()}

    assert list(table) == LANGUAGES
    for row in table.values():
        assert all(row.values())
        assert {key: placeholders(text) for key, text in row.items()} == shape


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_follow_the_typography_of_their_language(language: str) -> None:
    text = "\n".join([*wording.INVOICE[language].values(), *wording.MAIL[language].values()])

    assert not re.search(r"['\"]|\.\.\.|  ", text)
    if language == "fr":
        assert re.findall(r"[^\u202f][;!?»]|[^\u202f\u00a0]:|«[^\u202f]", text) == []
    else:
        assert "\u202f" not in text


@pytest.mark.parametrize("language", ["nl", "zh", "xx"])
def test_another_language_falls_back_to_english(language: str) -> None:
    mail = a_mail(language)

    assert (mail.subject, mail.text, mail.html) == (a_mail().subject, a_mail().text, a_mail().html)
    assert mail.language == "en"
    assert wording.in_language(wording.INVOICE, language) == wording.INVOICE["en"]


# -- what the mail says ------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "currency", "amount", "written"), AMOUNTS)
def test_amounts_are_written_in_the_exact_code_points_of_the_language(
    language: str, currency: str, amount: str, written: str
) -> None:
    mail = a_mail(language, amount=amount, currency=currency)

    for text in (mail.subject, mail.text, mail.html):
        assert written in text


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [("RSD", "100.50", "RSD\xa0100.50"), ("RSD", "100.00", "RSD\xa0100"), ("ISK", "5000.00", "ISK\xa05,000")],
)
def test_cents_are_shown_in_currencies_that_unicode_writes_without(currency: str, amount: str, written: str) -> None:
    assert f"Please pay installment 2\xa0of\xa04: {written}.\n" in a_mail(amount=amount, currency=currency).text


@pytest.mark.parametrize(
    ("language", "subject", "ask", "due", "validity"),
    [
        (
            "en",
            "Your invoice R-0001 – pay €30.00",
            "Please pay installment 2 of 4: €30.00.",
            "Due date: April 8, 2026",
            "The link is valid for 24 hours, until March 11, 2026 at 3:05 PM UTC.",
        ),
        (
            "fr",
            "Votre facture R-0001 – règlement de 30,00 €",
            "Merci de régler l’échéance 2 sur 4 : 30,00 €.",
            "Date d’échéance : 8 avril 2026",
            "Ce lien est valable 24 heures, jusqu’au 11 mars 2026 à 15:05 UTC.",
        ),
        (
            "de",
            "Ihre Rechnung R-0001 – Zahlbetrag 30,00 €",
            "Bitte begleichen Sie Rate 2 von 4: 30,00 €.",
            "Fällig am 8. April 2026",
            "Der Link ist 24 Stunden gültig, bis zum 11. März 2026 um 15:05 Uhr (UTC).",
        ),
        (
            "it",
            "La Sua fattura R-0001 – pagamento di 30,00 €",
            "La preghiamo di pagare la rata 2 di 4: 30,00 €.",
            "Data di scadenza: 8 aprile 2026",
            "Il link è valido per 24 ore (termine: 11 marzo 2026, ore 15:05 UTC).",
        ),
        (
            "pt",
            "A sua fatura R-0001 – pagamento de 30,00 €",
            "Solicitamos o pagamento da prestação 2 de 4: 30,00 €.",
            "Data de vencimento: 8 de abril de 2026",
            "A ligação é válida durante 24 horas (até 11 de março de 2026, 15:05 UTC).",
        ),
        (
            "es",
            "Su factura R-0001 – pago de 30,00 €",
            "Le rogamos que abone el plazo 2 de 4: 30,00 €.",
            "Fecha de vencimiento: 8 de abril de 2026",
            "El enlace es válido durante 24 horas (hasta el 11 de marzo de 2026, 15:05 UTC).",
        ),
    ],
)
def test_the_mail_names_the_installment_its_amount_and_its_due_date(
    language: str, subject: str, ask: str, due: str, validity: str
) -> None:
    mail = a_mail(language)

    # The tests above check the blanks, so the sentences are compared with plain blanks.
    assert re.sub(r"[\xa0\u202f]", " ", mail.subject) == subject
    for text in (mail.text, mail.html):
        plain = re.sub(r"[\xa0\u202f]", " ", text)
        assert [said for said in (ask, due, validity) if said not in plain] == []
    assert mail.language == language
    assert f'<html lang="{language}">' in mail.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_mail_mentions_no_due_date_that_does_not_exist(language: str) -> None:
    label = wording.MAIL[language]["due"].partition("{")[0]

    mail = a_mail(language, due_date=None)

    assert label not in mail.text + mail.html
    assert "\n\n\n" not in mail.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_single_installment_is_not_numbered_in_any_language(language: str) -> None:
    mail = a_mail(language, parts=1, number=1)

    assert wording.MAIL[language]["ask_single"].partition("{")[0] in mail.text
    assert not re.search(r"\b1\s\w+\s1\b", mail.text)


def test_the_mail_says_in_utc_when_the_link_ends() -> None:
    tokyo = timezone(timedelta(hours=9))

    mail = a_mail("de", expires_at=datetime(2026, 3, 12, 0, 5, tzinfo=tokyo))

    assert "11. März 2026 um 15:05\xa0Uhr\xa0(UTC)" in mail.text


@pytest.mark.parametrize(
    ("contact", "name"),
    [
        (Contact(id="c", first_name="Ana", last_name="Diaz"), "Ana Diaz"),
        (Contact(id="c", first_name=" Ana "), "Ana"),
        (Contact(id="c"), "Buyer SARL"),
    ],
)
def test_the_greeting_names_the_contact_or_else_the_customer(contact: Contact, name: str) -> None:
    assert a_mail("de", contact=contact).text.startswith(f"Guten Tag {name},\n")


# -- the form of the mail ----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_escaped_in_html_and_left_alone_in_text(language: str) -> None:
    name, seller = "Ana & <Bo>", "Sons & <Co> {total}"

    mail = a_mail(
        language,
        quote={"business_unit": {"id": "b", "name": seller}, "number": "Q<1>&2"},
        contact=Contact(id="c", first_name=name),
    )

    for raw, escaped in [
        (name, "Ana &amp; &lt;Bo&gt;"),
        (seller, "Sons &amp; &lt;Co&gt; {total}"),
        ("Q<1>&2", "Q&lt;1&gt;&amp;2"),
        (LINK, LINK.replace("&", "&amp;")),
    ]:
        assert raw in mail.text
        assert escaped in mail.html
        assert raw not in mail.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_html_suits_phones_dark_mode_and_mail_servers(language: str) -> None:
    html = a_mail(language).html

    assert max(len(line.encode()) for line in html.splitlines()) <= 990
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "max-width:560px" in html
    assert not re.search(r"<img|<script|<link|@import|url\(", html)
    assert not re.search(r'width="(?!100%)', html)  # nothing is wider than the screen


def test_the_link_is_on_the_button_and_readable_below_it() -> None:
    html = a_mail().html
    link = LINK.replace("&", "&amp;")

    assert html.count(f'href="{link}"') == 2
    assert html.index("Pay €30.00</a>") < html.index("copy this address") < html.index(f"\n{link}</a>")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_part_can_be_read_by_itself(language: str) -> None:
    said, text = wording.MAIL[language], a_mail(language).text
    paragraphs = text.split("\n\n")

    assert len(paragraphs) == 6
    assert paragraphs[3].splitlines()[1] == LINK  # alone on its line, so that every client finds its end
    assert paragraphs[-1] == f"{said['closing']}\nSeller SAS"
    assert not re.search(r"<\w|&\w+;|[{}]", text)
    assert all(line == line.strip() for line in text.splitlines())
    assert max(len(line) for line in text.splitlines() if line != LINK) < 200
