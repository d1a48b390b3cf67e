"""Build the message about a quote in Slack's form. Pure.

Names come from people and must not act as markup: no name may become a link, a format or a mention. So plain text is
used wherever Slack takes it, the three control characters are escaped elsewhere, and automatic links are off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import format_currency

from qwoty_integrations_host import Quote

from . import wording

EVENT_TYPE = "qwoty_quote"
#: Slack refuses a section of more than 3000 characters, and names may be long.
_MOST_LETTERS = 200


def message(quote: Quote, *, corrected: bool = False) -> dict[str, Any]:
    """Return ``text``, ``blocks`` and ``metadata``, the arguments of ``chat.postMessage`` and ``chat.update``.

    Absent and zero amounts are left out.
    """
    said = wording.in_language(quote.language)
    sentence, figures = _sentence(quote, said), _figures(quote, said)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(f"🎉 {said['title']}")},
        {"type": "section", "text": _plain(sentence)},
    ]
    if figures:
        fields = [_markup(f"*{label}*\n{_escaped(amount)}") for label, amount in figures.items()]
        blocks.append({"type": "section", "fields": fields})
    if link := _dealroom(quote):
        blocks.append({"type": "section", "text": _markup(f"<{_escaped(link)}|{said['dealroom']}>")})
    if corrected:
        blocks.append({"type": "context", "elements": [_plain(said["corrected"])]})
    # Notifications and screen readers use the text.
    amounts = "".join(f" {label}: {amount}." for label, amount in figures.items())
    return {"text": _escaped(sentence + amounts), "blocks": blocks, "metadata": _metadata(quote)}


def is_about(metadata: Mapping[str, Any], workspace: str, quote_id: str) -> bool:
    """Whether a message's metadata show that we posted it for this quote."""
    payload = metadata.get("event_payload") or {}
    is_ours = metadata.get("event_type") == EVENT_TYPE and payload.get("workspace") == workspace
    return is_ours and payload.get("quote_id") == quote_id


def file_name(quote: Quote) -> str:
    """Return ``YYYYMMDD-CompanyName.pdf``: the day of acceptance, and letters and digits of the customer's name."""
    company = "".join(letter for letter in quote.customer.name if letter.isalnum())[:80]
    return f"{quote.accepted_on:%Y%m%d}-{company or 'Quote'}.pdf"


def _metadata(quote: Quote) -> dict[str, Any]:
    payload = {"workspace": quote.workspace_id, "quote_id": quote.id, "version": quote.version}
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def _sentence(quote: Quote, said: Mapping[str, str]) -> str:
    owner = quote.owner
    names = (owner.first_name, owner.last_name) if owner else ()
    person = " ".join(name.strip() for name in names if name and name.strip())
    facts = {"company": _short(quote.customer.name), "number": _short(quote.number), "owner": _short(person)}
    return said["signed_with" if person else "signed"].format(**facts)


def _figures(quote: Quote, said: Mapping[str, str]) -> dict[str, str]:
    """Return the amounts that are not zero, by label."""
    one_off = quote.totals.net_amount if quote.totals else None
    locale = wording.locale_of(quote.language)
    amounts: dict[str, Decimal | None] = {said["one_off"]: one_off, said["mrr"]: quote.mrr}
    return {
        label: format_currency(amount, quote.currency, locale=locale) for label, amount in amounts.items() if amount
    }


def _dealroom(quote: Quote) -> str | None:
    link = quote.dealroom_link or ""
    # Refuse characters that could end the link's markup.
    if not re.fullmatch(r"https://[^\s<>|\\]{1,2000}", link):
        return None
    try:
        return link if urlsplit(link).hostname else None
    except ValueError:
        return None


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _markup(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
