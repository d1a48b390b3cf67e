"""Rate limits by name: slots are spaced evenly, by the clock of the process or, between processes, of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.concurrency.rate_limits import LONGEST_QUEUE, ProcessSlots, RateLimits, Slots
from qwoty_integrations_host.store.database import Store, open_database
from qwoty_integrations_host.store.rate_limits import SharedSlots


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 10, 9, tzinfo=UTC))


@pytest.fixture(params=["one process", "many on postgresql"])
def slots(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Callable[[], Slots]]:
    """A function that returns the store of slots, as a new process finds it."""
    if request.param == "one process":
        kept = ProcessSlots(clock)
        yield lambda: kept
        return
    store = Store(open_database(request.getfixturevalue("postgresql")))
    yield lambda: SharedSlots(store.engine)
    store.close()


def test_slots_of_one_name_are_spaced_evenly_and_do_not_delay_other_names(slots: Callable[[], Slots]) -> None:
    waits = [slots().reserve("a", 5.0) for _ in range(3)]

    assert waits == pytest.approx([0.0, 5.0, 10.0], abs=1.0)
    assert slots().reserve("b", 5.0) == pytest.approx(0.0, abs=1.0)


def test_a_slot_far_in_the_future_is_discarded(slots: Callable[[], Slots]) -> None:
    slots().reserve("a", 10 * LONGEST_QUEUE)

    assert slots().reserve("a", 1.0) == pytest.approx(0.0, abs=1.0)


def test_acquiring_slots_takes_the_time_that_the_rate_requires(clock: ManualClock) -> None:
    limits, start = RateLimits(ProcessSlots(clock), clock), clock.now()

    for _ in range(21):
        limits.acquire("a", 20)

    assert (clock.now() - start).total_seconds() == pytest.approx(1.0)


def test_a_missed_slot_is_replaced_by_a_later_one(clock: ManualClock) -> None:
    class Sleepy(ManualClock):
        """A clock that sleeps for too long the first time."""

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds + late.pop() if late else seconds)

    late = [3.0]
    sleepy = Sleepy(clock.now())
    slots = ProcessSlots(sleepy)
    slots.reserve("a", 1.0)
    limits = RateLimits(slots, sleepy)

    limits.acquire("a", 1)

    # Its slot was at 1 s and it woke at 4 s: it takes the slot at 4 s, and the next slot is a second later.
    assert (sleepy.now() - clock.now()).total_seconds() == pytest.approx(4.0)
    assert slots.reserve("a", 1.0) == pytest.approx(1.0)
