"""Builders that the tests share: the documented quote, keys, ways of sending an invoice, and reports about keys."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from qwoty_integrations_host import KeyReport
from qwoty_integrations_host.errors import InvalidInput
from qwoty_integrations_host.testing import a_line, a_quote, loaded, vat

__all__ = [
    "EMAIL",
    "EXAMPLE",
    "KEY",
    "LINE",
    "LINK",
    "LIVE",
    "a_key_report",
    "a_line",
    "a_quote",
    "loaded",
    "refused_fields",
    "the_example",
    "vat",
    "with_value",
]

EXAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "docs" / "examples" / "quote.json").read_text("utf-8")
)
KEY = "sk_test_51SimulatedKey0001"
#: Tests build live keys with it, so that no committed file holds what looks like a live key.
LIVE = "live"

#: The path of the first line of a quote document.
LINE = "pricing_table.sections.0.phases.0.line_items.0"


def the_example(**changes: Any) -> dict[str, Any]:
    """The documented example (total 9102.00 EUR, four installments), with top-level changes."""
    return {**copy.deepcopy(EXAMPLE), **changes}


#: Settings of the two ways in which Stripe Invoice sends an invoice.
LINK = {"invoice_status": "open", "send_payment_link": True}
EMAIL = {"invoice_status": "open", "send_invoice_email": True}


def a_key_report(status: str = "ok", **changes: Any) -> KeyReport:
    """What a test of a connection found about a key."""
    words = {"code": "c", "title": f"It is {status}.", "hint": "Mend it."} if status != "ok" else {}
    place = {"label": "token", "last4": "7890", "mode": "test", "account": "main"}
    return KeyReport(**{**place, **words, "status": status, **changes})


def with_value(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set one value in a document, at its dotted path, and return the document."""
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in way:
        place = place[part]
    place[last] = value
    return document


def refused_fields(document: Any) -> list[str]:
    """The paths of the fields for which a quote document is refused; none if it is accepted."""
    try:
        loaded(document)
    except InvalidInput as refused:
        return [problem.dotted for problem in refused.problems]
    return []
