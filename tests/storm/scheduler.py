"""Who goes on next: processes played as greenlets that change places at boundaries only, and always in the same way.

A boundary is a place where something has just become visible to somebody else, or is about to. What happens at one is
said by the schedule; who works after it follows from the seed and the number of boundaries passed. There is no thread,
no wait and no real time, so a seed always gives the same storm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zlib import crc32

from greenlet import greenlet

from qwoty_integrations_host.clock import ManualClock
from qwoty_integrations_host.errors import Interruption


class Died(Interruption):
    """The process dies. No code of ours may catch it, and what it still does has no effect."""


class Stuck(AssertionError):
    """Nobody can go on, though something is left to do."""


#: A storm with more boundaries than this never ends.
MOST_BOUNDARIES = 60_000


@dataclass(eq=False)
class Actor:
    """A process: what it does, and why it does nothing at the moment."""

    name: str
    work: Callable[[], None]
    line: greenlet = field(init=False)
    #: Is nothing there for it to do? ``has_work`` is asked again and again.
    has_work: Callable[[], bool] = lambda: True
    idle: bool = True
    #: Waits for this to be true: a lock that somebody holds.
    until: Callable[[], bool] | None = None
    #: Waits for this moment of the storm's clock.
    wakes_at: datetime | None = None
    #: Frozen, or dead and not started again, until so many boundaries have been passed.
    away_until: int = 0
    dying: bool = False
    #: In the middle of a database transaction: it may die there, but nobody changes places.
    in_transaction: bool = False
    #: What it does, for the names of boundaries.
    doing: str = ""
    #: How many boundaries had been passed when its present step began.
    step_began: int = 0


class Scheduler:
    """Lets the actors take turns."""

    def __init__(self, seed: int, clock: ManualClock) -> None:
        self.seed, self.clock = seed, clock
        self.actors: list[Actor] = []
        self.passed = 0
        self.reached: Counter[str] = Counter()
        self.current: Actor | None = None
        #: Asked at each boundary, in the actor's own turn: it may let the actor die or freeze.
        self.strike: Callable[[Actor, str], None] = lambda *_: None
        #: Asked between two turns: it lets happen what is due, and gives the position of what comes next.
        self.advance: Callable[[int], int | None] = lambda _: None
        self._hub = greenlet.getcurrent()

    def add(self, actor: Actor) -> None:
        actor.line = greenlet(self._life(actor), parent=self._hub)
        self.actors.append(actor)

    def _life(self, actor: Actor) -> Callable[[], None]:
        def live() -> None:
            while True:
                if not actor.has_work():
                    actor.idle = True
                    self._hub.switch()
                    continue
                actor.idle = False
                actor.work()

        return live

    # -- called by who takes part ---------------------------------------------------------------

    def boundary(self, what: str) -> None:
        """A place at which others may go on, or this process may die."""
        actor = self.current
        if actor is None:
            return
        if actor.dying:
            raise Died
        self.passed += 1
        self.reached[f"{what} [{actor.doing}]" if actor.doing else what] += 1
        if self.passed > MOST_BOUNDARIES:
            raise Stuck(f"{MOST_BOUNDARIES} boundaries, and no end")
        self.strike(actor, what)
        if not actor.in_transaction:
            self.give_way()

    def give_way(self) -> None:
        """Let others go on. Raises: Died, where this process has died meanwhile."""
        actor = self.current
        assert actor is not None
        self._hub.switch()
        if actor.dying:
            raise Died

    def wait(self, until: Callable[[], bool]) -> None:
        """Let others go on until this is true."""
        actor = self.current
        assert actor is not None
        while not until():
            actor.until = until
            try:
                self.give_way()
            finally:
                actor.until = None

    def sleep(self, seconds: float) -> None:
        """Let others go on until the clock has moved so far."""
        actor = self.current
        if actor is None:
            self.clock.advance(seconds)
            return
        actor.wakes_at = self.clock.now() + timedelta(seconds=seconds)
        try:
            self.give_way()
        finally:
            actor.wakes_at = None

    def roll(self, about: str, sides: int) -> int:
        """A number from 0 to below ``sides`` that follows from the seed and from where the storm is."""
        return crc32(f"{self.seed}/{self.passed}/{about}".encode()) % sides

    # -- the hub ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the actors take turns until nothing is left to do, and nothing more comes by itself."""
        while True:
            following = self.advance(self.passed)
            ready = [actor for actor in self.actors if self._is_ready(actor)]
            if ready:
                stays = self.current in ready and self.roll("stay", 5) < 3
                self._switch(self.current if stays and self.current else ready[self.roll("turn", len(ready))])
                continue
            sleepers = [actor.wakes_at for actor in self.actors if actor.wakes_at and actor.away_until <= self.passed]
            if sleepers and (following is None or self.roll("time", 2)):
                self.clock.advance(max(0.0, (min(sleepers) - self.clock.now()).total_seconds()))
                continue
            away = [a.away_until for a in self.actors if a.away_until > self.passed and not self._has_nothing(a)]
            if (position := min([*away, *([following] if following is not None else [])], default=None)) is not None:
                self.passed = max(self.passed, position)
                continue
            if sleepers:
                self.clock.advance(max(0.0, (min(sleepers) - self.clock.now()).total_seconds()))
                continue
            if any(actor.until for actor in self.actors):
                raise Stuck("every process waits for a lock that another one holds")
            return

    def _has_nothing(self, actor: Actor) -> bool:
        return actor.idle and not actor.has_work()

    def _is_ready(self, actor: Actor) -> bool:
        if actor.away_until > self.passed:
            return False
        if actor.wakes_at is not None and not actor.dying:
            return actor.wakes_at <= self.clock.now()
        if actor.until is not None and not actor.dying:
            return actor.until()
        return not actor.idle or actor.has_work()

    def _switch(self, actor: Actor) -> None:
        self.current = actor
        actor.line.switch()
