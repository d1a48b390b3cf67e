"""The metrics: kind, labels and meaning of each, from reports/metrics.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import markdown as md
from .notes import with_note
from .source import argument, calls, text_of, tree_of

#: How a metric is made in reports/metrics.py: what it is, the place of its labels, and what stands on ``/metrics``.
KINDS = {
    "Counter": ("counter", 2, "{}_total"),
    "Histogram": ("histogram", 2, "{0}_bucket {0}_sum {0}_count"),
    "GaugeMetricFamily": ("gauge, *state*", -1, "{}"),
    "_family": ("gauge, *state*", 2, "{}"),
}


class Metric(NamedTuple):
    """One metric as ``/metrics`` shows it."""

    name: str
    kind: str
    series: tuple[str, ...]
    labels: tuple[str, ...]
    help: str


def page() -> str:
    rows = [(md.code(m.name), m.kind, _codes(m.series), _codes(m.labels), m.help) for m in all_metrics()]
    return md.page(
        "Reference: metrics",
        "What `GET /metrics` shows to Prometheus. *State* comes from the database and is the same in every process; "
        "the rest counts what this process did. No label names a workspace, a quote or a person. See also "
        "[Watching it](../operations.md#watching-it).",
        md.table(("Metric", "Kind", "Series", "Labels", "What it tells"), rows),
    )


def _codes(words: Sequence[str]) -> str:
    return ", ".join(md.code(word) for word in words) or "–"


def all_metrics() -> list[Metric]:
    """Every metric of reports/metrics.py, by name."""
    found: dict[str, Metric] = {}
    for called, call in calls(tree_of("reports/metrics.py")):
        name = text_of(argument(call, 0, "name"))
        if called in KINDS and name is not None:
            kind, place, series = KINDS[called]
            labels = argument(call, place, "labels")
            words = [text for part in getattr(labels, "elts", ()) if (text := text_of(part))]
            told = with_note(text_of(argument(call, 1, "documentation")) or "", "metrics", name)
            found[name] = Metric(name, kind, tuple(series.format(name).split()), tuple(words), told)
    return [found[name] for name in sorted(found)]
