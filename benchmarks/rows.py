"""What a measurement gives: rows of figures, some with a target beside them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must not exceed, or must reach (``at_least``), in the figure's own unit."""

    bound: float
    at_least: bool = False

    def is_met_by(self, figure: float) -> bool:
        return figure >= self.bound if self.at_least else figure <= self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: the median of its samples, their spread, and how many there were."""

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Figure:
        return cls(statistics.median(samples), min(samples), max(samples), len(samples))

    @classmethod
    def p95(cls, samples: Sequence[float]) -> Figure:
        """The 95th percentile, with the same spread."""
        return cls(percentile(samples, 95), min(samples), max(samples), len(samples))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. ``key`` is its name for the words that explain a missed target (reasons.py)."""

    key: str
    what: str
    unit: str
    figure: Figure
    target: Target | None = None
    #: What stands beside it in the same run, such as the plain script: figures by name.
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def is_met(self) -> bool | None:
        return self.target.is_met_by(self.figure.value) if self.target else None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Row:
        target = Target(**found["target"]) if found["target"] else None
        return cls(**{**found, "figure": Figure(**found["figure"]), "target": target})


def exactly(value: float) -> Figure:
    """A figure that is counted, not measured."""
    return Figure(value, value, value, 1)


def percentile(samples: Sequence[float], of: int) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * of // 100) - 1))]
