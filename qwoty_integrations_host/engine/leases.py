"""Leases show which worker processes are alive, by the database's clock. Deaths of workers are counted by job.

A lease does not list its worker's jobs. Other workers take over every pending job whose worker is not alive.
"""

from __future__ import annotations

from sqlalchemy import Double, Engine, bindparam, delete, literal_column, select, update

from ..store import tables as t
from ..store.upsert import insert_or_ignore, put

#: A worker counts as dead this many seconds after its last heartbeat. It beats three times in that time.
LEASE_SECONDS = 3.0
#: A job is set aside when this many workers have died at it without any progress in between.
MOST_DEATHS = 3

_NOW = {"postgresql": "extract(epoch from clock_timestamp())", "sqlite": "((julianday('now') - 2440587.5) * 86400.0)"}


class Leases:
    """The leases of all workers on one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        now = literal_column(_NOW[engine.dialect.name], Double)
        leases = t.worker_leases
        # Each worker executes these once a second, so they are built once.
        self._renew = update(leases).where(leases.c.id == bindparam("worker")).values(seen=now)
        self._alive = select(leases.c.id).where(leases.c.seen > now - LEASE_SECONDS)

    def beat(self, worker: str) -> set[str]:
        """Record a heartbeat of this worker, and return the workers whose lease has not expired."""
        with self._engine.begin() as db:
            if not db.execute(self._renew, {"worker": worker}).rowcount:
                insert_or_ignore(db, t.worker_leases, {"id": worker, "seen": 0.0})
                db.execute(self._renew, {"worker": worker})
            return set(db.execute(self._alive).scalars())

    def hand_back(self, worker: str) -> None:
        """Delete the lease on a clean shutdown, so that the worker's open jobs do not count as crashes."""
        with self._engine.begin() as db:
            db.execute(delete(t.worker_leases).where(t.worker_leases.c.id == worker))

    def alive(self) -> set[str]:
        """Return the workers whose lease has not expired."""
        with self._engine.connect() as db:
            return set(db.execute(self._alive).scalars())

    def died(self, worker: str) -> bool:
        """Whether a worker that is not alive still has a lease, which means that it did not shut down cleanly."""
        with self._engine.connect() as db:
            return db.execute(select(t.worker_leases.c.id).where(t.worker_leases.c.id == worker)).first() is not None

    def count_death(self, job_id: str, checkpoints: int) -> int:
        """Record that a worker died at a job; return how often that has happened since the job last made progress."""
        deaths = t.job_deaths.c
        with self._engine.begin() as db:
            here = (deaths.job_id == job_id) & (deaths.checkpoints == checkpoints)
            times = (db.execute(select(deaths.times).where(here)).scalar() or 0) + 1
            put(db, t.job_deaths, {"job_id": job_id, "checkpoints": checkpoints, "times": times})
        return times
