"""The durable engine on DBOS. The numbered rules in comments are the seven rules of ADR 0002.

DBOS is global to a process, so only one ``DurableEngine`` at a time can be started; any number can enqueue.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, Queue, Serializer
from dbos._queue import queue_worker_thread
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..clock import Clock
from ..concurrency.notify import Listener, tell
from ..config import JOBS
from ..errors import DatabaseUnavailable, HostError, Interruption
from ..redaction import redact
from ..store.advisory_locks import AdvisoryLocks
from ..store.outages import detecting_outages
from .interface import Progress, SetAside, T, Work
from .leases import LEASE_SECONDS, MOST_DEATHS, Leases
from .wake import FileChanges, Pauses, Wake

#: Rule 4: the version is fixed. Change it only on purpose, because jobs of another version are not worked.
_VERSION = "1"
_QUEUE, _SUSPECTS = "runs", "suspects"
_WORKFLOW = "execute_run"
#: The polling interval of the queue on PostgreSQL, in seconds. Workers are woken by notices, so a poll only finds
#: delayed jobs that are due, and jobs whose notice was lost.
_POLL_SECONDS = 1.0
#: The polling interval where everything wakes the queue. A poll then repeats one that failed, and finds the suspects of
#: a process that died at the take-over.
_SELDOM_SECONDS = 3.0
#: A worker looks for abandoned jobs when another one is gone, and at every so many of its heartbeats.
_LOOK_ANYWAY = 3
#: Seconds between two looks for claims whose answer was lost.
_LOST_SECONDS = 5.0
#: DBOS's threads for what the host does not use look this many times less often, and one at this interval in seconds.
_LESS_OFTEN, _NOTIFIER_SECONDS = 60.0, 0.5
_UNDER_WAY = ["PENDING", "ENQUEUED", "DELAYED"]
#: Their ids. DBOS lists each with thirty columns, which takes a third of a second for ten thousand. The conditions are
#: those of DBOS's own partial indexes.
_ALL_UNDER_WAY = """
    SELECT workflow_uuid FROM {jobs} WHERE status IN ('ENQUEUED', 'PENDING')
    UNION ALL SELECT workflow_uuid FROM {jobs} WHERE status = 'DELAYED'
"""
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
#: How many jobs ``forget`` lists and deletes at a time.
_BATCH = 200

log = logging.getLogger(__name__)
_dbos_log = logging.getLogger("dbos")
_dbos_log.setLevel(logging.ERROR)
# DBOS does not change a logger that has a handler, so its errors reach the host's handler, which redacts them.
_dbos_log.addHandler(logging.NullHandler())


class RecordedError(Exception):
    """A recorded error. Its text begins with the name of the original class."""


class _Stopping(Interruption):
    """Raised in a job when the process stops; the next process works the job.

    It is not an ``Exception``, because DBOS would record an ``Exception`` as the end of the job.
    """


class _JsonSerializer(Serializer):
    """Rule 6: JSON, also for exceptions. The default is pickle, which executes what a row contains."""

    def name(self) -> str:
        return "qwoty_json"

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=self._encode)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data, object_hook=self._decode)

    def _encode(self, value: Any) -> Any:
        if isinstance(value, BaseException):
            return {"$error": type(value).__name__, "message": redact(str(value))}
        raise TypeError(f"a step may not return {type(value).__name__}")

    def _decode(self, found: dict[str, Any]) -> Any:
        return RecordedError(f"{found['$error']}: {found['message']}") if "$error" in found else found


class DurableEngine:
    """Works jobs as DBOS workflows, which are stored in the host's database."""

    #: The engine that works jobs in this process; DBOS is global to a process.
    live: DurableEngine | None = None

    def __init__(self, engine: sa.Engine, jobs: int = JOBS) -> None:
        self._engine, self._jobs = engine, jobs
        self._url = engine.url.render_as_string(hide_password=False)
        self._work: Work | None = None
        self._set_aside: SetAside = lambda _: None
        self._progress: Progress = lambda _: 0
        #: The ids of the jobs that are worked here.
        self._running: list[str] = []
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._under_way = sa.text(
            _ALL_UNDER_WAY.format(jobs="workflow_status" if self._is_sqlite else "dbos.workflow_status")
        )
        self._leases = Leases(engine)
        self._locks = AdvisoryLocks(engine)
        self._me = uuid4().hex  # Rule 2: never reused, and never DBOS's default "local"
        #: The workers that were alive at the last heartbeat.
        self._alive: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._queue, self._suspects = Pauses(self._is_at_work), Pauses(self._is_at_work)
        self._changes: FileChanges | None = None
        self._wake = Wake(engine, self._queue.wake)
        self._counting = threading.Lock()
        with nullcontext() if self._is_sqlite else self._locks.hold("migrate"):
            DBOS.migrate(self._url)
        # The client does not retry, because people and HTTP requests wait for it: an unreachable database is an error.
        self._client = DBOSClient(
            system_database_engine=engine, serializer=_JsonSerializer(), retry_connection_errors=False
        )

    def enqueue(self, db: Connection, job_id: str, *, partition: str, delay: float = 0.0) -> None:
        options: EnqueueOptions = {
            "queue_name": _QUEUE,
            "workflow_name": _WORKFLOW,
            "workflow_id": job_id,
            "queue_partition_key": partition,
        }
        if delay > 0:
            options["delay_seconds"] = delay
        self._client.enqueue_in_transaction(db, options, job_id)
        if delay > 0:
            return
        self._wake.after(db)
        if not self._is_sqlite:
            tell(db)

    def start(self, work: Work, set_aside: SetAside = lambda _: None, progress: Progress = lambda _: 0) -> None:
        if DurableEngine.live is not None:
            raise HostError(
                "This process already works the runs of a host.", hint="Close that host first.", code="engine"
            )
        DurableEngine.live = self
        self._work, self._set_aside, self._progress = work, set_aside, progress
        with detecting_outages():
            self._launch()
        self._start_thread("lost claims", self._look_for_lost_claims)
        if self._is_sqlite:
            return  # there is no other worker that would need a heartbeat or send notifications
        self._start_thread("leases", self._tend)
        self._start_thread("notices", partial(Listener(self._engine).listen, self._stop, self._queue.wake))

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, name=name, daemon=True))
        self._threads[-1].start()

    def _launch(self) -> None:
        # Rule 3: take the lease before the launch. Without it, this worker's first job would look abandoned.
        self._alive = self._leases.beat(self._me)
        dbos = DBOS(
            config=DBOSConfig(
                name="qwoty-host",
                application_version=_VERSION,
                executor_id=self._me,
                system_database_engine=self._engine,  # Rule 1: WAL, full syncs, one pool
                system_database_url=self._url,
                serializer=_JsonSerializer(),
                log_level="ERROR",
                notification_coalesce_sec=_NOTIFIER_SECONDS,
            )
        )
        if self._is_sqlite:
            # Other processes, such as `qwoty-host accept`, cannot tell this one that they have queued a job.
            self._changes = FileChanges(str(self._engine.url.database))
            self._queue.watch(self._changes.any)
        DBOS.listen_queues([])  # the host polls its queues itself
        DBOS.launch()
        for event in dbos.background_thread_stop_events:
            _look_less_often(event)
        self._poll(dbos, _QUEUE, self._queue, at_once=self._jobs, of_a_partition=most_of_a_partition(self._jobs))
        # The second queue takes the jobs of dead processes, one at a time: a job that kills its process then interrupts
        # no other job of the queue.
        self._poll(dbos, _SUSPECTS, self._suspects, at_once=1, of_a_partition=None)
        self._take_over()

    def _poll(self, dbos: DBOS, name: str, pauses: Pauses, *, at_once: int, of_a_partition: int | None) -> None:
        """Start DBOS's loop for a queue with the limits of this process (ADR 0087).

        DBOS would read the limits from the database at each poll, the same for all processes. They are stored there
        for workers of release 0.1.0, as it has them.
        """
        stored = {_QUEUE: (8, 4), _SUSPECTS: (1, 1)}[name]
        queue = self._client.register_queue(
            name, worker_concurrency=stored[0], partition_concurrency=stored[1], on_conflict="never_update"
        )
        is_woken = self._is_sqlite or name == _SUSPECTS
        _limit(queue, at_once, of_a_partition, _SELDOM_SECONDS if is_woken else _POLL_SECONDS)
        self._start_thread(f"queue {name}", partial(queue_worker_thread, pauses, dbos, queue))
        pauses.wake()  # for the jobs that are there already

    def _is_at_work(self) -> bool:
        return bool(self._running)

    def _tend(self) -> None:
        beats = 0
        while not self._stop.wait(LEASE_SECONDS / 3):
            beats += 1
            try:
                with detecting_outages():
                    alive = self._leases.beat(self._me)
                    # A worker's jobs are abandoned when it dies or stops. Now and then look anyway: another worker may
                    # have died at the take-over.
                    if self._alive - alive or beats % _LOOK_ANYWAY == 0:
                        self._take_over()
                    self._alive = alive
            except DatabaseUnavailable as error:
                # Other workers may now take over our jobs; their holds stop us from writing (ADR 0002).
                log.warning("worker.beat_failed", extra={"title": error.title})
            except Exception:
                log.exception("worker.beat_failed")

    def _take_over(self) -> None:
        """Resume the jobs of dead workers.

        Only one worker does this at a time. Two workers with old lists of jobs would start a job twice.
        """
        if not self._abandoned():
            return
        with self._only_one("take-over") as mine:
            for job_id, worker in self._abandoned() if mine else ():
                self._resume(job_id, worker)

    def _look_for_lost_claims(self) -> None:
        """Resume the jobs that this worker has claimed without knowing it, because the answer to the claim was lost.

        A job that has just been claimed, or has just ended, looks the same for a moment; so a job is resumed when two
        looks find it. If it is worked all the same, the second time finds its run ended or held.
        """
        seen: set[str] = set()
        while not self._stop.wait(_LOST_SECONDS):
            try:
                with detecting_outages():
                    mine = DBOS.list_workflows(
                        status="PENDING", executor_id=self._me, load_input=False, load_output=False
                    )
                    with self._counting:
                        idle = {job.workflow_id for job in mine}.difference(self._running)
                    for job_id in idle & seen:
                        log.warning("worker.claim_lost", extra={"job": job_id})
                        DBOS.resume_workflow(job_id, queue_name=_SUSPECTS)
                        self._suspects.wake()
                seen = idle - seen
            except DatabaseUnavailable:
                continue  # the next look is in a moment
            except Exception:
                log.exception("worker.look_failed")

    def _abandoned(self) -> list[tuple[str, str]]:
        """Return the jobs of workers that are not alive, each with its worker."""
        # List the jobs before the leases: a worker that starts a listed job already has its lease.
        listed = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        jobs = [(job.workflow_id, str(job.executor_id)) for job in listed if job.executor_id != self._me]
        alive = self._leases.alive() if jobs and not self._is_sqlite else set()
        return [(job_id, worker) for job_id, worker in jobs if worker not in alive]

    def _resume(self, job_id: str, worker: str) -> None:
        if self._leases.died(worker) and self._leases.count_death(job_id, self._progress(job_id)) >= MOST_DEATHS:
            self._set_aside(job_id)  # first, because a death in between must not leave a run without a worker
            DBOS.cancel_workflow(job_id)
            return
        DBOS.resume_workflow(job_id, queue_name=_SUSPECTS)
        self._suspects.wake()

    @contextmanager
    def _only_one(self, name: str) -> Iterator[bool]:
        """Try to take a lock; yield whether that succeeded. On SQLite it always does: there is only one worker."""
        if self._is_sqlite:
            yield True
        else:
            with self._locks.attempt(name) as mine:
                yield mine

    def step(self, name: str, work: Callable[[], T], record: Callable[[T], None]) -> T:
        if self._stop.is_set():
            raise _Stopping
        ended = work()
        record(ended)
        return ended

    def wait(self, done: Callable[[], bool], *, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def execute(self, job_id: str) -> None:
        """Work one job. The DBOS workflow calls this."""
        with self._counting:
            if self._stop.is_set():
                raise _Stopping
            self._running.append(job_id)
        try:
            assert self._work is not None
            self._work(job_id)
        finally:
            self._wake.after_job()
            with self._counting:
                self._running.remove(job_id)

    def pause(self, seconds: float, clock: Clock) -> None:
        if self._stop.wait(seconds):
            raise _Stopping

    def ended(self, job_id: str) -> bool:
        with detecting_outages():
            return not self._client.list_workflows(
                workflow_ids=[job_id], status=_UNDER_WAY, load_input=False, load_output=False
            )

    def which_ended(self, job_ids: Sequence[str]) -> set[str]:
        with detecting_outages(), self._engine.connect() as db:
            return set(job_ids).difference(db.execute(self._under_way).scalars())

    def forget(self, before: datetime, *, of: Callable[[Sequence[str]], list[str]], dry_run: bool = False) -> int:
        total = passed = 0
        while True:
            with detecting_outages():
                found = self._client.list_workflows(
                    status=_ENDED,
                    end_time=before.isoformat(),
                    load_input=False,
                    load_output=False,
                    limit=_BATCH,
                    offset=passed,
                )
                may_go = of([job.workflow_id for job in found])
                if may_go and not dry_run:
                    self._client.delete_workflows(may_go)
            total += len(may_go)
            passed += len(found) if dry_run else len(found) - len(may_go)
            if len(found) < _BATCH:
                return total

    def close(self, *, patience: float = 60.0) -> bool:
        if DurableEngine.live is self:
            self._queue.set()
            self._suspects.set()
            with self._counting:
                self._stop.set()
            if not self.wait(lambda: not self._running, timeout=patience):
                return False
            for thread in self._threads:
                thread.join()
            if self._changes is not None:
                self._changes.close()
            DBOS.destroy(workflow_completion_timeout_sec=0)
            DurableEngine.live = None
            with suppress(DBAPIError):
                self._leases.hand_back(self._me)  # if this fails, the lease expires
        self._client.destroy()
        return True


def most_of_a_partition(jobs: int) -> int:
    """Return how many jobs of one partition a process works at a time: half, so that half is left for others."""
    return max(1, jobs // 2)


def _limit(queue: Queue, at_once: int, of_a_partition: int | None, poll_seconds: float) -> None:
    """Give a queue the limits of this process; a queue that is not database-backed is not read again."""
    queue.database_backed_queue = False
    queue._worker_concurrency = at_once  # noqa: SLF001 - a queue of DBOS can be changed in the database only
    queue._partition_worker_concurrency, queue._partition_concurrency = of_a_partition, None  # noqa: SLF001 - as above
    queue._polling_interval_sec = poll_seconds  # noqa: SLF001 - as above


def _look_less_often(stop: threading.Event) -> None:
    """Prolong the pauses of DBOS's threads that look for new queues and schedules, of which there are none."""
    plain = stop.wait
    stop.wait = lambda timeout=None: plain(timeout and timeout * _LESS_OFTEN)  # type: ignore[method-assign]


@DBOS.workflow(name=_WORKFLOW)
def _execute_run(job_id: str) -> None:
    live = DurableEngine.live
    if live is None:
        raise _Stopping
    live.execute(job_id)
