"""Where a quote can stand: the table of quotes/standing.py, with what each state says in both languages."""

from __future__ import annotations

from importlib.resources import files

import qwoty_integrations_host
from qwoty_integrations_host.plugins.catalogs import STATE, Catalog
from qwoty_integrations_host.quotes.standing import STATES, STEPS

from . import markdown as md

_TONES = {"good": "green ✓", "busy": "blue ◌", "attention": "amber !", "bad": "red ✕", "quiet": "grey –"}


def page() -> str:
    french = Catalog("fr", (files(qwoty_integrations_host) / "translations" / "fr.po").read_bytes())
    rows = [
        (
            md.code(state.name),
            f"{state.label}<br>{french.say(state.label, STATE)}",
            f"{_plain(state.sentence)}<br>{_plain(french.template(state.sentence))}",
            _TONES[state.tone],
            state.acts,
            "<br>".join(STEPS[step] for step in state.steps) or "–",
        )
        for state in STATES.values()
    ]
    return md.page(
        "Reference: where a quote stands",
        "Every accepted quote is in one of these states. `quote show`, the API and the console show its sentence, the "
        "console in the reader's language. The most urgent fact decides: first what needs a person, then what runs or "
        "waits, then a cancellation or undoing, then the state of the invoice, then the reason why there is none. "
        "Amber and red mean that a person of the workspace has to act.",
        md.table(("State", "Word", "Sentence", "Color", "Who acts next", "What a person can do"), rows),
    )


def _plain(sentence: str) -> str:
    return sentence.replace("{", "‹").replace("}", "›")
