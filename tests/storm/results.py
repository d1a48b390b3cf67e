"""Adds up the results of storms in a file, per commit of the code that they ran on."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storm.storm import Ended

FILE = Path(__file__).with_name("results.json")
_ROOT = Path(__file__).parents[2]
#: The code that a storm runs on. Changes elsewhere do not change a storm.
CODE = (
    "qwoty_integrations_host",
    "plugins/stripe_invoice/qwoty_stripe_invoice",
    "tools/stripe_simulator",
    "tests/storm",
)


@dataclass
class Sums:
    """Sums over many storms. ``failed``: the faults by seed."""

    storms: int = 0
    on_postgresql: int = 0
    boundaries: int = 0
    seconds: float = 0.0
    reached: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    #: Ordered pairs of kinds that happened in one storm, the first before the second.
    pairs: set[tuple[str, str]] = field(default_factory=set)
    failed: dict[int, list[str]] = field(default_factory=dict)

    def count(self, ended: Ended) -> None:
        """Add one storm."""
        self.storms += 1
        self.boundaries += ended.passed
        self.reached.update(ended.reached)
        happened = [event.kind for event in ended.happened]
        self.kinds.update(happened)
        self.pairs.update((one, other) for place, one in enumerate(happened) for other in happened[place + 1 :])
        if ended.faults:
            self.failed[ended.story.seed] = ended.faults

    def add(self, other: Sums) -> None:
        """Add the sums over other storms."""
        self.storms += other.storms
        self.on_postgresql += other.on_postgresql
        self.boundaries += other.boundaries
        self.seconds += other.seconds
        self.reached.update(other.reached)
        self.kinds.update(other.kinds)
        self.pairs |= other.pairs
        self.failed |= other.failed


def commit_of_the_code() -> str:
    """Return the last commit that changed the code of storms, with a plus sign if there are uncommitted changes."""
    last = _git("log", "-1", "--format=%h", "--", *CODE)
    return last + ("+" if _git("status", "--porcelain", "--", *CODE, ":!tests/storm/results.json") else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def merged(ranges: Iterable[list[int]]) -> list[list[int]]:
    """Return ranges of seeds (first, last), with overlapping and adjacent ranges joined."""
    found: list[list[int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1][1] = max(found[-1][1], last)
        else:
            found.append([first, last])
    return found


def keep(sums: Sums, seeds: list[int], commit: str, file: Path = FILE) -> dict[str, Any]:
    """Add sums over a range of seeds to the file's entry of their commit, and return that entry."""
    known = json.loads(file.read_text("utf-8")) if file.exists() else {"commits": {}}
    here = known["commits"].setdefault(commit, {"seeds": [], "storms": 0, "boundaries": 0, "seconds": 0.0})
    here["seeds"] = merged([*here["seeds"], seeds])
    here["storms"] += sums.storms
    here["on_postgresql"] = here.get("on_postgresql", 0) + sums.on_postgresql
    here["boundaries"] += sums.boundaries
    here["seconds"] = round(here["seconds"] + sums.seconds, 1)
    here["failed"] = sorted({*here.get("failed", []), *sums.failed})
    known["reached"] = dict(sorted((Counter(known.get("reached", {})) + sums.reached).items()))
    known["kinds"] = dict(sorted((Counter(known.get("kinds", {})) + sums.kinds).items()))
    known["pairs"] = sorted({*known.get("pairs", []), *(f"{one} → {other}" for one, other in sums.pairs)})
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return dict(here)
