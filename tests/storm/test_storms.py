"""Storms: many events at once, at places that a seed decides; all must be well in the end (docs/reliability.md).

`make storm` plays more of them, replays a failing one, and finds the shortest schedule that fails.
"""

from __future__ import annotations

import pytest

from crash.report import turn
from storm.breakages import BREAKAGES
from storm.happenings import HAPPENINGS, WEIGHTS
from storm.kept import KEPT
from storm.results import merged
from storm.shrinking import shortest
from storm.storm import play, storm
from storm.story import read_story, story_of

#: The number of fresh storms per commit, and of the tests that play them.
_FRESH, _PARTS = 2000, 20
#: `make storm` uses seeds up to here; fresh seeds are larger.
_KNOWN = 10**7


@pytest.mark.parametrize("part", range(_PARTS))
def test_after_a_storm_that_nobody_has_met_before_all_is_as_it_must_be(part: int) -> None:
    first = _KNOWN + turn() * _FRESH + part * (_FRESH // _PARTS)

    ended = [storm(seed) for seed in range(first, first + _FRESH // _PARTS)]

    assert {one.story.seed: one.faults for one in ended if one.faults} == {}


def test_after_a_storm_on_postgresql_all_is_as_it_must_be(postgresql: str) -> None:
    first = _KNOWN + turn() * _FRESH

    ended = [storm(seed, postgresql=postgresql) for seed in range(first, first + 40)]

    assert {one.story.seed: one.faults for one in ended if one.faults} == {}


@pytest.mark.parametrize("why", KEPT)
def test_what_a_storm_once_broke_holds(why: str) -> None:
    assert play(read_story(KEPT[why])).faults == []


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_planted_fault_is_found(breakage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BREAKAGES[breakage](monkeypatch)

    found = next((seed for seed in range(1, 5001) if storm(seed).faults), None)

    assert found is not None


def test_the_same_seed_is_the_same_storm() -> None:
    one, again = storm(11), storm(11)

    assert (one.passed, one.reached, one.happened) == (again.passed, again.reached, again.happened)
    assert one.passed > 100


def test_a_story_is_read_as_it_was_written() -> None:
    story = story_of(23, WEIGHTS)

    assert read_story(str(story)) == story


def test_everything_that_can_happen_happens() -> None:
    happened = {event.kind for seed in range(100) for event in story_of(seed, WEIGHTS).events}

    assert happened == set(HAPPENINGS)


def test_the_shortest_schedule_holds_what_the_fault_needs_and_nothing_else() -> None:
    story = story_of(5, WEIGHTS)
    needed = {story.events[1], story.events[-1]}

    short = shortest(story, lambda one: ["a fault"] if needed <= set(one.events) else [])

    assert set(short.events) == needed


def test_ranges_of_seeds_add_up() -> None:
    assert merged([[11, 20], [1, 10], [40, 50], [15, 25]]) == [[1, 25], [40, 50]]
