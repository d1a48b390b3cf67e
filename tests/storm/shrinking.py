"""A failing storm, made as short as it can be: what is not needed for the fault does not happen."""

from __future__ import annotations

import re
from collections.abc import Callable

from storm.story import Event, Story


def kind_of(faults: list[str]) -> str:
    """What kind of fault it is, whichever quote and figures it names; empty where there is none."""
    return re.sub(r"[\d.]+|\[.*?\]|\(.*?\)", "#", faults[0]) if faults else ""


def shortest(story: Story, faults_of: Callable[[Story], list[str]]) -> Story:
    """Leave out events, many at once at first, as long as the same kind of fault remains."""
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
