"""The plugin's texts for customers, by language; English if a language is missing.

``pt`` is European Portuguese. No-break spaces are written as escapes, so that they can be seen.
"""

from __future__ import annotations

#: Babel locales that differ from the language's code: ``pt`` alone would mean Brazil.
LOCALES = {"pt": "pt_PT"}

# Stripe prints these in its own font: before a French colon, use the no-break space that every font has.
INVOICE = {
    "en": {
        "discount": "Discount",
        "discount_on": "Discount: {what}",
        "quote": "Quote",
        "company": "Company",
        "installment": "Installment",
        "rounding": "Rounding",
        "cash_rounding": "Cash rounding",
    },
    "fr": {
        "discount": "Remise",
        "discount_on": "Remise\u00a0: {what}",
        "quote": "Devis",
        "company": "Société",
        "installment": "Échéance",
        "rounding": "Arrondi",
        "cash_rounding": "Arrondi de caisse",
    },
    "de": {
        "discount": "Rabatt",
        "discount_on": "Rabatt: {what}",
        "quote": "Angebot",
        "company": "Unternehmen",
        "installment": "Rate",
        "rounding": "Rundung",
        "cash_rounding": "Bargeldrundung",
    },
    "it": {
        "discount": "Sconto",
        "discount_on": "Sconto: {what}",
        "quote": "Preventivo",
        "company": "Azienda",
        "installment": "Rata",
        "rounding": "Arrotondamento",
        "cash_rounding": "Arrotondamento contante",
    },
    "pt": {
        "discount": "Desconto",
        "discount_on": "Desconto: {what}",
        "quote": "Orçamento",
        "company": "Empresa",
        "installment": "Prestação",
        "rounding": "Arredondamento",
        "cash_rounding": "Arredondamento de caixa",
    },
    "es": {
        "discount": "Descuento",
        "discount_on": "Descuento: {what}",
        "quote": "Presupuesto",
        "company": "Empresa",
        "installment": "Plazo",
        "rounding": "Redondeo",
        "cash_rounding": "Redondeo de efectivo",
    },
}

# Dates and times come without an article: in Italian and Spanish it would change with the number.
MAIL = {
    "en": {
        "subject": "Your invoice {number} – pay {amount}",
        "greeting": "Hello {name},",
        "thanks": "Thank you for accepting quote {quote}. Your invoice {number} for {total} is attached.",
        "ask": "Please pay installment {part}\u00a0of\u00a0{parts}: {amount}.",
        "ask_single": "Please pay {amount}.",
        "due": "Due date: {due}",
        "button": "Pay {amount}",
        "fallback": "If the button does not work, copy this address into your browser:",
        "validity": "The link is valid for 24\u00a0hours, until {day} at {time}\u00a0{zone}.",
        "renewal": "If it has expired, contact us and we will send you a new one.",
        "closing": "Kind regards,",
    },
    "fr": {
        "subject": "Votre facture {number} – règlement de {amount}",
        "greeting": "Bonjour {name},",
        "thanks": "Merci d’avoir accepté le devis {quote}. Votre facture {number} d’un montant de {total} est jointe.",
        "ask": "Merci de régler l’échéance {part}\u00a0sur\u00a0{parts}\u202f: {amount}.",
        "ask_single": "Merci de régler {amount}.",
        "due": "Date d’échéance\u202f: {due}",
        "button": "Payer {amount}",
        "fallback": "Si le bouton ne fonctionne pas, copiez cette adresse dans votre navigateur\u202f:",
        "validity": "Ce lien est valable 24\u00a0heures, jusqu’au {day} à {time}\u00a0{zone}.",
        "renewal": "S’il a expiré, contactez-nous pour en recevoir un nouveau.",
        "closing": "Cordialement,",
    },
    "de": {
        "subject": "Ihre Rechnung {number} – Zahlbetrag {amount}",
        "greeting": "Guten Tag {name},",
        "thanks": "vielen Dank, dass Sie das Angebot {quote} angenommen haben. "
        "Ihre Rechnung {number} über {total} finden Sie im Anhang.",
        "ask": "Bitte begleichen Sie Rate {part}\u00a0von\u00a0{parts}: {amount}.",
        "ask_single": "Bitte begleichen Sie den Betrag von {amount}.",
        "due": "Fällig am {due}",
        "button": "{amount} bezahlen",
        "fallback": "Falls die Schaltfläche nicht funktioniert, kopieren Sie bitte diese Adresse in Ihren Browser:",
        "validity": "Der Link ist 24\u00a0Stunden gültig, bis zum {day} um {time}\u00a0Uhr\u00a0({zone}).",
        "renewal": "Ist er abgelaufen, melden Sie sich bitte bei uns; wir senden Ihnen gern einen neuen.",
        "closing": "Mit freundlichen Grüßen",
    },
    "it": {
        "subject": "La Sua fattura {number} – pagamento di {amount}",
        "greeting": "Gentile {name},",
        "thanks": "grazie per aver accettato il preventivo {quote}. "
        "In allegato trova la Sua fattura {number} per un importo di {total}.",
        "ask": "La preghiamo di pagare la rata {part}\u00a0di\u00a0{parts}: {amount}.",
        "ask_single": "La preghiamo di pagare l’importo di {amount}.",
        "due": "Data di scadenza: {due}",
        "button": "Paga {amount}",
        "fallback": "Se il pulsante non funziona, copi questo indirizzo nel Suo browser:",
        "validity": "Il link è valido per 24\u00a0ore (termine: {day}, ore\u00a0{time}\u00a0{zone}).",
        "renewal": "Se è scaduto, ci contatti e Le invieremo un nuovo link.",
        "closing": "Cordiali saluti,",
    },
    "pt": {
        "subject": "A sua fatura {number} – pagamento de {amount}",
        "greeting": "Estimado/a {name},",
        "thanks": "Agradecemos a aceitação do orçamento {quote}. "
        "Enviamos em anexo a sua fatura {number}, no valor de {total}.",
        "ask": "Solicitamos o pagamento da prestação {part}\u00a0de\u00a0{parts}: {amount}.",
        "ask_single": "Solicitamos o pagamento de {amount}.",
        "due": "Data de vencimento: {due}",
        "button": "Pagar {amount}",
        "fallback": "Se o botão não funcionar, copie este endereço para o seu navegador:",
        "validity": "A ligação é válida durante 24\u00a0horas (até {day}, {time}\u00a0{zone}).",
        "renewal": "Se tiver expirado, contacte-nos e enviar-lhe-emos uma nova.",
        "closing": "Com os melhores cumprimentos,",
    },
    "es": {
        "subject": "Su factura {number} – pago de {amount}",
        "greeting": "Estimado/a {name}:",
        "thanks": "Gracias por aceptar el presupuesto {quote}. "
        "Le adjuntamos su factura {number} por un importe de {total}.",
        "ask": "Le rogamos que abone el plazo {part}\u00a0de\u00a0{parts}: {amount}.",
        "ask_single": "Le rogamos que abone {amount}.",
        "due": "Fecha de vencimiento: {due}",
        "button": "Pagar {amount}",
        "fallback": "Si el botón no funciona, copie esta dirección en su navegador:",
        "validity": "El enlace es válido durante 24\u00a0horas (hasta el {day}, {time}\u00a0{zone}).",
        "renewal": "Si ha caducado, póngase en contacto con nosotros y le enviaremos uno nuevo.",
        "closing": "Atentamente,",
    },
}


def in_language(table: dict[str, dict[str, str]], language: str) -> dict[str, str]:
    """Return the texts in a language."""
    return table.get(language, table["en"])
