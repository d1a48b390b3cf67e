"""Shrinks a failing storm: removes the events that the fault does not need."""

from __future__ import annotations

import re
from collections.abc import Callable

from storm.story import Event, Story


def kind_of(faults: list[str]) -> str:
    """Return the kind of the first fault, without the quote and figures that it names; empty without a fault."""
    return re.sub(r"[\d.]+|\[.*?\]|\(.*?\)", "#", faults[0]) if faults else ""


def shortest(story: Story, faults_of: Callable[[Story], list[str]]) -> Story:
    """Remove events, many at once at first, while the same kind of fault remains; return the shortest story."""
    wanted = kind_of(faults_of(story))
    events = list(story.events)
    size = max(1, len(events) // 2)
    while True:
        shorter = _without_some(story, events, size, lambda one: kind_of(faults_of(one)) == wanted)
        if shorter is not None:
            events = shorter
        elif size > 1:
            size //= 2
        else:
            return story.with_events(events)


def _without_some(story: Story, events: list[Event], size: int, fails: Callable[[Story], bool]) -> list[Event] | None:
    for start in range(0, len(events), size):
        fewer = events[:start] + events[start + size :]
        if fails(story.with_events(fewer)):
            return fewer
    return None
