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
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, Serializer
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..clock import Clock
from ..concurrency.notify import Listener, tell
from ..errors import DatabaseUnavailable, HostError, Interruption
from ..redaction import redact
from ..store.advisory_locks import AdvisoryLocks
from ..store.outages import detecting_outages
from .interface import Progress, SetAside, T, Work
from .leases import LEASE_SECONDS, MOST_DEATHS, Leases
from .wake import Wake

#: Rule 4: the version is fixed. Change it only on purpose, because jobs of another version are not worked.
_VERSION = "1"
#: The most jobs of one partition that are worked at a time, by all workers together.
MOST_OF_A_PARTITION = 4
_QUEUE, _SUSPECTS = "runs", "suspects"
_WORKFLOW = "execute_run"
#: The polling interval of a queue, in seconds. Enqueueing a job wakes the workers, so polling only finds delayed jobs
#: and, on SQLite, the jobs of other processes such as `qwoty-host accept`.
_POLL_SECONDS = 1.0
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

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._url = engine.url.render_as_string(hide_password=False)
        self._work: Work | None = None
        self._set_aside: SetAside = lambda _: None
        self._progress: Progress = lambda _: 0
        self._running = 0
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._under_way = sa.text(
            _ALL_UNDER_WAY.format(jobs="workflow_status" if self._is_sqlite else "dbos.workflow_status")
        )
        self._leases = Leases(engine)
        self._locks = AdvisoryLocks(engine)
        self._me = uuid4().hex  # Rule 2: never reused, and never DBOS's default "local"
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._wake = Wake(engine, _QUEUE, lambda: self._running > 0)
        self._counting = threading.Lock()
        with nullcontext() if self._is_sqlite else self._locks.hold("migrate"):
            DBOS.migrate(self._url)
        # The client does not retry, because people and HTTP requests wait for it: an unreachable database is an error.
        self._client = DBOSClient(
            system_database_engine=engine, serializer=_JsonSerializer(), retry_connection_errors=False
        )
        self._register_queues()

    def _register_queues(self) -> None:
        # Register before the launch, because DBOS notices a later queue only after a second. The second queue takes the
        # jobs of dead processes, one at a time: a job that kills its process then interrupts no other job of the queue.
        for name, at_once in ((_QUEUE, 8), (_SUSPECTS, 1)):
            self._client.register_queue(
                name,
                worker_concurrency=at_once,
                partition_concurrency=min(at_once, MOST_OF_A_PARTITION),
                polling_interval_sec=_POLL_SECONDS,
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
        if self._is_sqlite:
            return  # there is no other worker that would need a heartbeat or send notifications
        listen = partial(Listener(self._engine).listen, self._stop, self._wake.now)
        self._threads = [
            threading.Thread(target=self._tend, name="leases", daemon=True),
            threading.Thread(target=listen, name="notices", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _launch(self) -> None:
        # Rule 3: take the lease before the launch. Without it, this worker's first job would look abandoned.
        self._leases.beat(self._me)
        dbos = DBOS(
            config=DBOSConfig(
                name="qwoty-host",
                application_version=_VERSION,
                executor_id=self._me,
                system_database_engine=self._engine,  # Rule 1: WAL, full syncs, one pool
                system_database_url=self._url,
                serializer=_JsonSerializer(),
                log_level="ERROR",
            )
        )
        DBOS.launch()
        self._wake.attach(dbos.background_thread_stop_events)
        self._take_over()

    def _tend(self) -> None:
        while not self._stop.wait(LEASE_SECONDS / 3):
            try:
                with detecting_outages():
                    self._leases.beat(self._me)
                    self._take_over()
            except DatabaseUnavailable as error:
                # Other workers may now take over our jobs; their holds stop us from writing (ADR 0002).
                log.warning("worker.beat_failed", extra={"title": error.title})
            except Exception:
                log.exception("worker.beat_failed")

    def _take_over(self) -> None:
        """Resume the jobs of dead workers.

        Only one worker does this at a time. Two workers with old lists of jobs would start a job twice.
        """
        with self._only_one("take-over") as mine:
            if not mine:
                return
            # List the jobs before the leases: a worker that starts a listed job already has its lease.
            jobs = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
            alive = {self._me} if self._is_sqlite else self._leases.alive()
            for job in jobs:
                if job.executor_id not in alive:
                    self._resume(job.workflow_id, str(job.executor_id))

    def _resume(self, job_id: str, worker: str) -> None:
        if self._leases.died(worker) and self._leases.count_death(job_id, self._progress(job_id)) >= MOST_DEATHS:
            self._set_aside(job_id)  # first, because a death in between must not leave a run without a worker
            DBOS.cancel_workflow(job_id)
            return
        DBOS.resume_workflow(job_id, queue_name=_SUSPECTS)
        self._wake.now(_SUSPECTS)

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
            self._running += 1
        try:
            assert self._work is not None
            self._work(job_id)
        finally:
            self._wake.after_job()
            with self._counting:
                self._running -= 1

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
            with self._counting:
                self._stop.set()
            if not self.wait(lambda: not self._running, timeout=patience):
                return False
            for thread in self._threads:
                thread.join()
            DBOS.destroy(workflow_completion_timeout_sec=0)
            DurableEngine.live = None
            with suppress(DBAPIError):
                self._leases.hand_back(self._me)  # if this fails, the lease expires
        self._client.destroy()
        return True


@DBOS.workflow(name=_WORKFLOW)
def _execute_run(job_id: str) -> None:
    live = DurableEngine.live
    if live is None:
        raise _Stopping
    live.execute(job_id)
