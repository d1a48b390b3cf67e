"""One storm from its beginning to its calm: first the story's events happen, then nothing bad happens any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from storm import checker
from storm.happenings import HAPPENINGS, WEIGHTS, calendar, let_happen, retry
from storm.scheduler import Actor, Died, Stuck
from storm.story import Event, Story, story_of
from storm.world import World, weather

#: In the calm, all work must end within this many rounds, each of which moves the clock by at most ``_ROUND``.
_ROUNDS, _ROUND = 60, timedelta(hours=1)
#: How often people retry what needs attention: after a retry, something else may need attention.
_RETRIES = 2


@dataclass
class Ended:
    """The result of a storm. ``faults``: what is wrong, in sentences; empty when all is well."""

    story: Story
    faults: list[str]
    passed: int
    reached: dict[str, int] = field(default_factory=dict)
    happened: list[Event] = field(default_factory=list)


def storm(seed: int, *, postgresql: str = "") -> Ended:
    """Play the storm of a seed, on the PostgreSQL at this address if one is given."""
    return play(story_of(seed, WEIGHTS), postgresql=postgresql)


def play(story: Story, *, postgresql: str = "") -> Ended:
    """Play a storm, and check the world when it is calm."""
    with weather(story.seed):
        world = World(story.seed, story.spec, postgresql)
        try:
            _rage(world, story)
            _calm(world, story)
            faults = checker.faults(world, story)
            while not faults and _people_help(world, story):
                faults = checker.faults(world, story, after_people=world.retries == _RETRIES)
        except Stuck as error:
            faults = [f"Nothing goes on: {error}."]
        finally:
            world.close()
        return Ended(story, faults, world.scheduler.passed, dict(world.scheduler.reached), world.happened)


def _rage(world: World, story: Story) -> None:
    """Let all events of the story happen."""
    left = list(story.events)
    striking = [event for event in left if HAPPENINGS[event.kind].strikes]
    coming = [event for event in left if not HAPPENINGS[event.kind].strikes]

    def strike(actor: Actor, what: str) -> None:
        for event in [one for one in striking if one.at <= world.scheduler.passed]:
            aim = HAPPENINGS[event.kind].at
            if aim and not what.startswith(aim):
                continue  # its boundary is still to come
            striking.remove(event)
            if aim or event.at == world.scheduler.passed:  # otherwise the scheduler skipped its boundary
                let_happen(world, story, event)
        if actor.dying:
            raise Died

    def advance(passed: int) -> int | None:
        while coming and coming[0].at <= passed:
            let_happen(world, story, coming.pop(0))
        return coming[0].at if coming else None

    world.scheduler.strike, world.scheduler.advance = strike, advance
    world.scheduler.run()
    world.scheduler.strike, world.scheduler.advance = lambda *_: None, lambda _: None


def _calm(world: World, story: Story) -> None:
    """End all trouble, and let time pass until delayed requests have arrived and the host has done its work."""
    world.wire.troubles.clear()
    world.mail_troubles.clear()
    world.database_refusals = world.lost_commits = 0
    world.wire.finish_slow()
    looked_after = world.clock.now() + 2 * _ROUND  # by then, an upkeep has looked at everything
    for _ in range(_ROUNDS):
        calendar(world, story, 0)
        _settle(world)
        if world.clock.now() >= looked_after and world.is_at_rest():
            return
        moment = world.jobs.next_moment()
        now = world.clock.now()
        world.clock.set(min(moment, now + _ROUND) if moment and moment > now else now + _ROUND)
        world.stripe.clock.on_move()
    raise Stuck(f"after {_ROUNDS} hours of calm, work is left: {world.open_runs()}")


def _people_help(world: World, story: Story) -> bool:
    """Let a person retry what needs attention, twice at most; return whether there was anything."""
    asking = [place for place in range(len(story.quotes)) if checker.asks(world, story, place)]
    if not asking or world.retries == _RETRIES:
        return False
    world.retries += 1
    for place in asking:
        retry(world, story, place)
    _calm(world, story)
    return True


def _settle(world: World) -> None:
    """Let all processes work until none has work at this moment, and every webhook has arrived."""
    for _ in range(50):
        world.scheduler.run()
        waiting = [one for one in world.deliveries if one.status in {"pending", "on its way"}]
        if not waiting:
            return
        for one in waiting:
            world.deliver(one)
    raise Stuck("webhooks come again and again")
