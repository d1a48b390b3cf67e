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
    "BY_RATES",
    "EMAIL",
    "EXAMPLE",
    "HALVES",
    "KEY",
    "LINE",
    "LINK",
    "LIVE",
    "ON_DUE_DATE",
    "OPEN",
    "RESTRICTED",
    "ROUNDED_ONCE",
    "UNIT_1",
    "UNIT_2",
    "a_key_report",
    "a_line",
    "a_quote",
    "loaded",
    "on_terms",
    "over",
    "refused_fields",
    "signed",
    "the_example",
    "vat",
    "with_value",
]

EXAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "docs" / "examples" / "quote.json").read_text("utf-8")
)
KEY = "sk_test_51SimulatedKey0001"
RESTRICTED = "rk_test_Documented0001"
#: The keys of two business units.
UNIT_1, UNIT_2 = "sk_test_UnitOneKey0001", "sk_test_UnitTwoKey0002"
#: Tests build live keys with it, so that no committed file holds what looks like a live key.
LIVE = "live"

#: The path of the first line of a quote document.
LINE = "pricing_table.sections.0.phases.0.line_items.0"


def the_example(**changes: Any) -> dict[str, Any]:
    """The documented example (total 9102.00 EUR, four installments), with top-level changes."""
    return {**copy.deepcopy(EXAMPLE), **changes}


def over(net: str, **changes: Any) -> dict[str, Any]:
    """A quote over this net amount and 20 % tax."""
    return a_quote(a_line(net=net), **changes)


def signed(quote: dict[str, Any], net: str, tax: str, total: str) -> dict[str, Any]:
    """The quote with these signed figures."""
    return {**quote, "summary": {"one_off": {"net_amount": net, "tax_amount": tax, "total_amount": total}}}


def on_terms(*terms: str, **changes: Any) -> dict[str, Any]:
    """A quote over 120.00 EUR in equal installments, one for each of these terms."""
    quote = a_quote(installments=len(terms), **changes)
    parts = quote["payment_terms"]["installments"]
    dated = [{**part, "term": term} for part, term in zip(parts, terms, strict=True)]
    return {**quote, "payment_terms": {"name": "terms", "installments": dated}}


#: 120.00 EUR in two halves.
HALVES = a_quote(installments=2)
#: 5.5 % of 10.10 is 0.5555: the three lines have 0.56 each at Stripe, and the quote has 1.67 for all of them.
ROUNDED_ONCE = signed(
    a_quote(*(a_line(f"l{number}", "10.10", taxes=[vat("5.5")]) for number in range(3))), "30.30", "1.67", "31.97"
)

# -- settings of Stripe Invoice ------------------------------------------------------------------------

#: The invoice becomes final, and nothing is sent.
OPEN = {"invoice_status": "open"}
#: The tax is never sent as amounts, so that a rounding line has to make up for what rounding changes.
BY_RATES = {**OPEN, "exact_tax": False}
#: The two ways of sending: a payment link in a mail of ours, or Stripe's mail with the invoice.
LINK = {"invoice_status": "open", "send_payment_link": True}
EMAIL = {"invoice_status": "open", "send_invoice_email": True}
#: The next installments are sent by themselves.
ON_DUE_DATE = {**LINK, "send_next_installments": "on_due_date"}


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
