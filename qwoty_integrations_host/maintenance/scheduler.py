"""What the host does by itself when its time has come."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do at once and then every so many seconds (None: only at once)."""

    name: str
    work: Callable[[], object]
    every: float | None


class Schedule:
    """Does jobs until stopped, each in a thread of its own: one that fails or takes its time holds up no other."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; a second call changes nothing."""
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._run, args=(job,), name=f"schedule: {job.name}", daemon=True)
                for job in self._jobs
            ]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Let what has begun end, and begin nothing else."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, job: Job) -> None:
        while not self._stopped.is_set():
            try:
                job.work()
            except Exception:
                # A locked database, say: the next time makes it good.
                log.exception("schedule.failed", extra={"job": job.name})
            if job.every is None:
                return
            self._stopped.wait(job.every)
