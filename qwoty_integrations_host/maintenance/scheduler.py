"""The scheduler of periodic jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A function to call at the start, and then every so many seconds (None: only at the start)."""

    name: str
    work: Callable[[], object]
    every: float | None


class Schedule:
    """Runs each job in a thread of its own until stopped, so that a failing or slow job delays no other."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads; a second call does nothing."""
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._run, args=(job,), name=f"schedule: {job.name}", daemon=True)
                for job in self._jobs
            ]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Wait for running jobs to end, and start no others."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, job: Job) -> None:
        while not self._stopped.is_set():
            try:
                job.work()
            except Exception:
                # The next run may succeed: the database may have been locked, for example.
                log.exception("schedule.failed", extra={"job": job.name})
            if job.every is None:
                return
            self._stopped.wait(job.every)
