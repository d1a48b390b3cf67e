"""Working runs: the only place where a plugin's work hooks are called, and where it is written down how a run ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    Overtaken,
    PermanentError,
    PermissionMissing,
    PluginHangs,
    RetryableError,
)
from ..metrics import RUN_SECONDS, RUNS_ENDED
from ..observability.leaks import secrets_known_to
from ..observability.logs import log_context
from ..plugins.contexts import Contexts
from ..plugins.manager import Plugins
from ..plugins.settings_migrations import UNFIT
from ..quotes.run import OPEN, TAKING_BACK, Run, RunKind, RunStatus, lacks_something
from ..quotes.without_invoice import SWITCHED_OFF
from ..redaction import redacted
from ..reports.runs import outcome_of
from ..store import holds, quotes, webhooks
from ..store import runs as rows
from ..store import steps as step_rows
from ..store.database import Store
from ..workspaces.connections import worked_in_a_run
from ..workspaces.integration import Integrations
from ..workspaces.settings import WorkspaceSettings
from .platform_events import PlatformEvents
from .requests import Runs
from .steps import AttemptOver, RecordedSteps, ReplayDoesNotFit, RunWaits

log = logging.getLogger(__name__)

#: Of an outcome, which has no class: the service refused the key, or it lacks a right.
_REFUSED = {CredentialsError.default_code, PermissionMissing.default_code, "access_refused"}
#: Of a run whose integration is switched on, but not there.
NOT_LOADED = "plugin_not_loaded"
#: It waits for somebody to put the integration right, and uses up nobody's patience.
_FOR_PEOPLE = {NOT_LOADED, *UNFIT}


@dataclass(frozen=True, slots=True)
class Execution:
    """Works the jobs that the engine hands over."""

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

    @property
    def plugins(self) -> Plugins:
        """The plugins of the host."""
        return self.integrations.plugins

    @property
    def settings(self) -> WorkspaceSettings:
        """The settings of its workspaces."""
        return self.integrations.settings

    @property
    def contexts(self) -> Contexts:
        """What makes the contexts of hooks."""
        return self.integrations.contexts

    def execute(self, job_id: str) -> None:
        """Work one attempt of a run; called by the engine, again from the top after a crash.

        Raises: Overtaken when another worker works this attempt, which ends it.
        """
        try:
            self._take(job_id, self._work)
        except DatabaseUnavailable as error:
            self._hold_out(job_id, error)

    def _take(self, job_id: str, work: Callable[[Run], None]) -> None:
        """Do ``work`` on a run that is held here, unless it has ended; step aside for who has overtaken this worker."""
        try:
            with self._held(job_id) as run:
                if run is not None:
                    work(run)
        except Overtaken as now:
            log.warning("run.overtaken", extra={"run_id": run_of(job_id), "by": now.by})
            if now.by == job_id:
                raise
            # Another run of the quote had its turn meanwhile: this one's comes again.
            with self.store.read() as db:
                run = self._unfinished(db, job_id)
            if run is not None:
                self.attempts.try_again(run, resume=True)

    @contextmanager
    def _held(self, job_id: str) -> Iterator[Run | None]:
        """Lock and hold the quote of a run during the block, and give the run; None when there is nothing to work."""
        with self.store.read() as db:
            run = self._unfinished(db, job_id)
        if run is None:
            yield None
            return
        place = (run.workspace, run.plugin, run.quote_id)
        # One run of a quote at a time: what two runs do to one invoice must not interleave.
        with self.locks.hold("/".join(("run", *place))):
            with self.store.write() as db:
                # A worker that slept since then has lost the lock, and must not take the hold from whoever works now.
                self.locks.confirm()
                hold = holds.take(db, *place, job_id)
                run = self._unfinished(db, job_id)
            with holds.under(hold):
                yield run

    def _unfinished(self, db: Connection, job_id: str) -> Run | None:
        """The run whose present attempt this job is, unless it has ended."""
        run = rows.find(db, run_of(job_id))
        if run is None or job_id != job_of(run.id, run.attempt) or run.is_finished:
            return None
        return run

    def _work(self, run: Run) -> None:
        names = {"run_id": "id", "workspace": "workspace", "plugin": "plugin", "quote_id": "quote_id", "kind": "kind"}
        with log_context(**{fact: getattr(run, column) for fact, column in names.items()}):
            self._work_on(run)

    def _work_on(self, run: Run) -> None:
        steps = self._steps(run)
        try:
            settings = self._begin(run, steps)
            if settings is not None:
                outcome = self._call(run, settings, steps)
                self._finish(run, outcome)
        except AttemptOver:
            return  # the quote was corrected meanwhile: another attempt takes over
        except ReplayDoesNotFit:
            # A release in between took other steps. What it did under their names is looked for, not done again.
            log.warning("run.begins_again", extra={"run_id": run.id})
            self.attempts.try_again(run, resume=False, forgotten=True)
        except RunWaits as now:
            self._wait(run, now.error, progressed=steps.progressed)
        except AlreadyFinal as error:
            if not self.runs.put_back(run, error.title):
                self._finish_with_error(run, error, resumable=False)
        except DatabaseUnavailable:
            raise
        except IntegrationError as error:
            self._end_with_error(run, error, steps)
        except (Exception, SystemExit):
            log.exception("run.crashed", extra={"run_id": run.id})
            bug = IntegrationError("The host could not work this run.", hint="The traceback is in its log.", code="bug")
            self._finish_with_error(run, bug, resumable=False)

    def _end_with_error(self, run: Run, error: IntegrationError, steps: RecordedSteps) -> None:
        steps.known.take_out_of(error)
        if error.run_status == "waiting":
            steps.left_behind = isinstance(error, PluginHangs)
            self._wait(run, error, progressed=steps.progressed)
        elif error.restart and run.outage_since and steps.resumes:
            # It is what was done before the outage that is out of date, such as a link that has run out.
            self.attempts.try_again(run, resume=False)
        else:
            # A refusal was right for what was seen then: asked again, everything is looked at again.
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
        )

    def _begin(self, run: Run, steps: RecordedSteps) -> Mapping[str, Any] | None:
        """Give the settings of this attempt; None when they or the plugin changed since, and another one takes over."""
        settings = self._settings(run)
        if settings is None:
            with self.store.write() as db:
                # Switched on again, it gets the quote when that is accepted again.
                rows.change(db, run.id, facts={**run.facts, "version": None})
            self._finish(run, _switched_off(run))
            return None
        current = self.settings.digest(settings)
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            # Dismissed meanwhile, say: a run that waited must not wake up after that.
            if present.attempt != run.attempt or present.is_finished:
                raise AttemptOver
            origin, before = self._origin(run), present.facts.get("origin")
            if before not in (None, origin):
                # What another release's steps gave back means something to that release only (ADR 0002).
                rows.change(db, run.id, facts={**present.facts, "origin": origin, "forgotten": True})
            if run.settings_digest not in (None, current) or before not in (None, origin):
                self.attempts.begin_anew(db, run)
                return None
            values = {"status": RunStatus.RUNNING, "settings_digest": current, "error": None, "waits_until": None}
            if run.error_code in _FOR_PEOPLE:
                values["outage_since"] = None  # the service has not been met: its time begins with the next outage
            rows.change(db, run.id, **values, facts={**present.facts, "origin": origin})
            steps.load(db)
        return settings

    def _settings(self, run: Run) -> Mapping[str, Any] | None:
        """The settings that the run is worked with; None where its integration is switched off."""
        workspace, plugin = run.workspace, run.plugin
        if run.kind == RunKind.PLATFORM_EVENT:
            return asdict(self.contexts.platforms.configurations.of(workspace))
        if not self.settings.is_enabled(workspace, plugin):
            return None
        if not self.plugins.is_loaded(plugin):
            raise self._not_loaded(run)
        return self.settings.effective(workspace, plugin)

    def _not_loaded(self, run: Run) -> RetryableError:
        """Why the run's integration cannot be called, by the distribution that is to blame or was there before."""
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
        found = self.runs.receive_found(run.workspace, run.plugin, report.events)
        if not found:
            return report.outcome
        told = (
            f"Nobody had told us of {event.type}, quote {event.quote_id}: it is worked." for event in found.values()
        )
        status = "succeeded" if report.outcome.status == "skipped" else report.outcome.status
        result = {**report.outcome.result, "found_runs": list(found)}
        return replace(report.outcome, status=status, notes=(*report.outcome.notes, *told), result=result)

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
        """Let the run go on later with what it has done, or end it when its outage has lasted too long."""
        record = self.contexts.make(run.workspace, run.plugin, {}).records.get(run.quote_id)
        now = self.clock.now()
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            if present.attempt != run.attempt or present.is_finished:
                return
            # Whatever was done since the last wait, its service was there: what is met now is another outage.
            since = (None if progressed else present.outage_since) or now
            until = self.retry_policy.next_try(since, now, getattr(error, "retry_after", None))
            if until is None and error.code in _FOR_PEOPLE:
                until = (
                    now + self.retry_policy.waits[-1]
                )  # no service has refused anything: nobody's patience is used up
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
        """Keep the job until it can be written down that its run waits; a process that ends leaves it to the next."""
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
        """Return how many steps of a job's run have a result: how far the job has come."""
        with self.store.read() as db:
            return step_rows.count_results(db, run_of(job_id))

    def set_aside(self, job_id: str) -> None:
        """End a run at which worker after worker died; what it has done stays done."""
        with self.store.write() as db:
            run = self._unfinished(db, job_id)
            if run is not None:  # a worker that was only asleep must not go on
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
        """Try the runs again whose job is over though they are not: their last write failed (a full disk, say).

        Those that waited for their integration to be installed, mended, or rid of calls that hang, go on, too.
        """
        with self.store.read() as db:
            open_runs = rows.all_unfinished(db)
        ended = self.engine.which_ended([job_of(run.id, run.attempt) for run in open_runs])
        for run in open_runs:
            stuck = run.status == RunStatus.WAITING and run.error_code in {*_FOR_PEOPLE, PluginHangs.default_code}
            mended = stuck and self.plugins.is_loaded(run.plugin)
            fits = mended and self.settings.unfit(run.workspace, run.plugin) is None
            if fits or job_of(run.id, run.attempt) in ended:
                self.attempts.try_again(run, resume=True)

    def _finish(self, run: Run, outcome: Outcome) -> None:
        error = None
        if outcome.status == "needs_attention" or outcome.code:
            error = redacted({"code": outcome.code, "title": outcome.title, "hint": outcome.hint})
        refused = outcome.code in _REFUSED
        self._end(run, outcome.status, outcome.notes, outcome.result, error, resumable=False, refused=refused)

    def _finish_with_error(self, run: Run, error: IntegrationError, *, resumable: bool) -> None:
        shown = {"code": error.code, "title": error.title, "hint": error.hint}
        refused = isinstance(error, CredentialsError)
        self._end(run, error.run_status, (), {}, shown, resumable=resumable, refused=refused)

    def _end(
        self,
        run: Run,
        status: str,
        notes: Sequence[str],
        result: Mapping[str, Any],
        error: Mapping[str, Any] | None,
        *,
        resumable: bool,
        refused: bool,
    ) -> None:
        if status in OPEN and error is not None and not error["hint"]:
            # An integration that says what happened, and leaves its reader with it.
            error = {**error, "hint": "Mend what it names, then retry the run; or dismiss it."}
        record = self.contexts.make(run.workspace, run.plugin, {}).records.get(run.quote_id)
        now = self.clock.now()
        with self.store.write() as db:
            quotes.lock(db, run.workspace, run.quote_id)
            present = rows.require(db, run.id)
            if present.attempt != run.attempt or present.status == RunStatus.DISMISSED:
                return  # the quote was corrected meanwhile: another attempt takes over; or nothing is wanted any more
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
            self._settle(db, run)
            if status == RunStatus.SUCCEEDED:
                worked_in_a_run(db, present)
            if record is not None and record.payment_status in {"paid", "void"}:
                self.runs.invoice_is_closed(db, present, record.payment_status)
            self.alerts.run_ended(db, present, status, error, refused=refused)
            if lacks_something(run.kind, status, error):
                self.runs.note_cause(db, run.workspace, run.quote_id)
        RUNS_ENDED.labels(run.plugin, run.kind, status).inc()
        RUN_SECONDS.labels(run.plugin, run.kind).observe((now - run.created_at).total_seconds())
        log.info("run.ended", extra={"run_id": run.id, "status": status})

    def _settle(self, db: Connection, run: Run) -> None:
        """Once every integration has worked on the corrected quote, there is no way back to the one before."""
        runs_of_quote = rows.of_quote(db, run.workspace, run.quote_id, kind=RunKind.QUOTE_ACCEPTED)
        if all(one.status in {RunStatus.SUCCEEDED, RunStatus.SKIPPED} for one in runs_of_quote):
            quotes.settle(db, run.workspace, run.quote_id)
            for one in runs_of_quote:
                rows.change(db, one.id, facts={**one.facts, "before": None})


def _switched_off(run: Run) -> Outcome:
    """How a run ends whose integration is switched off: a quote waits for it, what it should take back is there."""
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
