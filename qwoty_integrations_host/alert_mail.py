"""The mail that tells people what needs them: what happened, what to do, and the command; several things in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .context import MailMessage

#: Beyond these the mail only says how many there are.
_MOST = 20

#: Titles and hints come in the language already (translations.py).
WORDS = {
    "en": {
        "subject_one": "Qwoty integrations, {workspace}: {title}",
        "subject_many": "Qwoty integrations, {workspace}: {count} things need you",
        "greeting": "In workspace {workspace} of the Qwoty integrations:",
        "run.needs_attention": "A person has to look at a run.",
        "run.failed": "A run failed.",
        "run.waits": "Runs wait for an integration that cannot be called.",
        "quote.without_invoice": "A signed quote has no invoice.",
        "connection.needs_attention": "The connection to the service needs attention.",
        "webhooks.silent": "The service has fallen silent.",
        "test": "This is a test. Alerts reach you.",
        "about": "Quote {number}: {title}",
        "do": "What to do: {hint}",
        "look": "Look at it: {command}",
        "more": "… and {count} more: qwoty-host run list",
        "why": "You get this mail because your address was entered with `qwoty-host alerts set {workspace}`.",
    },
    "fr": {
        "subject_one": "Intégrations Qwoty, {workspace}\u202f: {title}",
        "subject_many": "Intégrations Qwoty, {workspace}\u202f: {count} points demandent votre attention",
        "greeting": "Dans l’espace de travail {workspace} des intégrations Qwoty\u202f:",
        "run.needs_attention": "Une exécution demande l’intervention d’une personne.",
        "run.failed": "Une exécution a échoué.",
        "run.waits": "Des exécutions attendent une intégration qui ne peut pas être appelée.",
        "quote.without_invoice": "Un devis signé n’a pas de facture.",
        "connection.needs_attention": "La connexion au service demande votre attention.",
        "webhooks.silent": "Le service ne donne plus de nouvelles.",
        "test": "Ceci est un test. Les alertes vous parviennent.",
        "about": "Devis {number}\u202f: {title}",
        "do": "À faire\u202f: {hint}",
        "look": "Pour voir\u202f: {command}",
        "more": "… et {count} autres\u202f: qwoty-host run list",
        "why": "Vous recevez ce message car votre adresse a été saisie avec `qwoty-host alerts set {workspace}`.",
    },
}


def alert_mail(workspace: str, alerts: Sequence[Mapping[str, Any]], *, to: str, language: str) -> MailMessage:
    """Build the mail for one or several alerts, each as ``alerts show`` has it, its title and hint in the language."""
    words = WORDS.get(language, WORDS["en"])
    if len(alerts) == 1:
        subject = words["subject_one"].format(workspace=workspace, title=alerts[0]["title"])
    else:
        subject = words["subject_many"].format(workspace=workspace, count=len(alerts))
    parts = [words["greeting"].format(workspace=workspace)]
    parts += [_paragraph(words, alert) for alert in alerts[:_MOST]]
    if len(alerts) > _MOST:
        parts.append(words["more"].format(count=len(alerts) - _MOST))
    parts.append("-- \n" + words["why"].format(workspace=workspace))
    text = "\n\n".join(parts) + "\n"
    html = f'<pre style="font: inherit; white-space: pre-wrap">{escape(text)}</pre>'
    return MailMessage(to=to, subject=subject, text=text, html=html, language=language)


def _paragraph(words: Mapping[str, str], alert: Mapping[str, Any]) -> str:
    title = f"{alert['title']} [{alert['code']}]"
    if alert["quote_number"]:
        title = words["about"].format(number=alert["quote_number"], title=title)
    lines = [words[alert["type"]], title]
    if alert["hint"]:
        lines.append(words["do"].format(hint=alert["hint"]))
    if alert["command"]:
        lines.append(words["look"].format(command=alert["command"]))
    return "\n".join(lines)
