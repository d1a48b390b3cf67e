from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fleet.machines import Fleet
from stripe_simulator import StripeSimulator


@pytest.fixture
def fleets(stripe_simulator: StripeSimulator, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """A function that builds fleets in the test's folder. Their processes end with the test."""
    with ExitStack() as opened:

        def build(**given: Any) -> Fleet:
            fleet = Fleet(tmp_path, stripe_simulator.url, **given)
            opened.callback(fleet.end)
            return fleet

        yield build
