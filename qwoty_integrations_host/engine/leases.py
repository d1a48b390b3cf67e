"""Which worker processes are alive, by the database's own clock; and which jobs their workers died at.

A lease is never a list of work: what has to be taken over is every pending job whose worker is not alive.
"""

from __future__ import annotations

from sqlalchemy import Double, Engine, delete, literal_column, select, update

from ..store import tables as t
from ..store.upsert import insert_or_ignore, put

#: Seconds after its last beat that a worker counts as dead. Beats and looks come three times as often.
LEASE_SECONDS = 3.0
#: Deaths at one job without a checkpoint in between before it is set aside.
MOST_DEATHS = 3

_NOW = {"postgresql": "extract(epoch from clock_timestamp())", "sqlite": "((julianday('now') - 2440587.5) * 86400.0)"}


class Leases:
    """The leases of all workers on one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._now = literal_column(_NOW[engine.dialect.name], Double)

    def beat(self, worker: str) -> None:
        """Say that this worker is alive."""
        with self._engine.begin() as db:
            insert_or_ignore(db, t.worker_leases, {"id": worker, "seen": 0.0})
            db.execute(update(t.worker_leases).where(t.worker_leases.c.id == worker).values(seen=self._now))

    def hand_back(self, worker: str) -> None:
        """Say that this worker stops in good order: what it leaves undone, it did not die at."""
        with self._engine.begin() as db:
            db.execute(delete(t.worker_leases).where(t.worker_leases.c.id == worker))

    def alive(self) -> set[str]:
        """The workers whose last beat is young enough."""
        with self._engine.connect() as db:
            young = t.worker_leases.c.seen > self._now - LEASE_SECONDS
            return set(db.execute(select(t.worker_leases.c.id).where(young)).scalars())

    def died(self, worker: str) -> bool:
        """Whether a worker that is not alive left without handing back."""
        with self._engine.connect() as db:
            return db.execute(select(t.worker_leases.c.id).where(t.worker_leases.c.id == worker)).first() is not None

    def count_death(self, job_id: str, checkpoints: int) -> int:
        """Note that a worker died at this job, and give how often since its last checkpoint."""
        deaths = t.job_deaths.c
        with self._engine.begin() as db:
            here = (deaths.job_id == job_id) & (deaths.checkpoints == checkpoints)
            times = (db.execute(select(deaths.times).where(here)).scalar() or 0) + 1
            put(db, t.job_deaths, {"job_id": job_id, "checkpoints": checkpoints, "times": times})
        return times
