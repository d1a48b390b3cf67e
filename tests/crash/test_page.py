"""docs/reliability.md states the results of the last complete run, and nothing else."""

from __future__ import annotations

import json
import sys

from crash.report import ROOT, results

sys.path.insert(0, str(ROOT / "tools"))
from write_reliability import STORMS, page


def test_the_page_is_written_from_the_results() -> None:
    assert (ROOT / "docs" / "reliability.md").read_text("utf-8") == page(
        results(), json.loads(STORMS.read_text("utf-8"))
    ), "run `make crash`"


def test_every_boundary_that_was_found_was_killed() -> None:
    alive = {
        f"{kind}: {title}"
        for kind in ("crashes", "take-overs")
        for title, one in results()[kind].items()
        if one["found"] != one["killed"]
    }

    assert alive == set()


def test_every_flow_and_every_fault_has_a_result() -> None:
    from crash.flows import FLOWS
    from faults.matrix import MATRIX

    found = results()
    assert {one["name"] for one in found["crashes"].values()} == {flow.name for flow in FLOWS}
    assert {name: one["places"] for name, one in found["fault"].items()} == {f.name: len(f.strikes) for f in MATRIX}
