"""The pytest plugin: one server per session, one clean simulator per test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stripe_simulator.simulator import StripeSimulator


@pytest.fixture(scope="session")
def stripe_simulator_server() -> Iterator[StripeSimulator]:
    """The running server, shared by all tests."""
    # lazy: runs without this fixture need not load flask and the SDK
    from stripe_simulator.simulator import StripeSimulator

    with StripeSimulator() as simulator:
        yield simulator


@pytest.fixture
def stripe_simulator(stripe_simulator_server: StripeSimulator) -> Iterator[StripeSimulator]:
    """The simulator, reset for each test, under the same address."""
    stripe_simulator_server.reset()
    yield stripe_simulator_server
    stripe_simulator_server.reset()
