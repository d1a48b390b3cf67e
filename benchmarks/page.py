"""Writes docs/performance.md from the results of the last run of each subject."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from . import reasons
from .rows import Figure, Row

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "performance.md"

TOP = """\
# Performance: measured side by side

Written by `make bench`; do not edit. Everything ran on one machine, against the Stripe simulator at a fixed latency per
call, over TLS unless a subject says otherwise; nothing here was run against Stripe. A figure is a median, its spread
the lowest and the highest sample. Targets stand beside the figures; the reason for a missed one stands below the table.
CI counts instead: requests to Stripe, statements and commits per quote (`tests/stripe_invoice/test_counted_work.py`).
"""

#: From this load on somebody else was using the machine.
_BUSY = 1.0
_QUICK = "**From a quick run: few samples, smaller numbers.**"

SUBJECTS = {
    "calls": (
        "Calls to Stripe per quote",
        """The simulator counts. Cold: the contact is new (and in the first quote of a workspace also its tax rate and
        its webhook endpoint). Warm: another quote of the same contact. The plain script (`benchmarks/plain_script.py`)
        is warm, too, and makes one item per call; it has no memory, so a second run invoices a second time.""",
    ),
    "latency": (
        "From accept to link, at 100 ms per call",
        """One quote of 20 lines at a time, at random moments. The target of the median is (calls on the critical path ×
        latency) + 75 ms, and that of 95 % another 150 ms. A warm quote waits for five calls instead of six, because the
        tax rates are read while the customer is. Work begins when a job is committed, not at the next poll (ADR
        0051).""",
    ),
    "throughput": (
        "Quotes per second",
        """Quotes of 20 lines, from accept to the mailed link, at 100 ms per call, with a fixed number in flight. Eight
        workspaces with a key each, because a workspace has at most half of a worker's jobs, and a key 18 requests a
        second.
        Ideal: the quotes that can be worked at once (those in flight, at most eight for each worker) ÷ (calls on the
        critical path × latency). DBOS alone: jobs with as many steps, of which as many sleep 100 ms. CPU and memory are
        those of the host's processes; the simulator, PostgreSQL and this script share the cores. The plain SDK: the six
        calls of a warm quote by one client in a process of its own, which keeps its connection and stores nothing.""",
    ),
    "intake": (
        "Webhooks acknowledged per second",
        """Signed events of 2 KB over 16 connections, each answered only once it is stored, by `serve` with its worker.
        Beside it a bare Flask on the same server (waitress, 8 threads) that only does one INSERT and one commit on
        SQLite, and the disk alone.""",
    ),
    "startup": ("Start-up", "Whole processes, from their start."),
    "planning": ("Large quotes", "CPU time of one thread."),
    "optimizations": (
        "What was made faster",
        """The same work now and before, in turn. The gain from reading tax rates ahead is counted above. Reasons: ADR
        0051.""",
    ),
    "growth": (
        "As it grows",
        """Lists and runs over HTTP with an API key. Memory: `serve` on SQLite, drafts of one line at no latency, after
        a warm-up; runs, quotes, steps and DBOS's tables all stay in the database.""",
    ),
    "finding": (
        "Found among many",
        """Lists of 50 quotes over HTTP with an API key, searched by words, by state and by day; each quote has one run
        and twelve words (ADR 0066).""",
    ),
}


def page(results: dict[str, Any]) -> str:
    """The whole page."""
    parts = [TOP, "\n".join(_machine(results["machine"]))]
    for subject, (title, words) in SUBJECTS.items():
        rows = [Row.from_dict(found) for found in results["rows"].get(subject, [])]
        if rows:
            quick = ["", _QUICK] if results["quick"].get(subject) else []
            # Where a subject was measured otherwise than the page says, a person writes that beside its rows.
            note = ["", *_wrapped(results["notes"][subject])] if subject in results.get("notes", {}) else []
            parts.append(
                "\n".join([f"## {title}", "", *_wrapped(words), *note, *quick, "", *_table(rows), *_missed(rows)])
            )
    parts.append("\n".join(_summary(results)))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _machine(found: dict[str, str]) -> Iterator[str]:
    yield "| Measured on | |"
    yield "| --- | --- |"
    for name, value in found.items():
        yield f"| {name} | {value} |"
    if float(found.get("Load before", 0)) > _BUSY:
        yield ""
        yield "**The machine was busy with other work: the counts are valid, the timings are not.**"


def _table(rows: Sequence[Row]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row.beside))
    yield "| " + " | ".join(["", "figure", "spread", "target", "", *names]) + " |"
    yield "| --- " * (5 + len(names)) + "|"
    for row in rows:
        beside = [f"{_number(row.beside[name])} {row.unit}" if name in row.beside else "" for name in names]
        verdict = {True: "met", False: "**missed**", None: ""}[row.is_met]
        cells = [
            row.what,
            f"{_number(row.figure.value)} {row.unit}",
            _spread(row.figure),
            _target(row),
            verdict,
            *beside,
        ]
        yield "| " + " | ".join(cells) + " |"


def _spread(figure: Figure) -> str:
    return "" if figure.count == 1 else f"{_number(figure.low)} – {_number(figure.high)}, {figure.count} samples"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    return f"{'≥' if row.target.at_least else '≤'} {_number(row.target.bound)} {row.unit}"


def _missed(rows: Sequence[Row]) -> Iterator[str]:
    missed = [row for row in rows if row.is_met is False]
    for why in dict.fromkeys(reasons.of(row.key) for row in missed):
        yield ""
        yield from _wrapped(f"Missed: {'; '.join(row.what for row in missed if reasons.of(row.key) == why)}. {why}")


def _summary(results: dict[str, Any]) -> Iterator[str]:
    rows = [Row.from_dict(found) for found in chain.from_iterable(results["rows"].values())]
    judged = [row for row in rows if row.target]
    met = sum(bool(row.is_met) for row in judged)
    yield "## In short"
    yield ""
    yield f"{met} of {len(judged)} targets are met."


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _wrapped(words: str) -> list[str]:
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + len(word) > 119:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
