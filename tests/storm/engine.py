"""The engine of a storm: it keeps in memory the promises that DBOS and PostgreSQL make to several workers.

A job is added when its transaction commits, and the jobs of a worker without a lease go to another worker. The jobs
stand for the database's side of the engine, so they survive the death of any process.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from qwoty_integrations_host.clock import Clock
from qwoty_integrations_host.engine.interface import Progress, SetAside, T, Work
from qwoty_integrations_host.engine.leases import MOST_DEATHS
from qwoty_integrations_host.errors import DatabaseUnavailable, Overtaken
from storm.scheduler import Actor, Scheduler


@dataclass
class Jobs:
    """All jobs of one database, and which worker executes which."""

    scheduler: Scheduler
    clock: Clock
    queued: list[str] = field(default_factory=list)
    due: dict[str, datetime] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    added_at: dict[str, datetime] = field(default_factory=dict)
    owner: dict[str, Actor] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    deaths: dict[tuple[str, int], int] = field(default_factory=dict)
    #: The jobs that were added in a transaction that has not ended, with their delays.
    pending: list[tuple[str, float]] = field(default_factory=list)

    def next_due(self) -> str | None:
        now = self.clock.now()
        return next((job for job in self.queued if self.due.get(job, now) <= now), None)

    def next_moment(self) -> datetime | None:
        """Return when the next delayed job is due."""
        return min((self.due[job] for job in self.queued if job in self.due), default=None)

    def lose(self, worker: Actor, progress: Progress) -> list[str]:
        """Give the jobs of a worker without a lease to others; return those at which too many workers have died."""
        poison = []
        for job in [job for job, owner in self.owner.items() if owner is worker]:
            del self.owner[job]
            place = (job, progress(job))
            self.deaths[place] = self.deaths.get(place, 0) + 1
            if self.deaths[place] >= MOST_DEATHS:
                self.done.add(job)
                poison.append(job)
            else:
                self.queued.append(job)
        return poison

    def commit(self) -> None:
        for job, delay in self.pending:
            if job not in self.known:
                self.known.add(job)
                self.queued.append(job)
                self.added_at[job] = self.clock.now()
                if delay > 0:
                    self.due[job] = self.clock.now() + timedelta(seconds=delay)
        self.pending.clear()


class StormEngine:
    """Implements ``Engine`` for one process."""

    def __init__(self, jobs: Jobs, actor: Actor) -> None:
        self._jobs, self._actor = jobs, actor
        self._work: Work | None = None
        self._job = ""

    # -- the worker's side ------------------------------------------------------------------------

    def work_next(self) -> None:
        """Take the oldest job that is due, and execute it."""
        job = self._jobs.next_due()
        if job is None or self._work is None:
            return
        self._jobs.queued.remove(job)
        self._jobs.owner[job] = self._actor
        self._job = job
        self._jobs.scheduler.boundary("job taken")
        try:
            self._work(job)
        except Overtaken:
            return
        if self._is_mine():
            del self._jobs.owner[job]
            self._jobs.done.add(job)
            self._jobs.due.pop(job, None)

    def _is_mine(self) -> bool:
        return self._jobs.owner.get(self._job) is self._actor

    def step(self, name: str, work: Callable[[], T], record: Callable[[T], None]) -> T:
        before, self._actor.doing = self._actor.doing, _plain(name)
        self._actor.step_began = self._jobs.scheduler.passed
        try:
            ended = work()
            self._jobs.scheduler.boundary("step done, not recorded")
            record(ended)
        finally:
            self._actor.doing = before
        return ended

    # -- everybody's side -------------------------------------------------------------------------

    def enqueue(self, db: Connection, job_id: str, *, partition: str, delay: float = 0.0) -> None:
        self._jobs.pending.append((job_id, delay))

    def start(self, work: Work, set_aside: SetAside = lambda _: None, progress: Progress = lambda _: 0) -> None:
        self._work = work

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        return done()

    def pause(self, seconds: float, clock: Clock) -> None:
        self._jobs.scheduler.sleep(seconds)
        if not self._is_mine():
            raise Overtaken(self._job, by=self._job)

    def ended(self, job_id: str) -> bool:
        return job_id in self.which_ended([job_id])

    def which_ended(self, job_ids: Sequence[str]) -> set[str]:
        return {job for job in job_ids if job in self._jobs.done or job not in self._jobs.known}

    def forget(self, before: datetime, *, of: Callable[[Sequence[str]], list[str]], dry_run: bool = False) -> int:
        found = of([job for job in self._jobs.done if self._jobs.added_at[job] < before])
        for job in [] if dry_run else found:
            self._jobs.done.discard(job)
            self._jobs.known.discard(job)
        return len(found)

    def close(self, *, patience: float = 60.0) -> bool:
        self._work = None
        return True


def _plain(name: str) -> str:
    """Return a step's name without its subject and its release."""
    return re.sub(r"(\.\d+)?(:.*)?$", "", name)


class StormLocks:
    """Implements ``Locks`` for one process, which loses its locks when it loses its connection to the database."""

    def __init__(self, held: dict[str, tuple[Actor, int]], scheduler: Scheduler) -> None:
        self._held, self._scheduler = held, scheduler
        self._believed: Counter[str] = Counter()

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        actor = self._scheduler.current
        if actor is None:
            yield
            return
        owner, depth = self._held.get(name, (actor, 0))
        if owner is not actor:
            self._scheduler.wait(lambda: name not in self._held)
            depth = 0
        self._held[name] = (actor, depth + 1)
        self._believed[name] += 1
        try:
            yield
        finally:
            self._believed[name] -= 1
            owner, depth = self._held.get(name, (None, 0))
            if owner is actor:
                if depth > 1:
                    self._held[name] = (actor, depth - 1)
                else:
                    del self._held[name]

    def confirm(self) -> None:
        actor = self._scheduler.current
        lost = [n for n, times in self._believed.items() if times and self._held.get(n, (None, 0))[0] is not actor]
        if actor is not None and lost:
            raise DatabaseUnavailable("The connection that held a lock was lost.", hint="")


def cut_locks(held: dict[str, tuple[Actor, int]], actor: Actor) -> None:
    """Release the locks of a process whose connection to the database is lost."""
    for name in [name for name, (owner, _) in held.items() if owner is actor]:
        del held[name]
