"""A run's steps: each is recorded with its result, retried while that can help, and shown on the timeline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping

from .. import errors
from ..clock import Clock
from ..concurrency.locks import Locks
from ..config import RetryPolicy
from ..contract.context import Attempt, Json
from ..contract.hook_results import as_recorded
from ..engine.interface import Engine
from ..errors import DatabaseUnavailable, IntegrationError, Interruption, PermanentError, RetryableError
from ..observability.leaks import KnownSecrets
from ..quotes.run import StepStatus
from ..reports.metrics import REMOTE_REQUESTS, STEPS
from ..store import steps as rows
from ..store.database import Store

log = logging.getLogger(__name__)


class AttemptOver(Interruption):
    """Stops this attempt, because another attempt of the run takes over. No plugin can catch it by accident."""


class ReplayDoesNotFit(Interruption):
    """The run takes other steps than this attempt has recorded, because another release recorded them."""


class RunWaits(Interruption):
    """A step cannot be done at present, so the run goes on later. The step has no result and will be done again.

    No plugin can catch it by accident.
    """

    def __init__(self, error: IntegrationError) -> None:
        super().__init__(error.title)
        self.error = error


@dataclass(slots=True)
class RecordedSteps:
    """Implements ``context.Steps`` for one attempt of one run."""

    store: Store
    engine: Engine
    locks: Locks
    clock: Clock
    retry: RetryPolicy
    run_id: str
    attempt: int
    #: "distribution version" of the plugin, to blame for a bug.
    origin: str
    #: Whether the steps' rows do not tell what earlier attempts did, because they were pruned, restored from a backup,
    #: or recorded by another release. Then each step looks for what it may have made.
    forgotten: bool = False
    #: The step names used since the hook was called. A second step of the same name would look like a replay.
    used: set[str] = field(default_factory=set)
    #: The steps that the run had begun before this hook was called, by name.
    begun_before: Mapping[str, RowMapping] = field(default_factory=dict)
    #: The names of the steps that this attempt has recorded and not replayed yet, in order.
    replay: Iterator[str] = field(default_factory=lambda: iter(()))
    #: The number of results that this attempt has recorded.
    recorded: int = 0
    #: The step that ended this attempt with an error, if one did.
    failed: str | None = None
    #: Whether a step without a recorded result has succeeded in this attempt.
    progressed: bool = False
    plugin: str = ""
    #: Whether the plugin confirms each of its writes, so that a step's beginning may wait for the first one.
    confirms_writes: bool = False
    #: The steps that began in this attempt, as they are stored by now or will be.
    begun: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Those of them that wait for the run's next transaction.
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The names of the steps that this attempt has stored.
    stored: set[str] = field(default_factory=set)
    #: The secrets that no step may return.
    known: KnownSecrets = field(default_factory=KnownSecrets)
    #: When a step last began or ended, by ``time.monotonic()``.
    last_heartbeat: float = field(default_factory=time.monotonic)
    #: Whether the host has abandoned this attempt's hook. If the hook goes on, its next step stops it.
    left_behind: bool = False

    def load(self, db: Connection) -> None:
        """Read the steps of earlier attempts, and of this one before a crash."""
        self.begun_before = rows.of_run(db, self.run_id)
        mine = [row for row in self.begun_before.values() if row["place"] is not None]
        self.replay = iter([row["name"] for row in sorted(mine, key=lambda row: row["place"])])
        self.recorded = len(mine)

    @property
    def resumes(self) -> bool:
        """Whether this attempt uses results of an earlier one."""
        return any(map(_is_carried, self.begun_before.values()))

    def __call__(self, name: str, work: Callable[[Attempt], Json]) -> Json:
        if self.left_behind:
            raise AttemptOver
        self.known.refuse(name, "it names a step by")
        if name in self.used:
            raise PermanentError(
                f"The integration {self.origin} has a bug: it used the step name {name!r} twice.",
                hint="Each step of a run has a name of its own.",
                code="plugin_bug",
            )
        self.used.add(name)
        result = self._replayed(name)
        if result is None:
            try:
                ended = self.engine.step(name, partial(self._repeat, name, work), self._record)
            except DatabaseUnavailable as error:
                raise RunWaits(error) from error
            self.progressed |= ended.error is None
            result = ended.result
        if "error" in result:
            self.failed = name
            raise errors.from_record(result["error"])
        return result["value"]

    def _replayed(self, name: str) -> Mapping[str, Any] | None:
        """Return the recorded result of a step; None if it has none. Raises: ReplayDoesNotFit."""
        row = self.begun_before.get(name)
        if (row is None or not _is_carried(row)) and next(self.replay, name) != name:
            raise ReplayDoesNotFit(name)
        result: Mapping[str, Any] | None = None if row is None else row["result"]
        return result

    def _repeat(self, name: str, work: Callable[[Attempt], Json]) -> Ended:
        """Retry the step until it ends, and return its value or its final error.

        Raises: RunWaits when retrying soon cannot help.
        """
        tried = 0
        while True:
            tried += 1
            attempt = self._begin(name)
            started = self.clock.now()
            try:
                with self._counted(attempt):
                    # Return the same value now that a replay will return later.
                    value = as_recorded(
                        work(attempt), partial(self.known.refuse_json, what=f"its step {name!r} gives back")
                    )
            except DatabaseUnavailable:
                raise
            except RetryableError as error:
                self.known.take_out_of(error)
                attempt.key += error.answered
                gap = self.retry.gap(tried, error.retry_after)
                self._end(name, attempt, started, StepStatus.WAITING if gap is None else StepStatus.RETRYING, error)
                if gap is None:
                    raise RunWaits(error) from error
                self.engine.pause(gap, self.clock)
            except IntegrationError as error:
                self.known.take_out_of(error)
                # A refusal is an answer, too: a service may repeat it for a day under the same key.
                attempt.key += error.answered
                return Ended(name, attempt, started, error=error)
            except Interruption:
                raise
            except BaseException as error:  # also SystemExit and its like, which nobody would see otherwise
                log.exception("plugin.crashed", extra={"run_id": self.run_id})
                return Ended(name, attempt, started, error=self._bug(name, error))
            else:
                return Ended(name, attempt, started, value)

    @contextmanager
    def _counted(self, attempt: Attempt) -> Iterator[None]:
        before = len(attempt.request_ids)
        try:
            yield
        finally:
            REMOTE_REQUESTS.labels(self.plugin).inc(len(attempt.request_ids) - before)

    def _bug(self, name: str, error: BaseException) -> PermanentError:
        return PermanentError(
            f"The integration {self.origin} has a bug: its step {name!r} raised {type(error).__name__}.",
            hint="The traceback is in the host's log; report it to the integration's author.",
            code="plugin_bug",
        )

    def meanwhile(self) -> None:
        """Write what waits too long. The host calls this again and again while it waits for the run's hook."""
        self.store.flush_overdue()

    def _heartbeat(self) -> None:
        if self.left_behind:
            raise AttemptOver
        self.last_heartbeat = time.monotonic()

    def _begin(self, name: str) -> Attempt:
        self._heartbeat()
        before = self.begun.get(name) or self._stored(name) or self._new_step(name)
        row = {**before, "attempts": before["attempts"] + 1, "status": StepStatus.RUNNING}
        # It is committed before the step has an effect, so that the step knows after a crash that it is a repetition.
        self._write(row)
        if not self.confirms_writes:
            self.store.flush()
        return Attempt(row["attempts"], row["key"], row["started_at"], list(row["request_ids"]), confirm=self._confirm)

    def _stored(self, name: str) -> dict[str, Any] | None:
        row = self.begun_before.get(name)
        return None if row is None else {fact: row[fact] for fact in row if fact != "run_id"}

    def _confirm(self) -> None:
        self.locks.confirm()
        self.store.confirm()

    def _new_step(self, name: str) -> dict[str, Any]:
        """Return the row of a step that has none under its name.

        Another release may have done the step's work under another name, which has not come up again. So the step takes
        the key of such a step, and its time unless it is known to have succeeded. Then a service recognizes the same
        request as a repetition (ADR 0002).
        """
        elsewhere = [row for other, row in self.begun_before.items() if other not in self.used]
        uncertain = [row for row in elsewhere if self.forgotten or row["status"] != StepStatus.SUCCEEDED]
        return {
            "name": name,
            "position": len(self.begun_before.keys() | self.used),
            "attempts": int(self.forgotten or bool(elsewhere)),
            "key": min((row["key"] for row in elsewhere), default=1),
            "request_ids": [],
            "started_at": min((row["started_at"] for row in uncertain), default=self.clock.now()),
            "ms": 0,
            "error": None,
            "result": None,
            "place": None,
        }

    def _end(self, name: str, attempt: Attempt, started: datetime, status: StepStatus, error: IntegrationError) -> None:
        """Record a try after which the step is tried again."""
        self._write(self._ended(name, attempt, started, status, error))
        self.store.flush()

    def _record(self, ended: Ended) -> None:
        status = StepStatus.SUCCEEDED if ended.error is None else StepStatus.FAILED
        row = self._ended(ended.name, ended.attempt, ended.started, status, ended.error)
        self._write({**row, "result": ended.result, "place": self.recorded})
        self.recorded += 1

    def _ended(
        self, name: str, attempt: Attempt, started: datetime, status: StepStatus, error: IntegrationError | None
    ) -> dict[str, Any]:
        self._heartbeat()
        STEPS.labels(self.plugin, status).inc()
        elapsed = round((self.clock.now() - started).total_seconds() * 1000)
        shown = error and {"code": error.code, "title": error.title, "hint": error.hint}
        # The service has answered, so only requests under the next key are uncertain: they begin now.
        again = {"started_at": self.clock.now()} if error is not None and error.answered else {}
        ending = {"key": attempt.key, "request_ids": attempt.request_ids[-20:], **again}
        return {**self.begun[name], "status": status, "ms": elapsed, "error": shown, **ending}

    def _write(self, row: dict[str, Any]) -> None:
        """Let a step's row wait for the run's next transaction, with all rows that wait already."""
        self.begun[row["name"]] = self.waiting[row["name"]] = row
        waiting = dict(self.waiting)
        self.store.defer(("steps", self.run_id, self.attempt), lambda db: self._put(db, waiting))

    def _put(self, db: Connection, waiting: Mapping[str, dict[str, Any]]) -> None:
        """Raises: AttemptOver if a step begins although another attempt has, or a person has dismissed the run."""
        if not rows.put(db, self.run_id, self.attempt, list(waiting.values())):
            stored = [row for name, row in waiting.items() if name in self.stored or name in self.begun_before]
            for row in stored:
                if row["status"] != StepStatus.RUNNING:
                    rows.end(db, self.run_id, self.attempt, row)
            if any(row["status"] == StepStatus.RUNNING for row in stored) or len(stored) < len(waiting):
                raise AttemptOver
        self.store.afterwards(lambda: self._is_stored(waiting))

    def _is_stored(self, written: Mapping[str, dict[str, Any]]) -> None:
        self.stored |= written.keys()
        for name, row in written.items():
            if self.waiting.get(name) is row:
                del self.waiting[name]


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a step: its value, or its final error."""

    name: str
    attempt: Attempt
    started: datetime
    value: Any = None
    error: IntegrationError | None = None

    @property
    def result(self) -> dict[str, Any]:
        """The result as it is recorded and replayed."""
        return {"value": self.value} if self.error is None else {"error": errors.to_record(self.error)}


def _is_carried(row: RowMapping) -> bool:
    return row["result"] is not None and row["place"] is None
