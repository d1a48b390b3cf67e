"""Every row of the fault matrix at each of its places: the story reaches its end, and everything exists once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from faults.matrix import MATRIX, READS, WRITES, Fault
from faults.story import Story, one_of_everything, told

CASES = [
    pytest.param(fault, place, id=f"{fault.name} - {place}") for fault in MATRIX for place in fault.strikes
]  # fmt: skip


@pytest.mark.parametrize(("fault", "place"), CASES)
def test_every_fault_leaves_one_of_everything(
    fault: Fault, place: str, story: Story, record_property: Callable[[str, Any], None]
) -> None:
    fault.strikes[place](story)

    fault.tell(story)

    fault.holds(story)
    record_property("fault", {"name": fault.name, "place": place, "result": fault.result})


def test_the_matrix_names_every_write_and_read_of_the_story(story: Story) -> None:
    told(story)

    one_of_everything(story)
    for method, places in (("POST", WRITES), ("GET", READS)):
        asked = {request.path for request in story.bench.stripe.requests if request.method == method}
        patterns = [str(where["path"]) for where in places.values()]
        assert [path for path in asked if not any(re.search(pattern, path) for pattern in patterns)] == []
        assert [pattern for pattern in patterns if not any(re.search(pattern, path) for path in asked)] == []


def test_every_row_has_a_unique_name() -> None:
    assert len({fault.name for fault in MATRIX}) == len(MATRIX)
