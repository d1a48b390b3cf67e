"""docs/performance.md holds exactly the results of the last measurements."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import page

    yield page
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_the_page_is_generated_from_the_results(written: Any) -> None:
    results = json.loads(written.RESULTS.read_text("utf-8"))

    assert written.PAGE.read_text("utf-8") == written.page(results), "make bench"


def test_every_subject_has_results(written: Any) -> None:
    results = json.loads(written.RESULTS.read_text("utf-8"))

    assert set(results["rows"]) == set(written.SUBJECTS)


def test_a_missed_target_is_explained_and_a_met_one_is_not(written: Any) -> None:
    from benchmarks.rows import Row, Target, exactly

    def page_with(ms: float) -> str:
        row = Row("startup.help", "the help", "ms", exactly(ms), Target(150))
        return str(written.page({"machine": {}, "quick": {}, "rows": {"startup": [row.as_dict()]}}))

    assert "**missed**" in page_with(151)
    assert "Missed: the help. Half of it is Python" in page_with(151).replace("\n", " ")
    assert "issed" not in page_with(150).split("## ")[1]
