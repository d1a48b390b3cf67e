"""What the tests of cassettes share: the names of two of them, and texts that look like other recordings."""

from __future__ import annotations

from pathlib import Path

import cassette_rules as rules

ROOT = Path(__file__).resolve().parents[2]
DRAFT, LINK = "draft_has_the_lines_and_the_signed_total", "payment_link_is_made_and_mailed"
#: Made of two halves, so that no file of this repository holds what looks like a key.
LIVE_KEY = "sk_" + "live_" + "F4keF4keF4keF4ke"


def a_text(name: str = DRAFT) -> str:
    """The text of a simulated cassette."""
    return (rules.FOLDER / rules.SIMULATED / f"{name}.yaml").read_text("utf-8")


def as_if_genuine(text: str) -> str:
    """A simulated cassette as a recording from Stripe would look. No test writes it into the repository."""
    text = text.replace(rules.STATEMENTS[rules.SIMULATED], rules.STATEMENTS[rules.TEST_MODE])
    text = text.replace("kind: simulated", "kind: stripe_test_mode")
    text = text.replace(f"http://{rules.SIMULATED_HOST}", f"https://{rules.STRIPE_HOST}").replace("req_sim_", "req_")
    return text.replace("      X-Simulated:\n      - stripe-simulator\n", "")
