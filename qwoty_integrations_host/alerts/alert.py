"""What an alert consists of: its facts, its type, and the console's page about it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any
from urllib.parse import quote as url_quoted

from ..config import WAITS
from ..plugins.manager import RESERVED

#: The facts of every alert; a digest also has ``open`` and ``left_out``.
FACTS = ("type", "code", "title", "hint", "plugin", "run_id", "quote_id", "quote_number", "command")
#: When each delivery attempt is due, counted from the alert's creation; after the last one the alert is given up.
ATTEMPTS_DUE = tuple(accumulate((timedelta(0), *WAITS)))
#: The errors of a run that stopped because a customer's mail was not sent.
_MAIL_STOPPED = {"mail_refused", "mail_address", "mail_unsure", "send_unsure"}


def alert_facts(kind: str, error: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return an alert's facts: its type, what the error says, and what it concerns."""
    from_error = {name: error[name] for name in ("code", "title", "hint")}
    return {**dict.fromkeys(FACTS), "type": kind, **from_error, **more}


def missing_webhooks(plugin: str, error: Mapping[str, Any], command: str) -> dict[str, Any]:
    """Return the facts of an alert that a service sends no webhooks."""
    return alert_facts("webhooks.silent", error, plugin=plugin, command=command)


def digest(alerts: Sequence[Mapping[str, Any]], count: int) -> dict[str, Any]:
    """Return the facts of a daily digest; ``alerts``: the facts of the first of ``count`` open things."""
    title = "One thing is still open." if count == 1 else f"{count} things are still open."
    error = {"code": "digest", "title": title, "hint": "Deal with each of them, or dismiss its run."}
    listed = [{**dict.fromkeys(FACTS), **one} for one in alerts]
    return {**alert_facts("digest", error), "open": listed, "left_out": count - len(listed)}


def run_alert_type(status: str, code: str) -> str:
    """Return the type of an alert about a run; a mail that was not sent has a type of its own."""
    return "mail.not_sent" if code in _MAIL_STOPPED else f"run.{status}"


def console_url(public_url: str | None, alert: Mapping[str, Any]) -> str | None:
    """Return the URL of the console's page about an alert; None without a public URL."""
    return console_page(public_url, _page(alert))


def console_page(public_url: str | None, page: str) -> str | None:
    """Return the URL of a page of the console; None without a public URL."""
    return None if public_url is None else f"{public_url}/console/{page}"


def _page(alert: Mapping[str, Any]) -> str:
    """Return the path of the most specific page; the first page lists what is open."""
    if alert["type"] == "connection.needs_attention" and alert["plugin"] != RESERVED:
        return f"integrations/{alert['plugin']}"
    if alert["type"] == "webhooks.silent":
        return "webhooks"
    if alert["run_id"]:
        return f"runs/{alert['run_id']}"
    return f"quotes/{url_quoted(alert['quote_id'], safe='')}" if alert["quote_id"] else ""


def short_hash(*parts: str) -> str:
    """Return a deterministic id of 32 hexadecimal digits."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]
