"""Calls to Stripe per quote: counted by the simulator, beside the plain script."""

from __future__ import annotations

import requests

from .plain_script import a_client, invoice_quote
from .quotes import DRAFT, KEY, LINK, a_quote
from .rows import Row, Target, exactly
from .site import Simulator, Site, simulator, site, wait_for_runs

LINES = (1, 20, 100, 250)
#: Warm: customer and tax rate are known. From 101 lines on each further hundred is one more call.
_MOST = {"link": 6, "draft": 4}


def measure(*, quick: bool) -> list[Row]:
    """Count the calls of quotes of several sizes, cold and warm, to the link and to a draft."""
    sizes = LINES[:2] if quick else LINES
    with simulator(0) as stripe, site(stripe.url) as place:
        place.add_workspaces({"link": LINK, "draft": DRAFT})
        place.serve()
        plain = {(ends, lines): _plain(stripe, ends, lines) for ends in _MOST for lines in sizes}
        rows = []
        for ends, most in _MOST.items():
            for lines in sizes:
                target = Target(most) if lines <= 100 else None
                beside = {"plain script": plain[ends, lines]}
                for state, count in _calls(place, stripe, ends, lines).items():
                    found = Row(
                        f"calls.{ends}.{state}.{lines}",
                        f"to the {ends}, {lines} {'line' if lines == 1 else 'lines'}, {state}",
                        "calls",
                        exactly(count),
                        target if state == "warm" else None,
                        beside if state == "warm" else {},
                    )
                    rows.append(found)
        return rows


def _calls(place: Site, stripe: Simulator, ends: str, lines: int) -> dict[str, int]:
    """Cold: a contact nobody knows; warm: another quote of the same contact."""
    found = {}
    contact = f"{ends}-{lines}"
    with place.looked_into() as host, requests.Session() as session:
        for state in ("cold", "warm"):
            stripe.forget_requests()
            run = place.accept(session, ends, a_quote(f"{contact}-{state}", lines=lines, contact=contact))
            wait_for_runs(host, [run], seconds=60)
            found[state] = len(stripe.requests())
    return found


def _plain(stripe: Simulator, ends: str, lines: int) -> int:
    client = a_client(KEY, stripe.url)
    quote = a_quote("plain", lines=lines, contact=f"plain-{ends}-{lines}")
    invoice_quote(client, quote, finalize=ends == "link")
    stripe.forget_requests()
    invoice_quote(client, quote, finalize=ends == "link")
    return len(stripe.requests())
