"""Decides which process runs next. Processes are greenlets that switch only at boundaries, and always in the same way.

A boundary is a place where something has just become visible to somebody else, or is about to. The story says what
happens at a boundary; the seed and the number of boundaries passed decide who runs after it. There are no threads, no
waits and no real time, so a seed always gives the same storm.
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
    """The process dies. No code of the product may catch this, and what the process still does has no effect."""


class Stuck(AssertionError):
    """No process can go on although work is left."""


#: A storm that passes more boundaries than this is believed never to end.
MOST_BOUNDARIES = 60_000


@dataclass(eq=False)
class Actor:
    """A process: its work, and what it waits for at the moment."""

    name: str
    work: Callable[[], None]
    line: greenlet = field(init=False)
    #: Whether there is work to do; while ``idle``, this is asked again and again.
    has_work: Callable[[], bool] = lambda: True
    idle: bool = True
    #: It waits until this is true, for example for a lock that another process holds.
    until: Callable[[], bool] | None = None
    #: It waits for this moment of the storm's clock.
    wakes_at: datetime | None = None
    #: It is frozen, or dead and not restarted, until this many boundaries have been passed.
    away_until: int = 0
    dying: bool = False
    #: It is in a database transaction: it may die there, but no other process runs.
    in_transaction: bool = False
    #: Its present task, for the names of boundaries.
    doing: str = ""
    #: The boundary that it reached last.
    at: str = ""
    #: The number of boundaries passed when its present step began.
    step_began: int = 0


class Scheduler:
    """Lets the actors take turns."""

    def __init__(self, seed: int, clock: ManualClock) -> None:
        self.seed, self.clock = seed, clock
        self.actors: list[Actor] = []
        self.passed = 0
        self.reached: Counter[str] = Counter()
        self.current: Actor | None = None
        #: Called at each boundary, in the actor's own turn; it may let the actor die or freeze.
        self.strike: Callable[[Actor, str], None] = lambda *_: None
        #: Called between two turns; it lets due events happen, and returns the position of the next event.
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
        """Pass a boundary, at which others may run, or this process may die."""
        actor = self.current
        if actor is None:
            return
        if actor.dying:
            raise Died
        self.passed += 1
        actor.at = what
        self.reached[f"{what} [{actor.doing}]" if actor.doing else what] += 1
        if self.passed > MOST_BOUNDARIES:
            raise Stuck(f"{MOST_BOUNDARIES} boundaries, and no end")
        self.strike(actor, what)
        if not actor.in_transaction:
            self.give_way()

    def give_way(self) -> None:
        """Let others run. Raises: Died if this process has died meanwhile."""
        actor = self.current
        assert actor is not None
        self._hub.switch()
        if actor.dying:
            raise Died

    def wait(self, until: Callable[[], bool]) -> None:
        """Let others run until this is true."""
        actor = self.current
        assert actor is not None
        while not until():
            actor.until = until
            try:
                self.give_way()
            finally:
                actor.until = None

    def sleep(self, seconds: float) -> None:
        """Let others run until the clock has moved by this many seconds."""
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
        """Return a number from 0 to below ``sides`` that follows from the seed and the boundaries passed."""
        return crc32(f"{self.seed}/{self.passed}/{about}".encode()) % sides

    # -- the hub ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the actors take turns until no work is left and no event is to come."""
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
