"""What the tests of Stripe Invoice say beside the shipped builders: the documented quote, keys, ways of sending."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from qwoty_integrations_host.testing import a_line, a_quote, loaded, vat

__all__ = ["EMAIL", "EXAMPLE", "KEY", "LINK", "LIVE", "a_line", "a_quote", "loaded", "the_example", "vat"]

EXAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "docs" / "examples" / "quote.json").read_text("utf-8")
)
KEY = "sk_test_51SimulatedKey0001"
#: Spelled apart wherever a test needs it: nothing committed looks like a live key.
LIVE = "live"


def the_example(**changes: Any) -> dict[str, Any]:
    """The documented example (total 9102.00 EUR, four installments), with top-level changes."""
    return {**copy.deepcopy(EXAMPLE), **changes}


#: The two ways of sending that Stripe Invoice knows.
LINK = {"invoice_status": "open", "send_payment_link": True}
EMAIL = {"invoice_status": "open", "send_invoice_email": True}
