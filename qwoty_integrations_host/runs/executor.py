"""Working runs: the only place where a plugin's work hooks are called, and where it is written down how a run ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping

from ..alerts.service import MAIL_WAITS, Alerts
from ..clock import Clock
from ..concurrency.locks import Locks
from ..config import RetryPolicy
from ..contract.context import HookContext
from ..contract.exact_json import parse_json
from ..contract.hook_types import InstallmentRequest, Outcome, UpkeepRequest, WebhookEvent
from ..contract.quote import Quote
from ..engine.attempts import Attempts, Wait, run_of
from ..engine.attempts import job_id as job_of
from ..engine.interface import Engine, ReplayDoesNotFit
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
from ..quotes.stops import MAKING, TAKING_BACK
from ..quotes.without_invoice import SWITCHED_OFF, lacks_something
from ..redaction import redacted
from ..reports.shapes import outcome_of
from ..store import holds, quotes, webhooks
from ..store import runs as rows
from ..store.database import Store
from ..workspaces.connections import worked_in_a_run
from ..workspaces.settings import WorkspaceSettings
from .platform_events import PlatformEvents
from .requests import Runs
from .steps import AttemptOver, RecordedSteps, RunWaits

log = logging.getLogger(__name__)

#: Of an outcome, which has no class: the service refused the key, or it lacks a right.
_REFUSED = {CredentialsError.default_code, PermissionMissing.default_code, "access_refused"}
#: Of a run whose integration is switched on, but not there.
NOT_LOADED = "plugin_not_loaded"
#: It waits for somebody to put the integration right, and uses up nobody's patience.
_FOR_PEOPLE = {NOT_LOADED, *UNFIT}
_KINDS = {*MAKING, *TAKING_BACK, "webhook", rows.UPKEEP, rows.PLATFORM_EVENT}


@dataclass(frozen=True, slots=True)
class Execution:
    """Works the jobs that the engine hands over."""

    store: Store
    engine: Engine
    plugins: Plugins
    settings: WorkspaceSettings
    contexts: Contexts
    locks: Locks
    clock: Clock
    retry_policy: RetryPolicy
    runs: Runs
    attempts: Attempts
    alerts: Alerts
    platform_events: PlatformEvents
    restored: bool = False

    def execute(self, job_id: str) -> None:
        """Work one attempt of a run; called by the engine, again from the top after a crash.

        Raises: Overtaken when another worker works this attempt, which ends it.
        """
        try:
            self._take(job_id, self._work)
        except DatabaseUnavailable as error:
            self._hold_out(job_id, error)

    def _take(self, job_id: str, work: Callable[[RowMapping], None]) -> None:
        """Do ``work`` on a run that is held here, unless it has ended; step aside for who has overtaken this worker."""
        try:
            with self._held(job_id) as row:
                if row is not None:
                    work(row)
        except Overtaken as now:
            log.warning("run.overtaken", extra={"run_id": run_of(job_id), "by": now.by})
            if now.by == job_id:
                raise
            # Another run of the quote had its turn meanwhile: this one's comes again.
            with self.store.read() as db:
                row = self._unfinished(db, job_id)
            if row is not None:
                self.attempts.try_again(row, resume=True)

    @contextmanager
    def _held(self, job_id: str) -> Iterator[RowMapping | None]:
        """Lock and hold the quote of a run during the block, and give the run; None when there is nothing to work."""
        with self.store.read() as db:
            row = self._unfinished(db, job_id)
        if row is None:
            yield None
            return
        place = (row["workspace"], row["plugin"], row["quote_id"])
        # One run of a quote at a time: what two runs do to one invoice must not interleave.
        with self.locks.hold("/".join(("run", *place))):
            with self.store.write() as db:
                # A worker that slept since then has lost the lock, and must not take the hold from whoever works now.
                self.locks.confirm()
                hold = holds.take(db, *place, job_id)
                row = self._unfinished(db, job_id)
            with holds.under(hold):
                yield row

    def _unfinished(self, db: Connection, job_id: str) -> RowMapping | None:
        """The run whose present attempt this job is, unless it has ended."""
        row = rows.find(db, run_of(job_id))
        if row is None or job_id != job_of(row["id"], row["attempt"]) or row["status"] in rows.FINISHED:
            return None
        return row

    def _work(self, row: RowMapping) -> None:
        names = {"run_id": "id", "workspace": "workspace", "plugin": "plugin", "quote_id": "quote_id", "kind": "kind"}
        with log_context(**{fact: row[column] for fact, column in names.items()}):
            self._work_on(row)

    def _work_on(self, row: RowMapping) -> None:
        steps = self._steps(row)
        try:
            settings = self._begin(row)
            if settings is not None:
                outcome = self._call(row, settings, steps)
                self._finish(row, outcome)
        except AttemptOver:
            return  # the quote was corrected meanwhile: another attempt takes over
        except ReplayDoesNotFit:
            # A release in between took other steps. What it did under their names is looked for, not done again.
            log.warning("run.begins_again", extra={"run_id": row["id"]})
            self.attempts.try_again(row, resume=False, forgotten=True)
        except RunWaits as now:
            self._wait(row, now.error, progressed=steps.progressed)
        except AlreadyFinal as error:
            if not self.runs.put_back(row, error.title):
                self._finish_with_error(row, error, resumable=False)
        except DatabaseUnavailable:
            raise
        except IntegrationError as error:
            self._end_with_error(row, error, steps)
        except (Exception, SystemExit):
            log.exception("run.crashed", extra={"run_id": row["id"]})
            bug = IntegrationError("The host could not work this run.", hint="The traceback is in its log.", code="bug")
            self._finish_with_error(row, bug, resumable=False)

    def _end_with_error(self, row: RowMapping, error: IntegrationError, steps: RecordedSteps) -> None:
        steps.known.take_out_of(error)
        if error.run_status == "waiting":
            steps.left_behind = isinstance(error, PluginHangs)
            self._wait(row, error, progressed=steps.progressed)
        elif error.restart and row["outage_since"] and row["carried"]:
            # It is what was done before the outage that is out of date, such as a link that has run out.
            self.attempts.try_again(row, resume=False)
        else:
            # A refusal was right for what was seen then: asked again, everything is looked at again.
            may_resume = steps.failed is not None and not error.restart and error.is_resumable
            self._finish_with_error(row, error, resumable=may_resume)

    def _steps(self, row: RowMapping) -> RecordedSteps:
        return RecordedSteps(
            self.store,
            self.engine,
            self.locks,
            self.clock,
            self.retry_policy,
            row["id"],
            row["attempt"],
            self._origin(row),
            carried=row["carried"] or {},
            forgotten=self.restored or row["facts"].get("forgotten", False),
            plugin=row["plugin"],
        )

    def _begin(self, row: RowMapping) -> Mapping[str, Any] | None:
        """Give the settings of this attempt; None when they or the plugin changed since, and another one takes over."""
        settings = self._settings(row)
        if settings is None:
            with self.store.write() as db:
                # Switched on again, it gets the quote when that is accepted again.
                rows.change(db, row["id"], facts={**row["facts"], "version": None})
            self._finish(row, _switched_off(row))
            return None
        current = self.settings.digest(settings)
        with self.store.write() as db:
            quotes.lock(db, row["workspace"], row["quote_id"])
            present = rows.require(db, row["id"])
            # Dismissed meanwhile, say: a run that waited must not wake up after that.
            if present["attempt"] != row["attempt"] or present["status"] in rows.FINISHED:
                raise AttemptOver
            origin, before = self._origin(row), present["facts"].get("origin")
            if before not in (None, origin):
                # What another release's steps gave back means something to that release only (ADR 0071).
                rows.change(db, row["id"], facts={**present["facts"], "origin": origin, "forgotten": True})
            if row["settings_digest"] not in (None, current) or before not in (None, origin):
                self.attempts.begin_anew(db, row)
                return None
            values = {"status": "running", "settings_digest": current, "error": None, "waits_until": None}
            if row["error"] and row["error"]["code"] in _FOR_PEOPLE:
                values["outage_since"] = None  # the service has not been met: its time begins with the next outage
            rows.change(db, row["id"], **values, facts={**present["facts"], "origin": origin})
        return settings

    def _settings(self, row: RowMapping) -> Mapping[str, Any] | None:
        """The settings that the run is worked with; None where its integration is switched off."""
        workspace, plugin = row["workspace"], row["plugin"]
        if row["kind"] == rows.PLATFORM_EVENT:
            return asdict(self.contexts.platforms.configurations.of(workspace))
        if not self.settings.is_enabled(workspace, plugin):
            return None
        if not self.plugins.is_loaded(plugin):
            raise self._not_loaded(row)
        return self.settings.effective(workspace, plugin)

    def _not_loaded(self, row: RowMapping) -> RetryableError:
        """Why the run's integration cannot be called, by the distribution that is to blame or was there before."""
        plugin = row["plugin"]
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

    def _origin(self, row: RowMapping) -> str:
        return next((status.origin for status in self.plugins.statuses if status.id == row["plugin"]), "")

    def _call(self, row: RowMapping, settings: Mapping[str, Any], steps: RecordedSteps) -> Outcome:
        if row["kind"] not in _KINDS:
            title = "A newer release has asked for this run, which this worker's does not know."
            raise RetryableError(title, hint="A worker of the newer release takes it.", code="newer_release")
        if row["kind"] == rows.PLATFORM_EVENT:
            return self.platform_events.fetch(row, steps)
        workspace, plugin, facts = row["workspace"], row["plugin"], row["facts"]
        ctx = self.contexts.make(workspace, plugin, settings, step=steps, quote_id=row["quote_id"], run_id=row["id"])
        steps.known = secrets_known_to(ctx)
        if row["kind"] == "webhook":
            return self.plugins.on_webhook(plugin, ctx, self._event(row))
        if row["kind"] == rows.UPKEEP:
            return self._upkeep(row, ctx)
        quote = self._quote(workspace, row["quote_id"])
        if row["kind"] in TAKING_BACK:
            hooks = {"undo": self.plugins.undo_quote, "void": self.plugins.void_invoice}
            return hooks.get(row["kind"], self.plugins.on_quote_cancelled)(plugin, ctx, quote)
        if row["kind"] == "installment":
            return self.plugins.on_installment_due(plugin, ctx, InstallmentRequest(quote, facts["number"]))
        return self.plugins.on_quote_accepted(plugin, ctx, quote)

    def _upkeep(self, row: RowMapping, ctx: HookContext) -> Outcome:
        report = self.plugins.on_upkeep(row["plugin"], ctx, UpkeepRequest(row["facts"]["roll_secrets"]))
        found = self.runs.receive_found(row["workspace"], row["plugin"], report.events)
        if not found:
            return report.outcome
        told = (
            f"Nobody had told us of {event.type}, quote {event.quote_id}: it is worked." for event in found.values()
        )
        status = "succeeded" if report.outcome.status == "skipped" else report.outcome.status
        result = {**report.outcome.result, "found_runs": list(found)}
        return replace(report.outcome, status=status, notes=(*report.outcome.notes, *told), result=result)

    def _quote(self, workspace: str, quote_id: str) -> Quote:
        with self.store.read() as db:
            quote = quotes.get(db, workspace, quote_id)
        return self.contexts.platforms.with_saved_ids(workspace, quote)

    def _event(self, row: RowMapping) -> WebhookEvent:
        with self.store.read() as db:
            found = webhooks.find(db, row["workspace"], row["plugin"], row["facts"]["event_id"])
        if not found["body"]:
            raise PermanentError(
                "What the service said then is no longer kept.",
                hint="Look at the service itself; nothing was changed.",
                code="event_forgotten",
            )
        return WebhookEvent(
            found["event_id"], found["type"], parse_json(found["body"]), row["quote_id"], found["account"] or ""
        )

    # -- how a run waits --------------------------------------------------------------------------

    def _wait(self, row: RowMapping, error: IntegrationError, *, progressed: bool) -> None:
        """Let the run go on later with what it has done, or end it when its outage has lasted too long."""
        record = self.contexts.make(row["workspace"], row["plugin"], {}).records.get(row["quote_id"])
        now = self.clock.now()
        with self.store.write() as db:
            quotes.lock(db, row["workspace"], row["quote_id"])
            present = rows.require(db, row["id"])
            if present["attempt"] != row["attempt"] or present["status"] in rows.FINISHED:
                return
            # Whatever was done since the last wait, its service was there: what is met now is another outage.
            since = (None if progressed else present["outage_since"]) or now
            until = self.retry_policy.next_try(since, now, getattr(error, "retry_after", None))
            if until is None and error.code in _FOR_PEOPLE:
                until = (
                    now + self.retry_policy.waits[-1]
                )  # no service has refused anything: nobody's patience is used up
            if until is None:
                self._give_up(db, row, error)
                return
            hint = error.hint or "It goes on by itself. Retry the run to try at once."
            shown = {"code": error.code, "title": error.title, "hint": hint}
            outcome = {**outcome_of(record, now), "notes": rows.own_notes(present)}
            self.attempts.resume(db, present, wait=Wait(until, since, shown, outcome))
            if error.code in {*_FOR_PEOPLE, PluginHangs.default_code}:
                self.alerts.plugin_stuck(db, row, shown)
            if error.code in MAIL_WAITS:
                self.alerts.mail_waits(db, row, shown, since)
        log.info("run.waits", extra={"run_id": row["id"], "until": until.isoformat(), "code": error.code})

    def _give_up(self, db: Connection, row: RowMapping, error: IntegrationError) -> None:
        rows.fail_waiting_steps(db, row["id"])
        exhausted = PermanentError(
            f"{error.title} Given up after {self.retry_policy.patience.days} days.",
            hint=error.hint or "Retry the run when the service is well again.",
            code="retries_exhausted",
        )
        self._finish_with_error(row, exhausted, resumable=True)

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

    def set_aside(self, job_id: str) -> None:
        """End a run at which worker after worker died; what it has done stays done."""
        with self.store.write() as db:
            row = self._unfinished(db, job_id)
            if row is not None:  # a worker that was only asleep must not go on
                holds.take(db, row["workspace"], row["plugin"], row["quote_id"], job_id)
        if row is None:
            return
        poison = IntegrationError(
            "Three workers died while they worked this run, all at the same step.",
            hint="Look into their logs (memory, perhaps), then retry the run: it resumes at that step.",
            code="set_aside",
        )
        self._finish_with_error(row, poison, resumable=True)

    def resume_stranded(self) -> None:
        """Try the runs again whose job is over though they are not: their last write failed (a full disk, say).

        Those that waited for their integration to be installed, mended, or rid of calls that hang, go on, too.
        """
        with self.store.read() as db:
            open_runs = rows.all_unfinished(db)
        ended = self.engine.which_ended([job_of(row["id"], row["attempt"]) for row in open_runs])
        for row in open_runs:
            stuck = row["status"] == "waiting" and row["error"]["code"] in {*_FOR_PEOPLE, PluginHangs.default_code}
            mended = stuck and self.plugins.is_loaded(row["plugin"])
            fits = mended and self.settings.unfit(row["workspace"], row["plugin"]) is None
            if fits or job_of(row["id"], row["attempt"]) in ended:
                self.attempts.try_again(row, resume=True)

    def _finish(self, row: RowMapping, outcome: Outcome) -> None:
        error = None
        if outcome.status == "needs_attention" or outcome.code:
            error = redacted({"code": outcome.code, "title": outcome.title, "hint": outcome.hint})
        refused = outcome.code in _REFUSED
        self._end(row, outcome.status, outcome.notes, outcome.result, error, resumable=False, refused=refused)

    def _finish_with_error(self, row: RowMapping, error: IntegrationError, *, resumable: bool) -> None:
        shown = {"code": error.code, "title": error.title, "hint": error.hint}
        refused = isinstance(error, CredentialsError)
        self._end(row, error.run_status, (), {}, shown, resumable=resumable, refused=refused)

    def _end(
        self,
        row: RowMapping,
        status: str,
        notes: Sequence[str],
        result: Mapping[str, Any],
        error: Mapping[str, Any] | None,
        *,
        resumable: bool,
        refused: bool,
    ) -> None:
        if status in {"needs_attention", "failed"} and error is not None and not error["hint"]:
            # An integration that says what happened, and leaves its reader with it.
            error = {**error, "hint": "Mend what it names, then retry the run; or dismiss it."}
        record = self.contexts.make(row["workspace"], row["plugin"], {}).records.get(row["quote_id"])
        now = self.clock.now()
        with self.store.write() as db:
            quotes.lock(db, row["workspace"], row["quote_id"])
            present = rows.require(db, row["id"])
            if present["attempt"] != row["attempt"] or present["status"] == "dismissed":
                return  # the quote was corrected meanwhile: another attempt takes over; or nothing is wanted any more
            outcome = redacted({**outcome_of(record, now), **result, "notes": [*notes, *rows.own_notes(present)]})
            rows.change(
                db,
                row["id"],
                status=status,
                outcome=outcome,
                error=error,
                resumable=resumable,
                outage_since=None,
                finished_at=now,
            )
            self._settle(db, row)
            if status == "succeeded":
                worked_in_a_run(db, present)
            if record is not None and record.payment_status in {"paid", "void"}:
                self.runs.invoice_is_closed(db, present, record.payment_status)
            self.alerts.run_ended(db, present, status, error, refused=refused)
            if lacks_something({**row, "status": status, "error": error}):
                self.runs.note_cause(db, row["workspace"], row["quote_id"])
        RUNS_ENDED.labels(row["plugin"], row["kind"], status).inc()
        RUN_SECONDS.labels(row["plugin"], row["kind"]).observe((now - row["created_at"]).total_seconds())
        log.info("run.ended", extra={"run_id": row["id"], "status": status})

    def _settle(self, db: Connection, row: RowMapping) -> None:
        """Once every integration has worked on the corrected quote, there is no way back to the one before."""
        runs_of_quote = rows.of_quote(db, row["workspace"], row["quote_id"], kind="quote_accepted")
        if all(one["status"] in {"succeeded", "skipped"} for one in runs_of_quote):
            quotes.settle(db, row["workspace"], row["quote_id"])
            for one in runs_of_quote:
                rows.change(db, one["id"], facts={**one["facts"], "before": None})


def _switched_off(row: RowMapping) -> Outcome:
    """How a run ends whose integration is switched off: a quote waits for it, what it should take back is there."""
    if row["kind"] in TAKING_BACK:
        return Outcome.needs_attention(
            "integration_off",
            "The integration is switched off: what it made of the quote is still there.",
            hint="Switch it on, then retry the run; or take it back in the service itself, then dismiss the run.",
        )
    said = "The integration is switched off for this workspace."
    if row["kind"] != "quote_accepted":
        return Outcome.skipped(said)
    return Outcome.skipped(said, code=SWITCHED_OFF, hint="Switch it on, then run the quote.")
