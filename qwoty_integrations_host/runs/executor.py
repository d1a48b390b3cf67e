"""Executes runs. Only this module calls the hooks that do a run's work; it also records how each run ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from ..alerts.recording import MAIL_WAITS, Alerts
from ..clock import Clock
from ..concurrency.locks import Locks
from ..config import RetryPolicy
from ..contract.context import HookContext
from ..contract.exact_json import parse_json
from ..contract.hook_types import InstallmentRequest, Outcome, UpkeepRequest, WebhookEvent
from ..contract.quote import Quote
from ..engine.attempts import Attempts, Wait, run_of
from ..engine.attempts import job_id as job_of
from ..engine.interface import Engine
from ..errors import (
    AlreadyFinal,
    CredentialsError,
    DatabaseUnavailable,
    IntegrationError,
    Interruption,
    Overtaken,
    PermanentError,
    PermissionMissing,
    PluginHangs,
    RetryableError,
)
from ..observability.leaks import secrets_known_to
from ..observability.logs import log_context
from ..plugins.settings_migrations import UNFIT
from ..quotes.run import ENDED_WELL, OPEN, TAKING_BACK, Run, RunKind, RunStatus, lacks_something
from ..quotes.without_invoice import SWITCHED_OFF
from ..redaction import redacted
from ..reports.metrics import RUN_SECONDS, RUNS_ENDED
from ..reports.runs import outcome_of
from ..store import holds, quotes, readings, webhooks
from ..store import runs as rows
from ..store import steps as step_rows
from ..store.database import Store
from ..store.deferred_writes import WritesFailed
from ..workspaces.connections import clear_problem_after_run
from ..workspaces.integration import Integrations, WithIntegrations
from .platform_events import PlatformEvents
from .runs import Runs
from .steps import AttemptOver, RecordedSteps, ReplayDoesNotFit, RunWaits

log = logging.getLogger(__name__)

#: Codes of outcomes that mean: the service refused the key, or the key lacks a permission.
_REFUSED = {CredentialsError.default_code, PermissionMissing.default_code, "access_refused"}
#: The error code of a run whose integration is enabled but not loaded.
NOT_LOADED = "plugin_not_loaded"
#: The errors that a person corrects at the host. A run waits for that as long as it takes.
_FOR_PEOPLE = {NOT_LOADED, *UNFIT}


@dataclass(frozen=True, slots=True)
class Executor(WithIntegrations):
    """Executes the jobs that the engine hands over."""

    store: Store
    engine: Engine
    integrations: Integrations
    locks: Locks
    clock: Clock
    retry_policy: RetryPolicy
    runs: Runs
    attempts: Attempts
    alerts: Alerts
    platform_events: PlatformEvents
    restored: bool = False

    def execute(self, job_id: str) -> None:
        """Execute one attempt of a run. After a crash, the engine calls this again from the start.

        Raises: Overtaken when another worker executes this attempt; that worker ends it.
        """
        try:
            self._take(job_id, self._work)
        except DatabaseUnavailable as error:
            self._hold_out(job_id, error)

    def _take(self, job_id: str, work: Callable[[Run], None]) -> None:
        """Hold the quote of a job's run and call ``work`` with the run; do nothing if the run has ended.

        Raises: Overtaken when another worker has taken over this job.
        """
        try:
            with self._held(job_id) as run:
                if run is not None:
                    work(run)
        except Overtaken as now:
            log.warning("run.overtaken", extra={"run_id": run_of(job_id), "by": now.by})
            if now.by == job_id:
                raise
            # Another run of the quote took the hold meanwhile: queue this run again.
            with self.store.read() as db:
                run = self._unfinished(db, job_id)
            if run is not None:
                self.attempts.try_again(run, resume=True)

    @contextmanager
    def _held(self, job_id: str) -> Iterator[Run | None]:
        """Lock and hold the quote of a job's run during the block, and yield the run; None if it needs no work."""
        with self.store.read() as db:
            run = self._unfinished(db, job_id)
        if run is None:
            yield None
            return
        place = (run.workspace, run.plugin, run.quote_id)
        # One run of a plugin and quote at a time: two runs must not change one invoice at once.
        with self.locks.hold("/".join(("run", *place))):
            with self.store.write() as db:
                # A worker that was suspended has lost the lock. It must not take the hold from the present worker.
                self.locks.confirm()
                hold = holds.take(db, *place, job_id)
                run = self._unfinished(db, job_id)
            with holds.under(hold):
                yield run

    def _unfinished(self, db: Connection, job_id: str) -> Run | None:
        """Return the run whose present attempt is this job; None if there is none, or the run has ended."""
        run = rows.find(db, run_of(job_id))
        if run is None or job_id != job_of(run.id, run.attempt) or run.is_finished:
            return None
        return run

    def _work(self, run: Run) -> None:
        names = {"run_id": "id", "workspace": "workspace", "plugin": "plugin", "quote_id": "quote_id", "kind": "kind"}
        with log_context(**{fact: getattr(run, column) for fact, column in names.items()}):
            try:
                self._work_on(run)
            except AttemptOver:
                return  # another attempt has taken over, or a person has dismissed the run
            except WritesFailed:
                log.exception("run.crashed", extra={"run_id": run.id})
                with holds.without_deferred_writes():
                    self._finish_with_error(run, _bug(), resumable=False)
            except Interruption:
                self.store.flush()  # the engine stops: after the next start, the run goes on behind its last step
                raise

    def _work_on(self, run: Run) -> None:
        steps = self._steps(run)
        try:
            settings = self._begin(run, steps)
            if settings is not None:
                outcome = self._call(run, settings, steps)
                self._finish(run, outcome)
        except ReplayDoesNotFit:
            # Another release took other steps. Each step now looks for what that release made before making anything.
            log.warning("run.begins_again", extra={"run_id": run.id})
            self.attempts.try_again(run, resume=False, forgotten=True)
        except RunWaits as now:
            self._wait(run, now.error, progressed=steps.progressed)
        except AlreadyFinal as error:
            if not self.runs.corrections.put_back(run, error.title):
                self._finish_with_error(run, error, resumable=False)
        except DatabaseUnavailable:
            raise
        except IntegrationError as error:
            self._end_with_error(run, error, steps)
        except (Exception, SystemExit):
            log.exception("run.crashed", extra={"run_id": run.id})
            self._finish_with_error(run, _bug(), resumable=False)

    def _end_with_error(self, run: Run, error: IntegrationError, steps: RecordedSteps) -> None:
        steps.known.take_out_of(error)
        if error.run_status == RunStatus.WAITING:
            steps.left_behind = isinstance(error, PluginHangs)
            # The thread of a hook that hangs may hang in a transaction of the run.
            with holds.without_deferred_writes() if steps.left_behind else nullcontext():
                self._wait(run, error, progressed=steps.progressed)
        elif error.restart and run.outage_since and steps.resumes:
            # What was done before the outage is out of date, such as a link that has expired: begin again.
            self.attempts.try_again(run, resume=False)
        else:
            # A refusal rests on what was seen at the time, so a retry looks at everything again.
            may_resume = steps.failed is not None and not error.restart and error.is_resumable
            self._finish_with_error(run, error, resumable=may_resume)

    def _steps(self, run: Run) -> RecordedSteps:
        return RecordedSteps(
            self.store,
            self.engine,
            self.locks,
            self.clock,
            self.retry_policy,
            run.id,
            run.attempt,
            self._origin(run),
            forgotten=self.restored or run.facts.get("forgotten", False),
            plugin=run.plugin,
            confirms_writes=self.plugins.is_loaded(run.plugin) and self.plugins.manifest(run.plugin).confirms_writes,
        )

    def _begin(self, run: Run, steps: RecordedSteps) -> Mapping[str, Any] | None:
        """Mark the run as running and return the settings of this attempt.

        Return None if the integration is switched off, which ends the run. Return None as well if the settings or the
        plugin have changed since the attempt began, which begins another attempt.
        """
        settings = self._settings(run)
        if settings is None:
            with self.store.write() as db:
                # Without a version, the integration gets the quote when the quote is accepted again.
                rows.change(db, run.id, facts={**run.facts, "version": None})
            self._finish(run, _switched_off(run))
            return None
        current = self.settings.digest(settings)
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            # A run that was dismissed while it waited must not go on.
            if present.attempt != run.attempt or present.is_finished:
                raise AttemptOver
            origin, before = self._origin(run), present.facts.get("origin")
            if before not in (None, origin):
                # Only the release that recorded a step's result can read it (ADR 0002).
                rows.change(db, run.id, facts={**present.facts, "origin": origin, "forgotten": True})
            if run.settings_digest not in (None, current) or before not in (None, origin):
                self.attempts.begin_anew(db, run)
                return None
            values = {"status": RunStatus.RUNNING, "settings_digest": current, "error": None, "waits_until": None}
            if run.error_code in _FOR_PEOPLE:
                values["outage_since"] = None  # the service had no outage: its time begins with the first one
            rows.change(db, run.id, **values, facts={**present.facts, "origin": origin})
            steps.load(db)
        return settings

    def _settings(self, run: Run) -> Mapping[str, Any] | None:
        """Return the settings for the run; None if its integration is switched off.

        Raises: RetryableError when the plugin is not loaded.
        """
        workspace, plugin = run.workspace, run.plugin
        if run.kind == RunKind.PLATFORM_EVENT:
            return asdict(self.contexts.platforms.configurations.of(workspace))
        with self.store.read() as db:
            found = readings.read(db, workspace, plugin)
        if found is None:
            return None
        if not self.plugins.is_loaded(plugin):
            raise self._not_loaded(run)
        return self.settings.opened(workspace, plugin, found.saved)

    def _not_loaded(self, run: Run) -> RetryableError:
        """Return the error of a run whose plugin is not loaded; it names the plugin's present or last distribution."""
        plugin = run.plugin
        status = next((each for each in self.plugins.statuses if each.id == plugin), None)
        if status is not None:
            title = f"The integration {plugin} ({status.origin}) is {status.state}: {status.reason}"
            hint = f"Mend it, or install another version of {status.distribution}, and restart the host"
        else:
            with self.store.read() as db:
                origin = rows.last_origin(db, plugin)
            title = f"The integration {plugin}{f' ({origin})' if origin else ''} is not installed."
            hint = "Install it again and restart the host"
        return RetryableError(
            title, hint=f"{hint}: the run goes on by itself. Dismiss the run to give it up.", code=NOT_LOADED
        )

    def _origin(self, run: Run) -> str:
        return next((status.origin for status in self.plugins.statuses if status.id == run.plugin), "")

    def _call(self, run: Run, settings: Mapping[str, Any], steps: RecordedSteps) -> Outcome:
        if not run.kind.is_known:
            title = "A newer release has asked for this run, which this worker's does not know."
            raise RetryableError(title, hint="A worker of the newer release takes it.", code="newer_release")
        if run.kind == RunKind.PLATFORM_EVENT:
            return self.platform_events.fetch(run, steps)
        ctx = self.contexts.make(run.workspace, run.plugin, settings, step=steps, quote_id=run.quote_id, run_id=run.id)
        steps.known = secrets_known_to(ctx)
        hooks: Mapping[RunKind, Callable[[], Outcome]] = {
            RunKind.QUOTE_ACCEPTED: lambda: self.plugins.on_quote_accepted(run.plugin, ctx, self._quote(run)),
            RunKind.INSTALLMENT: lambda: self.plugins.on_installment_due(run.plugin, ctx, self._installment(run)),
            RunKind.WEBHOOK: lambda: self.plugins.on_webhook(run.plugin, ctx, self._event(run)),
            RunKind.UNDO: lambda: self.plugins.undo_quote(run.plugin, ctx, self._quote(run)),
            RunKind.CANCEL: lambda: self.plugins.on_quote_cancelled(run.plugin, ctx, self._quote(run)),
            RunKind.VOID: lambda: self.plugins.void_invoice(run.plugin, ctx, self._quote(run)),
            RunKind.UPKEEP: lambda: self._upkeep(run, ctx),
        }
        return hooks[run.kind]()

    def _upkeep(self, run: Run, ctx: HookContext) -> Outcome:
        report = self.plugins.on_upkeep(run.plugin, ctx, UpkeepRequest(run.facts["roll_secrets"]))
        found = self.runs.webhooks.receive_found(run.workspace, run.plugin, report.events)
        if not found:
            return report.outcome
        notes = (
            f"Nobody had told us of {event.type}, quote {event.quote_id}: it is worked." for event in found.values()
        )
        was_skipped = RunStatus(report.outcome.status) == RunStatus.SKIPPED
        ended = "succeeded" if was_skipped else report.outcome.status
        result = {**report.outcome.result, "found_runs": list(found)}
        return replace(report.outcome, status=ended, notes=(*report.outcome.notes, *notes), result=result)

    def _quote(self, run: Run) -> Quote:
        with self.store.read() as db:
            quote = quotes.get(db, run.workspace, run.quote_id)
        return self.contexts.platforms.with_saved_ids(run.workspace, quote)

    def _installment(self, run: Run) -> InstallmentRequest:
        return InstallmentRequest(self._quote(run), run.facts["number"])

    def _event(self, run: Run) -> WebhookEvent:
        with self.store.read() as db:
            found = webhooks.find(db, run.workspace, run.plugin, run.facts["event_id"])
        if not found["body"]:
            raise PermanentError(
                "What the service said then is no longer kept.",
                hint="Look at the service itself; nothing was changed.",
                code="event_forgotten",
            )
        return WebhookEvent(
            found["event_id"], found["type"], parse_json(found["body"]), run.quote_id, found["account"] or ""
        )

    # -- how a run waits --------------------------------------------------------------------------

    def _wait(self, run: Run, error: IntegrationError, *, progressed: bool) -> None:
        """Schedule the run to resume later; end it if its outage has lasted too long."""
        record = self.contexts.make(run.workspace, run.plugin, {}).records.get(run.quote_id)
        now = self.clock.now()
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            if present.attempt != run.attempt or present.is_finished:
                return
            # If a step has succeeded since the last wait, the service was up, and this error begins another outage.
            since = (None if progressed else present.outage_since) or now
            until = self.retry_policy.next_try(since, now, getattr(error, "retry_after", None))
            if until is None and error.code in _FOR_PEOPLE:
                until = now + self.retry_policy.waits[-1]  # no service has an outage: wait without a limit
            if until is None:
                self._give_up(db, run, error)
                return
            hint = error.hint or "It goes on by itself. Retry the run to try at once."
            shown = {"code": error.code, "title": error.title, "hint": hint}
            outcome = {**outcome_of(record, now), "notes": present.notes}
            self.attempts.resume(db, present, wait=Wait(until, since, shown, outcome))
            if error.code in {*_FOR_PEOPLE, PluginHangs.default_code}:
                self.alerts.plugin_stuck(db, run, shown)
            if error.code in MAIL_WAITS:
                self.alerts.mail_waits(db, run, shown, since)
        log.info("run.waits", extra={"run_id": run.id, "until": until.isoformat(), "code": error.code})

    def _give_up(self, db: Connection, run: Run, error: IntegrationError) -> None:
        step_rows.fail_waiting(db, run.id)
        exhausted = PermanentError(
            f"{error.title} Given up after {self.retry_policy.patience.days} days.",
            hint=error.hint or "Retry the run when the service is well again.",
            code="retries_exhausted",
        )
        self._finish_with_error(run, exhausted, resumable=True)

    def _hold_out(self, job_id: str, error: DatabaseUnavailable) -> None:
        """Try, with growing pauses, to record that the job's run waits.

        If the process ends first, the engine hands the job to another process.
        """
        seconds = 1.0
        while True:
            log.warning("run.database_unavailable", extra={"run_id": run_of(job_id), "title": error.title})
            self.engine.pause(seconds, self.clock)
            seconds = min(2 * seconds, self.retry_policy.longest_gap)
            with suppress(DatabaseUnavailable):
                self._take(job_id, partial(self._wait, error=error, progressed=False))
                return

    # -- how a run ends ---------------------------------------------------------------------------

    def count_results(self, job_id: str) -> int:
        """Return how many steps of a job's run have a result, as a measure of its progress."""
        with self.store.read() as db:
            return step_rows.count_results(db, run_of(job_id))

    def set_aside(self, job_id: str) -> None:
        """End a run whose workers died repeatedly. A retry resumes it with the recorded steps."""
        with self.store.write() as db:
            run = self._unfinished(db, job_id)
            if run is not None:  # a worker that was only suspended must not go on
                holds.take(db, run.workspace, run.plugin, run.quote_id, job_id)
        if run is None:
            return
        poison = IntegrationError(
            "Three workers died while they worked this run, all at the same step.",
            hint="Look into their logs (memory, perhaps), then retry the run: it resumes at that step.",
            code="set_aside",
        )
        self._finish_with_error(run, poison, resumable=True)

    def resume_stranded(self) -> None:
        """Requeue runs whose job ended before their status was saved, for example because the disk was full.

        Also requeue runs that waited for their integration, once it is loaded and its settings fit.
        """
        # The jobs after the runs: a run that a worker takes up meanwhile then counts as under way.
        with self.store.read() as db:
            jobs = {job_of(run_id, attempt): run_id for run_id, attempt in rows.all_unfinished(db)}
            stuck = rows.waiting_for_a_plugin(db, {*_FOR_PEOPLE, PluginHangs.default_code})
        ended = self.engine.which_ended(list(jobs))
        with self.store.read() as db:
            found = [rows.find(db, jobs[job_id]) for job_id in sorted(ended)]
        # Another worker may have queued a new attempt meanwhile.
        stranded = [run for run in found if run is not None and job_of(run.id, run.attempt) in ended]
        fitting = {
            place: self.plugins.is_loaded(place[1]) and self.settings.unfit(*place) is None
            for place in {(run.workspace, run.plugin) for run in stuck}
        }
        mended = [run for run in stuck if fitting[run.workspace, run.plugin]]
        for run in {run.id: run for run in (*mended, *stranded)}.values():
            self.attempts.try_again(run, resume=True)

    def _finish(self, run: Run, outcome: Outcome) -> None:
        error, status = None, RunStatus(outcome.status)
        if status == RunStatus.NEEDS_ATTENTION or outcome.code:
            error = redacted({"code": outcome.code, "title": outcome.title, "hint": outcome.hint})
        refused = outcome.code in _REFUSED
        self._end(run, status, outcome.notes, outcome.result, error, resumable=False, refused=refused)

    def _finish_with_error(self, run: Run, error: IntegrationError, *, resumable: bool) -> None:
        shown = {"code": error.code, "title": error.title, "hint": error.hint}
        refused = isinstance(error, CredentialsError)
        self._end(run, error.run_status, (), {}, shown, resumable=resumable, refused=refused)

    def _end(
        self,
        run: Run,
        status: RunStatus,
        notes: Sequence[str],
        result: Mapping[str, Any],
        error: Mapping[str, Any] | None,
        *,
        resumable: bool,
        refused: bool,
    ) -> None:
        if status in OPEN and error is not None and not error["hint"]:
            # The integration gave no hint, but the reader needs to know what to do.
            error = {**error, "hint": "Mend what it names, then retry the run; or dismiss it."}
        record = self.contexts.make(run.workspace, run.plugin, {}).records.get(run.quote_id)
        now = self.clock.now()
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            if present.attempt != run.attempt or present.status == RunStatus.DISMISSED:
                return  # another attempt has taken over, or a person has dismissed the run
            outcome = redacted({**outcome_of(record, now), **result, "notes": [*notes, *present.notes]})
            rows.change(
                db,
                run.id,
                status=status,
                outcome=outcome,
                error=error,
                resumable=resumable,
                outage_since=None,
                finished_at=now,
            )
            self._forget_earlier_version(db, run)
            if status == RunStatus.SUCCEEDED:
                clear_problem_after_run(db, present)
            if record is not None and record.payment_status in {"paid", "void"}:
                self.runs.cancellation.invoice_is_closed(db, present, record.payment_status)
            self.alerts.run_ended(db, present, status, error, refused=refused)
            if lacks_something(run.kind, status, error):
                self.runs.without_invoice.note_cause(db, run.workspace, run.quote_id)
        RUNS_ENDED.labels(run.plugin, run.kind, status).inc()
        RUN_SECONDS.labels(run.plugin, run.kind).observe((now - run.created_at).total_seconds())
        log.info("run.ended", extra={"run_id": run.id, "status": status})

    def _forget_earlier_version(self, db: Connection, run: Run) -> None:
        """Forget the quote's version before its correction once every integration has worked on the correction."""
        runs_of_quote = rows.of_quote(db, run.workspace, run.quote_id, kind=RunKind.QUOTE_ACCEPTED)
        if all(one.status in ENDED_WELL for one in runs_of_quote):
            quotes.forget_earlier_version(db, run.workspace, run.quote_id)
            for one in runs_of_quote:
                if one.facts.get("before") is not None:
                    rows.change(db, one.id, facts={**one.facts, "before": None})


def _bug() -> IntegrationError:
    return IntegrationError("The host could not work this run.", hint="The traceback is in its log.", code="bug")


def _switched_off(run: Run) -> Outcome:
    """Return the outcome of a run whose integration is switched off.

    A run that takes something back needs attention, because that is still there. Other runs are skipped.
    """
    if run.kind in TAKING_BACK:
        return Outcome.needs_attention(
            "integration_off",
            "The integration is switched off: what it made of the quote is still there.",
            hint="Switch it on, then retry the run; or take it back in the service itself, then dismiss the run.",
        )
    said = "The integration is switched off for this workspace."
    if run.kind != RunKind.QUOTE_ACCEPTED:
        return Outcome.skipped(said)
    return Outcome.skipped(said, code=SWITCHED_OFF, hint="Switch it on, then run the quote.")
