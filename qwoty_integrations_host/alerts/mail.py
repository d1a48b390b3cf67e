"""The alert mail: one mail with all alerts that are due, each with what happened, what to do, and a link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ..contract.context import MailMessage

#: The mail lists so many alerts, and counts the rest.
_MOST = 20

#: Titles and hints are translated by plugins/catalogs.py.
TEXTS = {
    "en": {
        "subject_one": "Qwoty integrations, {workspace}: {title}",
        "subject_many": "Qwoty integrations, {workspace}: {count} things need you",
        "greeting": "In workspace {workspace} of the Qwoty integrations:",
        "run.needs_attention": "A person has to look at a run.",
        "run.failed": "A run failed.",
        "run.waits": "Runs wait for an integration that cannot be called.",
        "quote.without_invoice": "A signed quote has no invoice.",
        "quote.asks": "A quote needs a person.",
        "connection.needs_attention": "The connection to the service needs attention.",
        "webhooks.silent": "The service has fallen silent.",
        "mail.not_sent": "A mail to a customer did not leave.",
        "digest": "Once a day: what still needs a person.",
        "test": "This is a test. Alerts reach you.",
        "about": "Quote {number}: {title}",
        "do": "What to do: {hint}",
        "look": "Look at it: {look}",
        "more": "… and {count} more.",
        "why": "You get this mail because your address was entered for the alerts of workspace {workspace}.",
    },
    "fr": {
        "subject_one": "Intégrations Qwoty, {workspace}\u202f: {title}",
        "subject_many": "Intégrations Qwoty, {workspace}\u202f: {count} points demandent votre attention",
        "greeting": "Dans l’espace de travail {workspace} des intégrations Qwoty\u202f:",
        "run.needs_attention": "Une exécution demande l’intervention d’une personne.",
        "run.failed": "Une exécution a échoué.",
        "run.waits": "Des exécutions attendent une intégration qui ne peut pas être appelée.",
        "quote.without_invoice": "Un devis signé n’a pas de facture.",
        "quote.asks": "Un devis demande une intervention.",
        "connection.needs_attention": "La connexion au service demande votre attention.",
        "webhooks.silent": "Le service ne donne plus de nouvelles.",
        "mail.not_sent": "Un e-mail destiné à un client n’est pas parti.",
        "digest": "Une fois par jour\u202f: ce qui demande encore l’intervention d’une personne.",
        "test": "Ceci est un test. Les alertes vous parviennent.",
        "about": "Devis {number}\u202f: {title}",
        "do": "À faire\u202f: {hint}",
        "look": "Pour voir\u202f: {look}",
        "more": "… et {count} autres.",
        "why": "Vous recevez ce message car votre adresse a été saisie pour les alertes de "
        "l’espace de travail {workspace}.",
    },
}


def alert_mail(
    workspace: str, alerts: Sequence[Mapping[str, Any]], *, to: str, language: str, settings: str | None
) -> MailMessage:
    """Build the mail for one or more alerts, in the form of ``alerts show``, with translated titles and hints.

    ``settings``: the URL of the page with the alert recipients.
    """
    texts = TEXTS.get(language, TEXTS["en"])
    if len(alerts) == 1:
        subject = texts["subject_one"].format(workspace=workspace, title=alerts[0]["title"])
    else:
        subject = texts["subject_many"].format(workspace=workspace, count=len(alerts))
    parts = [texts["greeting"].format(workspace=workspace)]
    # The digest comes first, so that it is always listed.
    in_order = sorted(alerts, key=lambda alert: alert["type"] != "digest")
    parts += [text for alert in in_order[:_MOST] for text in _paragraphs(texts, alert)]
    if len(alerts) > _MOST:
        parts.append(texts["more"].format(count=len(alerts) - _MOST))
    parts.append("\n".join(["-- ", texts["why"].format(workspace=workspace), *([settings] if settings else [])]))
    text = "\n\n".join(parts) + "\n"
    html = f'<pre style="font: inherit; white-space: pre-wrap">{escape(text)}</pre>'
    return MailMessage(to=to, subject=subject, text=text, html=html, language=language)


def _paragraphs(texts: Mapping[str, str], alert: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paragraph about an alert, and for a digest one for each thing that is open."""
    title = f"{alert['title']} [{alert['code']}]" if alert["type"] != "digest" else alert["title"]
    if alert["quote_number"]:
        title = texts["about"].format(number=alert["quote_number"], title=title)
    # A newer release may have stored a type that this one does not know.
    lines = [*([texts[alert["type"]]] if alert["type"] in texts else []), title]
    if alert["hint"]:
        lines.append(texts["do"].format(hint=alert["hint"]))
    # Without a public URL, the command takes the place of the link.
    if look := alert["url"] or alert["command"]:
        lines.append(texts["look"].format(look=look))
    yield "\n".join(lines)
    for listed in alert["open"]:
        yield from _paragraphs(texts, listed)
    if alert.get("left_out"):
        yield texts["more"].format(count=alert["left_out"])
