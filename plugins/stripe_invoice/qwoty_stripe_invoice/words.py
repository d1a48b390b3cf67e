"""The plugin's words for customers, by language; English where a language is missing."""

from __future__ import annotations

INVOICE = {
    "en": {"discount": "Discount", "quote": "Quote", "company": "Company", "installment": "Installment"},
    "fr": {"discount": "Remise", "quote": "Devis", "company": "Société", "installment": "Échéance"},
}

MAIL = {
    "en": {
        "subject": "Your invoice {number} – pay {amount}",
        "greeting": "Hello {name},",
        "thanks": "Thank you for accepting quote {quote}. Your invoice {number} over {total} is attached.",
        "ask": "Please pay installment {part} of {parts}: {amount}.",
        "ask_single": "Please pay {amount}.",
        "button": "Pay {amount}",
        "validity": "The link is valid for 24 hours. If it has expired, contact us and you will get a new one.",
        "closing": "Kind regards,",
    },
    "fr": {
        "subject": "Votre facture {number} – règlement de {amount}",
        "greeting": "Bonjour {name},",
        "thanks": "Merci d'avoir accepté le devis {quote}. Votre facture {number} d'un montant de {total} est jointe.",
        "ask": "Merci de régler l'échéance {part} sur {parts} : {amount}.",
        "ask_single": "Merci de régler {amount}.",
        "button": "Payer {amount}",
        "validity": "Ce lien est valable 24 heures. S'il a expiré, contactez-nous pour en recevoir un nouveau.",
        "closing": "Cordialement,",
    },
}


def of(table: dict[str, dict[str, str]], language: str) -> dict[str, str]:
    """The words of a language."""
    return table.get(language, table["en"])
