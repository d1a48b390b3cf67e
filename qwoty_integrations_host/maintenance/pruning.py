"""Pruning: deletes what is older than needed from the host's tables and from the engine's jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..clock import Clock
from ..engine.interface import Engine
from ..store import tallies
from ..store.database import Store
from ..store.retention import JOBS, gather_statistics, of_ended_runs, prune_tables


def fold_tallies(store: Store) -> None:
    """Sum up the rows from which the metrics are counted."""
    with store.write() as db:
        tallies.fold(db)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Prunes one host; ``keep_days`` is how long ended runs are kept."""

    store: Store
    engine: Engine
    clock: Clock
    keep_days: int

    def prune(self, *, dry_run: bool = False) -> dict[str, int]:
        """Prune, and return the counts by kind; with ``dry_run`` only count. Idempotent."""
        now = self.clock.now()
        jobs = self.engine.forget(now - timedelta(days=JOBS), of=self._ended, dry_run=dry_run)
        pruned = prune_tables(self.store, now, keep_days=self.keep_days, dry_run=dry_run)
        if not dry_run:
            gather_statistics(self.store)
        return {"jobs": jobs, **pruned}

    def _ended(self, job_ids: Sequence[str]) -> list[str]:
        with self.store.read() as db:
            return of_ended_runs(db, job_ids)
