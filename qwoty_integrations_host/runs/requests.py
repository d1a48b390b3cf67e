"""Starts runs: for accepted and cancelled quotes, people's requests, webhooks, the schedule, and retries.

A run is one plugin's work on one event of one quote. It is stored together with its job, in one transaction.
Each attempt is one job of the engine; executor.py executes it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from ..alerts.recording import Alerts
from ..clock import Clock
from ..contract.exact_json import parse_json
from ..contract.hook_types import WebhookEvent, WebhookRequest
from ..contract.installments import due_installment, may_be_asked_for, pick_installment
from ..contract.quote import Quote
from ..contract.quote_document import id_of, load_quote
from ..contract.record import QuoteRecord
from ..engine.attempts import Attempts, job_id
from ..engine.interface import Engine
from ..errors import (
    ActionRefused,
    DatabaseUnavailable,
    HostError,
    IntegrationError,
    MalformedInput,
    NotFound,
    SettingsIncomplete,
    WebhookRejected,
)
from ..observability.actor import actor
from ..quotes.run import MAKING, TAKING_BACK, Run, RunKind, RunStatus
from ..quotes.standing import is_a_mail
from ..quotes.stops import require_voidable
from ..quotes.without_invoice import cause, explanation_of
from ..reports.runs import outcome_of
from ..store import audit, mails, quotes, webhooks
from ..store import runs as rows
from ..store import steps as step_rows
from ..store.database import Store
from ..store.platforms import PLATFORM
from ..store.plugin_storage import quotes_due, records_of_quote
from ..store.workspaces import lock_workspace, require_workspace, timezone_of
from ..workspaces.integration import Integrations, WithIntegrations
from .rejected_webhooks import RejectedWebhooks

log = logging.getLogger(__name__)

#: The time zone in which each day begins first.
_EARLIEST = timezone(timedelta(hours=14))
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to an accepted quote. ``duplicate``: the quote was accepted before, and the runs are from then.

    ``corrected``: it was accepted before with other contents, and the change was taken. The runs begin anew, unless an
    invoice is final; then the remaining work uses the correction. ``anew``: it was cancelled or undone, and begins
    anew. ``cancelled``: the document says that the quote is cancelled, and the runs are those of the cancellation.
    """

    quote_id: str
    duplicate: bool
    run_ids: tuple[str, ...]
    corrected: bool = False
    anew: bool = False
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer to a cancellation. ``duplicate``: the quote was cancelled before, and the runs are from then."""

    quote_id: str
    duplicate: bool
    run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Runs(WithIntegrations):
    """The runs of one host."""

    store: Store
    engine: Engine
    integrations: Integrations
    clock: Clock
    attempts: Attempts
    refusals: RejectedWebhooks
    alerts: Alerts

    # -- what starts a run -----------------------------------------------------------------------

    def accept(self, workspace: str, document: Any, *, told_at: datetime | None = None) -> Accepted:
        """Store an accepted quote and queue one run per enabled plugin, in one transaction.

        ``told_at``: when the platform announced the acceptance; a quote that was cancelled or undone since stays so.

        If the document's status says that the quote is cancelled, cancel the quote instead. Raises: NotFound for the
        workspace, or for a cancelled quote that was never accepted here; InvalidInput for the quote. Then nothing is
        stored.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
        if status := self._says_cancelled(workspace, document):
            ended = self.cancel(workspace, id_of(document, workspace_id=workspace), how=status)
            return Accepted(ended.quote_id, ended.duplicate, ended.run_ids, cancelled=True)
        now = self.clock.now()
        quote = load_quote(document, workspace_id=workspace, received_at=now)
        with self.store.write() as db:
            is_new = quotes.add(db, quote, document, now)
            if not is_new and told_at is not None and quotes.stops(db, workspace, quote.id).since(told_at):
                there = rows.of_quote(db, workspace, quote.id, kind=RunKind.QUOTE_ACCEPTED)
                return Accepted(quote.id, True, tuple(run.id for run in there))
            anew = not is_new and self._lift_stops(db, quote)
            corrected = not is_new and self._correct(db, quote, document, anew=anew)
            stored = replace(quote, version=quotes.version(db, workspace, quote.id))
            for plugin in self._takers(workspace):
                # A plugin that was enabled since gets the quote, too, but only once.
                self._start(db, plugin, stored)
            found = rows.of_quote(db, workspace, quote.id, kind=RunKind.QUOTE_ACCEPTED)
            if not found or not is_new:
                self.note_cause(db, workspace, quote.id)
        duplicate = not (is_new or corrected or anew)
        return Accepted(quote.id, duplicate, tuple(run.id for run in found), corrected, anew)

    def _says_cancelled(self, workspace: str, document: Any) -> str:
        """Return the document's status if it means that the quote is cancelled, and an empty string otherwise."""
        status = document.get("status") if isinstance(document, Mapping) else None
        if not isinstance(status, str) or status.lower() == "accepted":
            return ""
        return status if self.contexts.platforms.configurations.of(workspace).means_cancelled(status) else ""

    def _lift_stops(self, db: Connection, quote: Quote) -> bool:
        """Lift the stops of a quote that is accepted again, and dismiss the runs that still take something back.

        Return whether the quote was cancelled or undone.
        """
        workspace = quote.workspace_id
        quotes.lock(db, workspace, quote.id)
        stops = quotes.stops(db, workspace, quote.id)
        if stops.cancelled is None and not stops.undone:
            return False
        quotes.lift_stops(db, workspace, quote.id)
        for run in rows.of_quote(db, workspace, quote.id):
            if run.kind == RunKind.QUOTE_ACCEPTED and stops.holds(run.plugin):
                step_rows.renew_keys(db, run.id, self.clock.now())
                # ``put_back`` must not restore how the run ended before the stop.
                rows.change(db, run.id, facts={**run.facts, "before": {}})
            elif run.kind in TAKING_BACK and not run.is_dealt_with:
                self._dismiss(db, run, "the quote is accepted again")
        return True

    def _takers(self, workspace: str) -> list[str]:
        """Return the enabled plugins that take accepted quotes.

        A plugin that does not load is among them: its run waits, visibly, and goes on when the plugin loads.
        """
        enabled, can = self.settings.enabled_plugins(workspace), self.plugins
        return [one for one in enabled if not can.is_loaded(one) or can.implements(one, "on_quote_accepted")]

    def run_quote(self, workspace: str, quote_id: str, plugin: str | None = None) -> list[str]:
        """Queue the work that a stored quote still lacks, by one plugin or by all enabled ones; return the runs' ids.

        An existing run is retried, unless it is queued, running or succeeded.
        Raises: NotFound; ActionRefused, with the reason, when nothing can be queued.
        """
        begun: list[str] = []
        with self.store.write() as db:
            self._require_quote(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            there = {run.plugin: run for run in rows.of_quote(db, workspace, quote_id, kind=RunKind.QUOTE_ACCEPTED)}
            takers = self.takers(workspace, plugin)
            stops = quotes.stops(db, workspace, quote_id)
            for one in takers:
                stops.refuse(one)
                if one not in there:
                    self._start(db, one, quotes.get(db, workspace, quote_id))
                elif there[one].status not in {RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.SUCCEEDED}:
                    self.retry(there[one].id)
                else:
                    continue
                begun.append(one)
            if not begun:
                raise _done_already(there[takers[0]])
            audit.note(db, workspace, "quote.run", quote_id, self.clock.now())
            self.note_cause(db, workspace, quote_id)
            found = rows.of_quote(db, workspace, quote_id, kind=RunKind.QUOTE_ACCEPTED)
        return [run.id for run in found if run.plugin in begun]

    def takers(self, workspace: str, plugin: str | None = None) -> list[str]:
        """Return the plugins that get an accepted quote when it is run: the given one, or all that take quotes.

        Raises: NotFound; ActionRefused when there is none.
        """
        takers = self._takers(workspace)
        if plugin is None:
            if not takers:
                raise ActionRefused(
                    "No integration is enabled for this workspace.", hint="Switch one on, then run the quote."
                )
            return takers
        title = self.plugins.manifest(plugin).title if plugin not in takers else ""
        if plugin not in self.settings.enabled_plugins(workspace):
            raise ActionRefused(f"{title} is not enabled for this workspace.", hint="Switch it on, then run the quote.")
        if plugin not in takers:
            raise ActionRefused(f"{title} does nothing when a quote is accepted.", hint="Choose another integration.")
        return [plugin]

    def dismiss_quote(self, workspace: str, quote_id: str, reason: str) -> None:
        """Note that a quote needs no invoice any more, because a person has dealt with it.

        A dismissed run stands for the quote, so the quote can still be run. Raises: NotFound; ActionRefused when the
        quote lacks nothing, or no installed integration takes quotes.
        """
        with self.store.write() as db:
            self._require_quote(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            if quotes.why_without_invoice(db, workspace, quote_id) is None:
                raise ActionRefused(
                    "This quote does not wait for an invoice: there is nothing to dismiss.",
                    hint="If one of its runs needs attention, dismiss that run.",
                )
            lacking = [run for run in rows.of_quote(db, workspace, quote_id) if run.lacks_something]
            for run in lacking or [self._never_begun(db, workspace, quote_id)]:
                self._dismiss(db, run, reason)
            self.note_cause(db, workspace, quote_id)
            audit.note(db, workspace, "quote.dismissed", quote_id, self.clock.now())

    def _never_begun(self, db: Connection, workspace: str, quote_id: str) -> Run:
        """Store a run without a job for a quote that no plugin got, and return it.

        The run is that of a plugin that makes invoices, and of an enabled one, if possible.
        """
        enabled, loaded = set(self.settings.enabled_plugins(workspace)), self.plugins.loaded()
        takers = [one for one in loaded if self.plugins.implements(one, "on_quote_accepted")]
        best = sorted(takers, key=lambda one: (one not in self.plugins.makers(), one not in enabled))
        if not best:
            raise ActionRefused("No integration is installed.", hint="Install one, then dismiss the quote.")
        facts = {"version": quotes.version(db, workspace, quote_id)}
        row = self._row(workspace, best[0], RunKind.QUOTE_ACCEPTED, quote_id, subject=quote_id, facts=facts)
        rows.add(db, {**row, "outcome": {**outcome_of(None, row["created_at"]), "notes": []}})
        return rows.require(db, row["id"])

    def note_cause(self, db: Connection, workspace: str, quote_id: str) -> None:
        """Store with the quote why it has no invoice, or that it lacks nothing; alert people once for each cause."""
        found = rows.of_quote(db, workspace, quote_id, kind=RunKind.QUOTE_ACCEPTED)
        enabled = self.settings.enabled_plugins(workspace)
        is_cancelled = quotes.stops(db, workspace, quote_id).cancelled is not None
        code = None if is_cancelled else cause(found, makers=self.plugins.makers(), enabled=enabled)
        quotes.note_without_invoice(db, workspace, quote_id, code)
        if code:
            self.alerts.quote_without_invoice(db, workspace, quote_id, explanation_of(code, found, enabled=enabled))

    def _correct(self, db: Connection, quote: Quote, document: Any, *, anew: bool) -> bool:
        """Replace the stored quote by a changed one, unless a final invoice forbids it; return whether it was replaced.

        A final invoice states what was signed, so a change of that only adds a note to the runs. A change of what was
        not signed is always taken. If an invoice is final, the version and the invoice stay, and only the remaining
        work uses the change (ADR 0060).
        """
        quotes.lock(db, quote.workspace_id, quote.id)
        stored = quotes.get(db, quote.workspace_id, quote.id)
        quote, changes = replace(quote, timezone=stored.timezone), stored.unsigned_changes(quote)
        if stored.is_as_signed(quote) and not changes:
            return False
        records = records_of_quote(self.store, quote.workspace_id, quote.id)
        gone = {"void"} if anew else set()  # a new invoice replaces a void one
        invoices = [record.invoice for record in records.values() if record.invoice and record.is_final]
        final = next((invoice for invoice in invoices if invoice.status not in gone), None)
        if stored.is_as_signed(quote) and (final is not None or changes == ("owner",)):
            quotes.replace_unsigned(db, quote, document)
            self._note_taken(db, quote, changes)
            for run in rows.of_quote(db, quote.workspace_id, quote.id):
                if run.status == RunStatus.RUNNING and run.kind in {"quote_accepted", "installment"}:
                    self.attempts.resume(db, run)  # the present attempt got the quote as it was before
            return True
        if final is None:
            present = rows.of_quote(db, quote.workspace_id, quote.id, kind=RunKind.QUOTE_ACCEPTED)
            begun = (run for run in present if run.status != RunStatus.QUEUED)
            was_worked = any(run.facts.get("version") == stored.version for run in begun)
            quotes.correct(db, quote, document, was_worked=was_worked)
            return True
        self._note_change(db, quote, f"Invoice {final.id} is {final.status} already.")
        return False

    def _note_taken(self, db: Connection, quote: Quote, changes: Sequence[str]) -> None:
        """Add a note to the quote's runs for each correction."""
        day = self._today(db, quote.workspace_id, quote).isoformat()
        said = {
            "contacts": f"The contacts were corrected on {day}: what is still to be sent goes to the corrected ones.",
            "language": f"The language was corrected on {day}: what is still to be sent is written in it.",
            "owner": f"The owner's e-mail address was corrected on {day}: answers to later mails go there.",
        }
        for change in changes:
            for run in rows.of_quote(db, quote.workspace_id, quote.id, kind=RunKind.QUOTE_ACCEPTED):
                self._note(db, run, said[change])

    def _note_change(self, db: Connection, quote: Quote, why: str) -> None:
        """Add a note to the quote's runs that a change came too late. A repeated change adds no second note."""
        day = self._today(db, quote.workspace_id, quote).isoformat()
        total = f", over {quote.totals.total_amount:f} {quote.currency}" if quote.totals else ""
        undone = f"{why} Nothing was changed: correct it there, or by a new quote."
        note = f"A changed quote arrived on {day}{total}. {undone}"
        for run in rows.of_quote(db, quote.workspace_id, quote.id, kind=RunKind.QUOTE_ACCEPTED):
            if not any(_DAY.sub("", note) == _DAY.sub("", known) for known in run.facts.get("changes", [])):
                self._note(db, run, note)

    def _note(self, db: Connection, run: Run, note: str) -> None:
        """Add a note about a change to a run. Later attempts keep the note."""
        shown = run.outcome and {**run.outcome, "notes": [*run.outcome["notes"], note]}
        changes = [*run.facts.get("changes", []), note]
        rows.change(db, run.id, facts={**run.facts, "changes": changes}, outcome=shown)

    def _start(self, db: Connection, plugin: str, quote: Quote) -> None:
        """Queue a plugin's work on this version of the quote, unless its run already has this version."""
        workspace, facts = quote.workspace_id, {"version": quote.version}
        if self._add(db, workspace, plugin, RunKind.QUOTE_ACCEPTED, quote.id, subject=quote.id, facts=facts):
            return
        run = next(r for r in rows.of_quote(db, workspace, quote.id, kind=RunKind.QUOTE_ACCEPTED) if r.plugin == plugin)
        if run.facts.get("version", "") != quote.version:
            # Keep how the run ended before the correction ({} if it had not), so that ``put_back`` can restore it.
            before = run.facts.get("before")
            if before is None:
                names = ("status", "outcome", "error") if run.is_finished else ()
                before = {name: getattr(run, name) for name in names}
            rows.change(db, run.id, facts={**run.facts, **facts, "before": before})
            self.attempts.begin_anew(db, run)

    def put_back(self, run: Run, why: str) -> bool:
        """Put the quote back to the version of its final invoice; return False if there is no correction to undo.

        The correction's contacts, language and owner stay, if it changes nothing else.
        """
        workspace, quote_id = run.workspace, run.quote_id
        with self.store.write() as db:
            quotes.lock(db, workspace, quote_id)
            if not rows.is_current(db, run.id, run.attempt):
                return True  # another correction has begun another attempt, which will find the invoice itself
            late, document = quotes.get(db, workspace, quote_id), quotes.document(db, workspace, quote_id)
            record = records_of_quote(self.store, workspace, quote_id).get(run.plugin)
            made_of = record.invoice.version if record and record.invoice else ""
            if not quotes.put_back(db, workspace, quote_id, made_of):
                return False
            kept = quotes.get(db, workspace, quote_id)
            if kept.is_as_signed(late):
                quotes.replace_unsigned(db, late, document)
                self._note_taken(db, late, kept.unsigned_changes(late))
            else:
                self._note_change(db, late, why)
            for other in rows.of_quote(db, workspace, quote_id, kind=RunKind.QUOTE_ACCEPTED):
                if other.id == run.id or other.status == RunStatus.QUEUED:
                    self._return(db, other, kept)
                else:
                    self._start(db, other.plugin, kept)
            if run.kind != RunKind.QUOTE_ACCEPTED:
                self.attempts.begin_anew(db, run)
        return True

    def _return(self, db: Connection, run: Run, quote: Quote) -> None:
        """Restore a run to its state before the correction: ended, or queued with the earlier version."""
        ended = run.facts.get("before")
        if not ended or run.facts.get("version") == quote.version:
            self._start(db, run.plugin, quote)
            return
        now, notes = self.clock.now(), ended["outcome"]["notes"]
        record = records_of_quote(self.store, quote.workspace_id, quote.id).get(run.plugin)
        changes = [note for note in run.facts.get("changes", []) if note not in notes]
        outcome = {**ended["outcome"], **outcome_of(record, now), "notes": [*notes, *changes]}
        facts = {**run.facts, "version": quote.version, "before": None}
        rows.change(db, run.id, **{**ended, "outcome": outcome}, facts=facts, finished_at=now)

    def request_installment(
        self, workspace: str, quote_id: str, number: int | None, *, look_first: bool = False
    ) -> str:
        """Queue the sending of an installment and return the run's id; without a number, send the lowest unpaid one.

        With ``look_first``, the record refuses only what cannot have changed at the service meanwhile; the run looks
        there and decides. Raises: NotFound; ActionRefused, with the reason, when the installment cannot be sent now.
        """
        with self.store.write() as db:
            quotes.lock(db, workspace, quote_id)
            plugin, record = self._installments(workspace, quote_id)
            quotes.stops(db, workspace, quote_id).refuse(plugin)
            (may_be_asked_for if look_first else pick_installment)(record, number, self.clock.now())
            for run in rows.of_quote(db, workspace, quote_id):
                if run.kind == RunKind.INSTALLMENT and not run.is_finished:
                    raise ActionRefused(
                        f"An installment of this quote is being sent by run {run.id}.", hint=_way_out(run)
                    )
            # Without a number, the plugin picks the installment again, when it knows what was paid meanwhile.
            subject, facts = uuid4().hex, {"number": number}
            added = self._add(db, workspace, plugin, RunKind.INSTALLMENT, quote_id, subject=subject, facts=facts)
            audit.note(db, workspace, "installment.asked_for", quote_id, self.clock.now())
        assert added is not None, "its subject is its own"
        return added

    def request_due_installments(self) -> list[str]:
        """Queue the sending of every later installment that is due in its quote's time zone; return the runs' ids.

        Only plugins that send due installments take part.
        """
        latest = self.clock.now().astimezone(_EARLIEST).date()
        asked: list[str | None] = []
        for (workspace, plugin), quote_ids in quotes_due(self.store, latest).items():
            try:
                if self._sends_due_installments(workspace, plugin):
                    asked += [self._request_due(workspace, plugin, quote_id) for quote_id in quote_ids]
            except DatabaseUnavailable:
                raise
            except IntegrationError:
                # A bug in one integration must not stop the others.
                log.exception("installments.not_requested", extra={"workspace": workspace, "plugin": plugin})
        return [run_id for run_id in asked if run_id]

    def _sends_due_installments(self, workspace: str, plugin: str) -> bool:
        one = self.integrations.of(workspace, plugin)
        if not one.is_enabled or not one.is_loaded or one.unfit:
            return False
        return self.plugins.sends_due_installments(plugin, one.context())

    def _request_due(self, workspace: str, plugin: str, quote_id: str) -> str | None:
        """Queue the sending of a quote's due installment and return the run's id; None if there is nothing to queue.

        While another link stands in the way, there is one try a day. A person decides about an installment whose
        sending failed.
        """
        with self.store.write() as db:
            quotes.lock(db, workspace, quote_id)
            if quotes.stops(db, workspace, quote_id).holds(plugin):
                return None
            record = records_of_quote(self.store, workspace, quote_id)[plugin]
            today = self._today(db, workspace, quotes.get(db, workspace, quote_id))
            number = due_installment(record, today)
            before = [run for run in rows.of_quote(db, workspace, quote_id) if run.plugin == plugin]
            if number is None or any(not run.is_finished or _tried(run, number) for run in before):
                return None
            try:
                pick_installment(record, number, self.clock.now())
            except ActionRefused:
                return None
            subject, facts = f"due:{number}:{today.isoformat()}:{quote_id}", {"number": number}
            return self._add(db, workspace, plugin, RunKind.INSTALLMENT, quote_id, subject=subject, facts=facts)

    def _today(self, db: Connection, workspace: str, quote: Quote | None = None) -> date:
        """Return today's date in the time zone of the quote, or of the workspace (UTC if it has none)."""
        zone = quote.timezone if quote else timezone_of(db, workspace) or UTC
        return self.clock.now().astimezone(zone).date()

    def request_upkeep(
        self, workspace: str, plugin: str, *, roll_secrets: bool = False, unless_within: timedelta | None = None
    ) -> str | None:
        """Queue an upkeep of a plugin's connection and return the run's id.

        With ``unless_within``, return None if an upkeep is under way or began within that time. Without it, raise
        ActionRefused while an upkeep is under way.
        """
        with self.store.write() as db:
            lock_workspace(db, workspace)
            last, now = rows.last_upkeep(db, workspace, plugin), self.clock.now()
            if last is not None and not last.is_finished:
                if unless_within is None:
                    raise ActionRefused(f"Run {last.id} looks after it now.", hint="Wait for that run to end.")
                return None
            if last is not None and unless_within is not None and now - last.created_at < unless_within:
                return None
            if last is not None and last.is_open:
                # The new upkeep will report what is still wrong. So one upkeep is open at most, not one per hour.
                outcome = last.outcome or {}
                notes = [*outcome["notes"], "A later upkeep took its place."]
                rows.change(db, last.id, status=RunStatus.DISMISSED, outcome={**outcome, "notes": notes})
            facts = {"roll_secrets": roll_secrets}
            return self._add(db, workspace, plugin, RunKind.UPKEEP, "", subject=uuid4().hex, facts=facts)

    def request_fetch(self, workspace: str, quote_id: str, *, event_id: str, event_type: str) -> str:
        """Queue the fetch of a quote that the workspace's platform announced; return the run's id."""
        facts = {"event_id": event_id, "type": event_type}
        with self.store.write() as db:
            added = self._add(db, workspace, PLATFORM, RunKind.PLATFORM_EVENT, quote_id, subject=event_id, facts=facts)
        assert added is not None, "an event is stored once, together with its run"
        return added

    def receive_found(self, workspace: str, plugin: str, events: Sequence[WebhookEvent]) -> dict[str, WebhookEvent]:
        """Store and queue the events that an upkeep found, as if delivered; return the new ones by their runs' ids."""
        new: dict[str, WebhookEvent] = {}
        for event in events:
            _, run_id = self._store_event(workspace, plugin, event, json.dumps(event.payload).encode(), found=True)
            if run_id is not None:
                new[run_id] = event
        return new

    def receive_webhook(self, workspace: str, plugin: str, request: WebhookRequest) -> str:
        """Authenticate, store and queue a webhook; return ``stored``, ``duplicate``, or ``ignored`` (no quote of ours).

        Raises: NotFound for an unknown address; WebhookRejected, also for a body that is not JSON; HostError while the
        plugin is not loaded or its settings do not fit, so that the service delivers it again. Then nothing is stored,
        and the rejection is counted if the integration is enabled.
        """
        settings = self.settings.if_enabled(workspace, plugin)
        if settings is None:
            raise _unknown_address()
        try:
            event = self._authenticated(workspace, plugin, settings, request)
        except IntegrationError as error:
            self.refusals.note(workspace, plugin, error.code)
            raise
        answer, _ = self._store_event(workspace, plugin, event, request.body)
        return answer

    def _authenticated(
        self, workspace: str, plugin: str, settings: Callable[[], Mapping[str, Any]], request: WebhookRequest
    ) -> WebhookEvent:
        if not self.plugins.is_loaded(plugin):
            title = f"The integration {plugin!r} is not loaded at the moment: come again."
            raise HostError(title, hint="The list of integrations says why.", code="plugin_not_loaded")
        if not self.plugins.implements(plugin, "on_webhook"):
            raise _unknown_address()
        try:
            ctx = self.contexts.make(workspace, plugin, settings())
        except SettingsIncomplete as error:
            raise HostError(error.title, hint=error.hint, code=error.code) from error
        event = self.plugins.authenticate_webhook(plugin, ctx, request)
        try:
            if event.quote_id is not None:
                parse_json(request.body)  # its run will parse the body, too
        except MalformedInput as error:
            raise WebhookRejected("The webhook's body is no JSON that can be kept.", code="no_event") from error
        return event

    def retry(self, run_id: str) -> str:
        """Queue a new attempt of a run that waits or did not succeed, and return its id.

        The attempt resumes where the last one ended if the run waits or is resumable, and otherwise begins anew.
        Raises: NotFound; ActionRefused when the run succeeded or has not ended, or its quote is cancelled or undone.
        """
        with self.store.write() as db:
            run = rows.require(db, run_id)
            quotes.lock(db, run.workspace, run.quote_id)
            run = rows.require(db, run_id)
            if run.kind in MAKING:
                quotes.stops(db, run.workspace, run.quote_id).refuse(run.plugin)
            waits = run.status == RunStatus.WAITING
            ended = waits or run.is_finished or self.engine.ended(job_id(run_id, run.attempt))
            if not ended:
                raise ActionRefused(f"Run {run_id} has not ended: it is {run.status}.", hint=_WAIT)
            if run.status == RunStatus.SUCCEEDED:
                raise ActionRefused(
                    f"Run {run_id} succeeded: there is nothing to retry.",
                    hint="Accept the quote again if it has changed.",
                )
            if run.error and run.error["code"] == "mail_unsure":
                mails.settle_unsure(db, run.workspace, run.plugin, run.quote_id)
            again = self.attempts.resume if waits or run.resumable else self.attempts.begin_anew
            again(db, run)
            if run.lacks_something:
                self.note_cause(db, run.workspace, run.quote_id)
            audit.note(db, run.workspace, "run.retried", run_id, self.clock.now())
        return run_id

    def retry_fetches(self, workspace: str) -> list[str]:
        """Queue a new attempt of every quote fetch that needs attention; return the runs' ids.

        Called after the platform was set.
        """
        with self.store.read() as db:
            stopped = rows.stopped_fetches(db, workspace)
        return [self.retry(run_id) for run_id in stopped]

    def retry_all_failed(self, workspace: str | None = None) -> list[str]:
        """Queue a new attempt of every failed run, of one workspace or of all; return the runs' ids.

        A run fails when its retries are exhausted, by a bug, or when it is set aside.
        """
        with self.store.read() as db:
            failed = rows.failed(db, workspace)
        return [self.retry(run_id) for run_id in failed]

    def replay(self, workspace: str, plugin: str, event_id: str) -> str:
        """Queue the run of a stored event again and return its id; a run that waits goes on at once.

        Raises: NotFound; ActionRefused when the event has no run, its run is under way, or its body is no longer kept.
        """
        with self.store.write() as db:
            event = webhooks.find(db, workspace, plugin, event_id)
            run = rows.of_event(db, workspace, plugin, event_id)
            if run is None:
                raise ActionRefused(
                    "The event concerned no quote of this workspace, so there is nothing to work.",
                    hint="Was the quote accepted in another workspace?",
                )
            if not event["body"]:
                raise ActionRefused("What the service said then is no longer kept.", hint="Look at the service itself.")
            quotes.lock(db, workspace, run.quote_id)
            run = rows.require(db, run.id)
            if run.status != RunStatus.SUCCEEDED:
                return self.retry(run.id)
            self.attempts.begin_anew(db, run)
            audit.note(db, workspace, "run.retried", run.id, self.clock.now())
        return str(run.id)

    def request_undo(self, run_id: str) -> str:
        """Queue a run that takes back what a run's integration made of the quote; return the new run's id.

        Nothing more is made or sent until the quote is accepted again: the runs that would do so are dismissed.
        Raises: NotFound; ActionRefused while a run of the quote is under way, or if the integration cannot take back.
        """
        with self.store.write() as db:
            run = rows.require(db, run_id)
            workspace, plugin, quote_id = run.workspace, run.plugin, run.quote_id
            if run.kind in {RunKind.UPKEEP, RunKind.PLATFORM_EVENT}:
                raise ActionRefused(
                    "This run makes nothing of a quote: there is nothing to take back.",
                    hint="Undo the run that accepted the quote.",
                )
            quotes.lock(db, workspace, quote_id)
            if not (one := self.integrations.of(workspace, plugin)).is_enabled or not one.supports("undo_quote"):
                raise ActionRefused(
                    "The integration is switched off here, or cannot take back what it made.",
                    hint="Switch it on, or take it back at the service by hand.",
                )
            added = self._take_back(db, workspace, plugin, "undo", quote_id, "the quote is undone")
            audit.note(db, workspace, "run.undone", run_id, self.clock.now())
        return added

    def request_void(self, workspace: str, quote_id: str) -> str:
        """Queue the voiding of a quote's invoice; return the run's id.

        Nothing more is made or sent until the quote is accepted again, which makes a new invoice.
        Raises: NotFound; ActionRefused when it cannot be voided, or while a run of the quote is under way.
        """
        with self.store.write() as db:
            self._require_quote(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            plugin = self.voiding_plugin(workspace, quote_id)
            added = self._take_back(db, workspace, plugin, "void", quote_id, "the invoice is voided")
            audit.note(db, workspace, "invoice.voided", quote_id, self.clock.now())
        return added

    def voiding_plugin(self, workspace: str, quote_id: str) -> str:
        """Return the plugin that can void the quote's invoice now. Raises: ActionRefused, with the reason."""
        for plugin, record in records_of_quote(self.store, workspace, quote_id).items():
            if (one := self.integrations.of(workspace, plugin)).is_enabled and one.supports("void_invoice"):
                require_voidable(record)
                return plugin
        raise ActionRefused(
            "No enabled integration has made an invoice for this quote.",
            hint="Look at the quote's runs: they say why there is no invoice.",
        )

    def invoice_is_closed(self, db: Connection, run: Run, how: str) -> None:
        """Dismiss the open runs that a paid or void invoice settles.

        These are the runs that failed to mail a link and, if the invoice is void, the quote's cancellation.
        """
        for other in rows.of_quote(db, run.workspace, run.quote_id):
            is_open = other.plugin == run.plugin and other.is_open
            if is_open and (is_a_mail(other) or (how, other.kind) == ("void", RunKind.CANCEL)):
                self._dismiss(db, other, f"the invoice is {how}")

    def cancel(self, workspace: str, quote_id: str, *, reason: str = "", how: str = "request") -> Cancelled:
        """Note that a quote is cancelled, stop all work on it, and queue the runs that take back what was made of it.

        ``how``: ``request``, or the platform's event or status. A run that is under way stops at its next step.
        A repeated cancellation changes nothing. Raises: NotFound.
        """
        now = self.clock.now()
        with self.store.write() as db:
            require_workspace(db, workspace)
            if not quotes.exists(db, workspace, quote_id) and self._give_up_fetches(db, workspace, quote_id):
                return Cancelled(quote_id, False, ())
            self._require_quote(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            before = quotes.stops(db, workspace, quote_id).cancelled
            cancelled = before or {"at": now.isoformat(), "by": actor(), "reason": _one_line(reason), "how": how}
            if before is None:
                quotes.cancel(db, workspace, quote_id, cancelled)
                audit.note(db, workspace, "quote.cancelled", quote_id, now)
                self._stop_work(db, workspace, quote_id, "the quote is cancelled")
                self._give_up_fetches(db, workspace, quote_id)
                self.note_cause(db, workspace, quote_id)
                for plugin in self._concerned(workspace, quote_id):
                    subject, facts = uuid4().hex, {"at": cancelled["at"]}
                    self._add(db, workspace, plugin, RunKind.CANCEL, quote_id, subject=subject, facts=facts)
            found = rows.of_quote(db, workspace, quote_id, kind=RunKind.CANCEL)
            run_ids = tuple(run.id for run in found if run.facts["at"] == cancelled["at"])
        return Cancelled(quote_id, before is not None, run_ids)

    def _give_up_fetches(self, db: Connection, workspace: str, quote_id: str) -> bool:
        """Dismiss the runs that have yet to fetch the quote as accepted; return whether there were any."""
        given_up = False
        for run in rows.of_quote(db, workspace, quote_id, kind=RunKind.PLATFORM_EVENT):
            if run.status in {RunStatus.QUEUED, RunStatus.WAITING} or run.is_open:
                self._dismiss(db, run, "the quote is cancelled")
                given_up = True
        return given_up

    def _concerned(self, workspace: str, quote_id: str) -> list[str]:
        """Return the plugins that are told of a cancellation: the enabled ones, and those whose invoice still exists.

        A plugin that does not load is among them, as for an accepted quote.
        """
        records = records_of_quote(self.store, workspace, quote_id)
        left = {plugin for plugin, record in records.items() if record.invoice and record.invoice.status != "void"}
        return [
            plugin
            for plugin in sorted({*self.settings.enabled_plugins(workspace), *left})
            if not self.plugins.is_loaded(plugin) or self.plugins.implements(plugin, "on_quote_cancelled")
        ]

    def _take_back(self, db: Connection, workspace: str, plugin: str, kind: str, quote_id: str, why: str) -> str:
        """Note that a plugin's work on a quote is undone, stop it, and queue the run that takes it back.

        Return that run's id. Raises: ActionRefused while a run of the quote is under way.
        """
        for other in rows.of_quote(db, workspace, quote_id):
            if other.plugin != plugin or other.kind == RunKind.WEBHOOK or other.is_finished:
                continue  # a webhook's run may stay: two runs of a quote are never under way at once
            if other.status != RunStatus.WAITING or other.kind == RunKind.CANCEL:
                raise ActionRefused(f"Run {other.id} of this quote has not ended.", hint=_way_out(other))
            if other.kind in TAKING_BACK:
                self._dismiss(db, other, why)
        undone = {"at": self.clock.now().isoformat(), "by": actor(), "how": kind}
        quotes.undo(db, workspace, quote_id, plugin, undone)
        self._stop_work(db, workspace, quote_id, why, plugin=plugin)
        added = self._add(db, workspace, plugin, kind, quote_id, subject=uuid4().hex)
        assert added is not None, "its subject is its own"
        return added

    def _stop_work(self, db: Connection, workspace: str, quote_id: str, why: str, *, plugin: str | None = None) -> None:
        """Dismiss the runs of a quote that make or send something, of one plugin or of all.

        A run that is under way stops at its next step. Runs that wait to note a payment go on.
        """
        for run in rows.of_quote(db, workspace, quote_id):
            if run.kind in MAKING and plugin in {None, run.plugin}:
                # When the quote is accepted again, these runs begin again, and installments can be requested again.
                rows.change(db, run.id, facts={**run.facts, "version": None, "stopped": True})
                if not run.is_dealt_with:
                    self._dismiss(db, run, why)

    def dismiss(self, run_id: str, reason: str) -> str:
        """Note that a person has dealt with a run, and return its id; the run can still be retried.

        The run needs attention, failed, waits, or did nothing because something was missing.
        Raises: NotFound; ActionRefused when there is nothing to dismiss.
        """
        with self.store.write() as db:
            run = rows.require(db, run_id)
            quotes.lock(db, run.workspace, run.quote_id)
            run = rows.require(db, run_id)
            if not run.may_be_dismissed:
                raise ActionRefused(
                    f"Run {run_id} is {run.status}: there is nothing to dismiss.",
                    hint="Only a run that needs attention, failed, waits, or did nothing for want of something is "
                    "dismissed.",
                )
            self._dismiss(db, run, reason)
            if run.lacks_something:
                self.note_cause(db, run.workspace, run.quote_id)
            audit.note(db, run.workspace, "run.dismissed", run_id, self.clock.now())
        return run_id

    def _dismiss(self, db: Connection, run: Run, reason: str) -> None:
        now = self.clock.now()
        day = self._today(db, run.workspace).isoformat()
        note = f"Dismissed on {day}: {_one_line(reason)}"
        shown = run.outcome or self._figures(run)
        outcome = {**shown, "notes": [*shown["notes"], note]}
        # If a person retries a run that waited, it resumes with what it has done.
        resumable = run.resumable or run.status == RunStatus.WAITING
        finished = run.finished_at or now
        rows.change(db, run.id, status=RunStatus.DISMISSED, outcome=outcome, resumable=resumable, finished_at=finished)

    def _store_event(
        self, workspace: str, plugin: str, event: WebhookEvent, body: bytes, *, found: bool = False
    ) -> tuple[str, str | None]:
        """Store an event, queue its run, and return the answer and the run's id, None without a run."""
        place = {"workspace": workspace, "plugin": plugin, "event_id": event.id}
        whence = {"account": event.account or None, "found": found, "received_at": self.clock.now()}
        row = {**place, **whence, "type": event.type, "body": body}
        with self.store.write() as db:
            if not webhooks.add(db, row):
                if not found:
                    webhooks.count_redelivery(db, row)
                return "duplicate", None
            if event.quote_id is None or not quotes.exists(db, workspace, event.quote_id):
                return "ignored", None
            facts = {"event_id": event.id, "type": event.type}
            return "stored", self._add(
                db, workspace, plugin, RunKind.WEBHOOK, event.quote_id, subject=event.id, facts=facts
            )

    def _add(
        self,
        db: Connection,
        workspace: str,
        plugin: str,
        kind: str,
        quote_id: str,
        *,
        subject: str,
        facts: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Store a run with its job and return its id; None if a run of this kind and subject exists."""
        row = self._row(workspace, plugin, kind, quote_id, subject=subject, facts=facts)
        if not rows.add(db, row):
            return None
        self.engine.enqueue(db, job_id(row["id"], 1), partition=workspace)
        return str(row["id"])

    def _row(
        self, workspace: str, plugin: str, kind: str, quote_id: str, *, subject: str, facts: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the row of a new run."""
        return {
            "id": uuid4().hex,
            "workspace": workspace,
            "plugin": plugin,
            "kind": kind,
            "quote_id": quote_id,
            "subject": subject,
            "facts": dict(facts or {}),
            "status": RunStatus.QUEUED,
            "attempt": 1,
            "resumable": False,
            "created_at": self.clock.now(),
        }

    def _figures(self, run: Run) -> dict[str, Any]:
        """Return the outcome to show for a run that has none yet."""
        record = records_of_quote(self.store, run.workspace, run.quote_id).get(run.plugin)
        return {**outcome_of(record, self.clock.now()), "notes": run.notes}

    def _require_quote(self, db: Connection, workspace: str, quote_id: str) -> None:
        require_workspace(db, workspace)
        if not quotes.exists(db, workspace, quote_id):
            raise quotes.unknown(workspace, quote_id)

    def _installments(self, workspace: str, quote_id: str) -> tuple[str, QuoteRecord]:
        with self.store.read() as db:
            self._require_quote(db, workspace, quote_id)
        for plugin, record in records_of_quote(self.store, workspace, quote_id).items():
            if (one := self.integrations.of(workspace, plugin)).is_enabled and one.supports("on_installment_due"):
                return plugin, record
        raise ActionRefused(
            "No enabled integration has made an invoice for this quote.",
            hint="Look at the quote's runs: they say why there is no invoice.",
        )


_WAIT = "Wait for that run to end."


def _unknown_address() -> NotFound:
    return NotFound(
        "There is no such webhook address.", hint="Switch the integration on, or delete the webhook at the service."
    )


def _one_line(text: str) -> str:
    """Return a person's text as one line of at most 500 characters."""
    return " ".join(text.split())[:500]


def _way_out(run: Run) -> str:
    """Return what a person can do about a run that stands in the way."""
    if run.status != RunStatus.WAITING:
        return _WAIT
    return f"It waits: {run.error_title} Retry that run to try at once, or dismiss it to give it up."


def _done_already(run: Run) -> ActionRefused:
    """Return why a quote has nothing to begin: its run has succeeded, or has not ended."""
    if run.status != RunStatus.SUCCEEDED:
        return ActionRefused(f"Run {run.id} of this quote has not ended.", hint=_way_out(run))
    if run.facts.get("version", "") is None:
        title = f"What run {run.id} made of this quote was undone."
        return ActionRefused(title, hint="Accept the quote again: then it is worked on anew.")
    title = f"Run {run.id} of this quote succeeded: there is nothing left to do."
    return ActionRefused(title, hint="Correct the quote and accept it again: then the change is worked on.")


def _tried(run: Run, number: int) -> bool:
    """Return whether this run tried to send the installment.

    A run that was refused because something stood in the way does not count, and neither does a run from before the
    quote was cancelled or undone.
    """
    is_its_own = run.kind == RunKind.INSTALLMENT and run.facts["number"] == number
    is_earlier = run.facts.get("stopped", False)
    return is_its_own and not is_earlier and not (run.status == RunStatus.SKIPPED and run.error)
