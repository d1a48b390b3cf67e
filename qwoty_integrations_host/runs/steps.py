"""A run's steps: each checkpointed by the engine, repeated while that can help, and shown on the timeline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import RowMapping

from .. import errors
from ..clock import Clock
from ..concurrency.locks import Locks
from ..config import RetryPolicy
from ..contract.context import Attempt, Json
from ..contract.hook_results import as_recorded
from ..engine.interface import Engine
from ..errors import DatabaseUnavailable, IntegrationError, Interruption, PermanentError, RetryableError
from ..metrics import REMOTE_REQUESTS, STEPS
from ..observability.leaks import KnownSecrets
from ..store import runs as rows
from ..store.database import Store

log = logging.getLogger(__name__)


class AttemptOver(Interruption):
    """Another attempt of the run takes over: this one does nothing more. No plugin may catch it by accident."""


class RunWaits(Interruption):
    """A step cannot be done at present: the run goes on later. Nothing is recorded of the step, so it is done again.

    No plugin may catch it by accident, and no engine records it.
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
    #: Results of an earlier attempt that this one resumes, by step name.
    carried: Mapping[str, Any]
    #: What the attempts before did is not known by its steps' names (pruned, restored from a backup, done by another
    #: release): each step looks for what it made.
    forgotten: bool = False
    #: Names seen since the hook was called: a second step of one name could not be told from a replay.
    used: set[str] = field(default_factory=set)
    #: What the run had begun before this hook was called, by name; read with the first step that begins.
    begun_before: Mapping[str, RowMapping] | None = None
    #: The step that ended this attempt with an error, if one did.
    failed: str | None = None
    #: Whether this attempt has done a step that no earlier one had done.
    progressed: bool = False
    plugin: str = ""
    #: The secrets that no step may give back.
    known: KnownSecrets = field(default_factory=KnownSecrets)
    #: When a step last began or ended, by ``time.monotonic()``.
    heard: float = field(default_factory=time.monotonic)
    #: The host has gone on without this attempt's hook: should it come back, it does nothing more.
    left_behind: bool = False

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
        recorded = self.carried.get(name) or self._recorded(name, work)
        if "error" in recorded:
            self.failed = name
            raise errors.from_record(recorded["error"])
        return recorded["value"]

    def _recorded(self, name: str, work: Callable[[Attempt], Json]) -> Any:
        try:
            recorded = self.engine.step(name, lambda: self._perform(name, work))
        except DatabaseUnavailable as error:
            raise RunWaits(error) from error
        self.progressed |= "value" in recorded
        return recorded

    def _perform(self, name: str, work: Callable[[Attempt], Json]) -> dict[str, Any]:
        try:
            return self._repeat(name, work)
        except DatabaseUnavailable as error:
            # Here already: an ordinary error would be recorded by the engine, should the database be well by then.
            raise RunWaits(error) from error

    def _repeat(self, name: str, work: Callable[[Attempt], Json]) -> dict[str, Any]:
        """Do the step until it ends, and give what is recorded: its value or its final error.

        Raises: RunWaits when it is no use to try again soon.
        """
        tried = 0
        while True:
            tried += 1
            attempt = self._begin(name)
            started = self.clock.now()
            try:
                with self._counted(attempt):
                    # What a replay will be handed, from the start.
                    value = as_recorded(
                        work(attempt), partial(self.known.refuse_json, what=f"its step {name!r} gives back")
                    )
            except DatabaseUnavailable:
                raise
            except RetryableError as error:
                self.known.take_out_of(error)
                attempt.key += error.answered
                gap = self.retry.gap(tried, error.retry_after)
                self._end(name, attempt, started, "waiting" if gap is None else "retrying", error)
                if gap is None:
                    raise RunWaits(error) from error
                self.engine.pause(gap, self.clock)
            except IntegrationError as error:
                self.known.take_out_of(error)
                # A refusal is a final answer, too: under the same key a service may repeat it for a day.
                attempt.key += error.answered
                return self._fail(name, attempt, started, error)
            except Interruption:
                raise
            except BaseException as error:  # also what no plugin should raise: nobody would hear of it otherwise
                log.exception("plugin.crashed", extra={"run_id": self.run_id})
                return self._fail(name, attempt, started, self._bug(name, error))
            else:
                self._end(name, attempt, started, "succeeded")
                return {"value": value}

    @contextmanager
    def _counted(self, attempt: Attempt) -> Iterator[None]:
        before = len(attempt.request_ids)
        try:
            yield
        finally:
            REMOTE_REQUESTS.labels(self.plugin).inc(len(attempt.request_ids) - before)

    def _fail(self, name: str, attempt: Attempt, started: datetime, error: IntegrationError) -> dict[str, Any]:
        self._end(name, attempt, started, "failed", error)
        return {"error": errors.to_record(error)}

    def _bug(self, name: str, error: BaseException) -> PermanentError:
        return PermanentError(
            f"The integration {self.origin} has a bug: its step {name!r} raised {type(error).__name__}.",
            hint="The traceback is in the host's log; report it to the integration's author.",
            code="plugin_bug",
        )

    def _sign_of_life(self) -> None:
        if self.left_behind:
            raise AttemptOver
        self.heard = time.monotonic()

    def _begin(self, name: str) -> Attempt:
        self._sign_of_life()
        # Committed before the work begins, so that a step which a crash cut short knows it is a repetition.
        with self.store.write() as db:
            if self.begun_before is None:
                self.begun_before = rows.begun_steps(db, self.run_id)
            row = rows.begin_step(db, self.run_id, self.attempt, self._new_step(name, self.begun_before))
        if row is None:
            raise AttemptOver
        return Attempt(row["attempts"], row["key"], row["started_at"], list(row["request_ids"]), confirm=self._confirm)

    def _confirm(self) -> None:
        self.locks.confirm()
        self.store.confirm()

    def _new_step(self, name: str, before: Mapping[str, RowMapping]) -> dict[str, Any]:
        """How a step stands that is not known by its name.

        Another release may have done its work under the name of a step that has not come up again: then it goes on with
        that one's key, and with its time unless it is known to be done, so that a service takes the same request for a
        repetition (ADR 0071).
        """
        elsewhere = [row for other, row in before.items() if other not in self.used]
        uncertain = [row for row in elsewhere if self.forgotten or row["status"] != "succeeded"]
        return {
            "name": name,
            "position": len(before.keys() | self.used),
            "attempts": int(self.forgotten or bool(elsewhere)),
            "key": min((row["key"] for row in elsewhere), default=1),
            "started_at": min((row["started_at"] for row in uncertain), default=self.clock.now()),
        }

    def _end(
        self, name: str, attempt: Attempt, started: datetime, status: str, error: IntegrationError | None = None
    ) -> None:
        self._sign_of_life()
        STEPS.labels(self.plugin, status).inc()
        elapsed = round((self.clock.now() - started).total_seconds() * 1000)
        shown = error and {"code": error.code, "title": error.title, "hint": error.hint}
        values = {"status": status, "key": attempt.key, "ms": elapsed, "error": shown}
        if error is not None and error.answered:
            values["started_at"] = self.clock.now()  # what is uncertain begins with the next key
        with self.store.write() as db:
            rows.end_step(db, self.run_id, name, request_ids=attempt.request_ids[-20:], **values)
