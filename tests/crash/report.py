"""The pytest plugin of the crash tests: chooses how many and which deaths to test, and collects the results."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
One = TypeVar("One")
#: docs/reliability.md is generated from the test properties with these names.
KINDS = ("crashes", "pairs", "take-overs", "sleepers", "fault", "fleet")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crashes", "how often a host dies (docs/reliability.md)")
    group.addoption("--deaths", default="2", help="deaths per flow and database: a number, or all")
    group.addoption("--write-results", action="store_true", help="keep the results in tests/crash/results.json")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--write-results") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(), "crash results")


class _Collector:
    """Collects the results of the tests that passed, from all workers; a test that failed has no result."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            for kind, value in report.user_properties:
                if kind in KINDS:
                    self._keep(kind, value)

    def _keep(self, kind: str, value: dict[str, Any]) -> None:
        titles = self._found.setdefault(kind, {})
        if kind == "fault":
            found = titles.setdefault(_title(value), {"name": value["name"], "result": value["result"], "places": 0})
            found["places"] += 1
        else:
            titles[_title(value)] = value

    def pytest_sessionfinish(self) -> None:
        known = results()
        for kind, titles in self._found.items():
            known[kind] = {**known.get(kind, {}), **titles}
        known["machine"] = _machine()
        text = json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False)
        RESULTS.write_text(text + "\n", encoding="utf-8")


def _title(value: Mapping[str, Any]) -> str:
    return " · ".join(str(value[name]) for name in ("name", "database", "quotes") if name in value)


def _machine() -> dict[str, Any]:
    day = datetime.now(UTC).date().isoformat()
    return {"day": day, "python": platform.python_version(), "cores": os.cpu_count()}


def results() -> dict[str, dict[str, Any]]:
    """Return the results of the last complete run, by kind and name."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def chosen(names: Sequence[One], wanted: str) -> list[One]:
    """Return about as many names as wanted, evenly spread; each commit chooses others, so that all are tested in time."""
    if wanted == "all" or int(wanted) >= len(names):
        return list(names)
    stride = -(-len(names) // int(wanted))
    return list(names[turn() % stride :: stride])


def turn() -> int:
    """Return a number that follows from the commit."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(found.stdout[:8] or "0", 16)


def by_kind(boundaries: Sequence[str]) -> dict[str, int]:
    """Return how many boundaries there are of each kind, without their numbers."""
    return dict(Counter(name.rsplit(" #", 1)[0] for name in boundaries))
