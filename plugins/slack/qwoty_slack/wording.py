"""The plugin's texts for a sales team, by language; English if a language is missing.

``pt`` is European Portuguese. No-break spaces are written as escapes, so that they can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Babel locales that differ from the language's code: ``pt`` alone would mean Brazil.
LOCALES = {"pt": "pt_PT"}

MESSAGE: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "New signature",
        "signed": "{company} has signed quote {number}.",
        "signed_with": "{company} has signed quote {number} with {owner}.",
        "one_off": "One-off, net of tax",
        "mrr": "Monthly recurring (MRR)",
        "dealroom": "Open the deal room",
        "corrected": "Corrected, because the quote was changed.",
    },
    "fr": {
        "title": "Nouvelle signature",
        "signed": "{company} a signé le devis {number}.",
        "signed_with": "{company} a signé le devis {number} avec {owner}.",
        "one_off": "Ponctuel, hors taxes",
        "mrr": "Récurrent mensuel (MRR)",
        "dealroom": "Ouvrir la deal room",
        "corrected": "Corrigé, car le devis a été modifié.",
    },
    "de": {
        "title": "Neue Unterschrift",
        "signed": "{company} hat das Angebot {number} unterschrieben.",
        "signed_with": "{company} hat das Angebot {number} bei {owner} unterschrieben.",
        "one_off": "Einmalig, netto",
        "mrr": "Monatlich wiederkehrend (MRR)",
        "dealroom": "Dealroom öffnen",
        "corrected": "Berichtigt, weil das Angebot geändert wurde.",
    },
    "it": {
        "title": "Nuova firma",
        "signed": "{company} ha firmato il preventivo {number}.",
        "signed_with": "{company} ha firmato il preventivo {number} con {owner}.",
        "one_off": "Una tantum, al netto delle imposte",
        "mrr": "Ricorrente mensile (MRR)",
        "dealroom": "Apri la deal room",
        "corrected": "Corretto, perché il preventivo è stato modificato.",
    },
    "pt": {
        "title": "Nova assinatura",
        "signed": "{company} assinou o orçamento {number}.",
        "signed_with": "{company} assinou o orçamento {number} com {owner}.",
        "one_off": "Pontual, sem impostos",
        "mrr": "Recorrente mensal (MRR)",
        "dealroom": "Abrir a deal room",
        "corrected": "Corrigido, porque o orçamento foi alterado.",
    },
    "es": {
        "title": "Nueva firma",
        "signed": "{company} ha firmado el presupuesto {number}.",
        "signed_with": "{company} ha firmado el presupuesto {number} con {owner}.",
        "one_off": "Único, sin impuestos",
        "mrr": "Recurrente mensual (MRR)",
        "dealroom": "Abrir la deal room",
        "corrected": "Corregido, porque el presupuesto ha cambiado.",
    },
}


def in_language(language: str) -> Mapping[str, str]:
    """Return the texts in a language."""
    return MESSAGE.get(language, MESSAGE["en"])


def locale_of(language: str) -> str:
    """Return the Babel locale of a language's texts."""
    return LOCALES.get(language, language) if language in MESSAGE else "en"
