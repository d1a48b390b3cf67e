"""Why a signed quote has no invoice although all runs have ended: an integration or a key is missing.

Pure functions. The cause is stored with the quote, so that such quotes can be counted and listed quickly (ADR 0063).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from .run import Run

#: When the quote was accepted, no integration was enabled, or none that creates invoices.
NO_INTEGRATION, NO_INVOICING = "no_integration", "no_invoicing_integration"
#: The code of a run whose integration was switched off before it began.
SWITCHED_OFF = "switched_off"

_SAID = {
    NO_INTEGRATION: "No integration was enabled when this quote was accepted.",
    NO_INVOICING: "No integration that makes invoices was enabled when this quote was accepted.",
}
_TO_DO = "Run the quote, if it is still to be invoiced."
_SWITCH_ON = "Switch on an integration that makes invoices, then run the quote."


def cause(runs: Sequence[Run], *, makers: Collection[str], enabled: Iterable[str]) -> str | None:
    """Return the code of why a quote has no invoice. Return None if it has one, a run is at work, or a run reports it.

    ``runs`` are the runs of kind ``quote_accepted``, one per integration. ``makers`` are the integrations that create
    invoices. ``enabled`` are the integrations that are switched on for the workspace.
    """
    if not runs:
        return NO_INTEGRATION
    of_makers = [run for run in runs if run.plugin in makers]
    if not of_makers:
        return None if set(makers).isdisjoint(enabled) else NO_INVOICING
    lacking = [run.error_code for run in of_makers if run.lacks_something]
    return lacking[0] if len(lacking) == len(of_makers) else None


def explanation_of(code: str, runs: Iterable[Run], *, enabled: Collection[str]) -> dict[str, Any]:
    """Return why a quote has no invoice: ``{"code", "title", "hint", "plugin", "run_id"}``.

    ``plugin`` and ``run_id`` are those of the run that found it, or None.
    """
    for run in runs:
        if run.lacks_something and run.error_code == code:
            said = {"code": code, "title": run.error_title, "hint": run.error_hint}
            return {**said, "plugin": run.plugin, "run_id": run.id}
    hint = _TO_DO if enabled else _SWITCH_ON
    return {"code": code, "title": _SAID[code], "hint": hint, "plugin": None, "run_id": None}
