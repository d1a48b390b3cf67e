"""What starts a run: an accepted quote, a request, a webhook, the schedule, a retry; execution.py works it.

A run is one plugin's work on one event of one quote. It is stored together with its job, in one transaction;
each attempt is one job of the engine.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta, timezone
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, RowMapping

from .attempts import Attempts, job_id
from .clock import Clock
from .contexts import Contexts
from .engine.interface import Engine
from .errors import ActionRefused, DatabaseUnavailable, HostError, IntegrationError, NotFound
from .finding import no_such_quote
from .hook_types import WebhookEvent, WebhookRequest
from .installments import due_installment, may_be_asked_for, pick_installment
from .plugins import Plugins
from .quote import Quote
from .quote_schema import load_quote
from .record import QuoteRecord
from .refusals import Refusals
from .reports import outcome_of
from .settings import WorkspaceSettings
from .store import audit, mails, quotes, webhooks
from .store import runs as rows
from .store.database import Store
from .store.kept import quotes_due, records_of_quote
from .store.platforms import PLATFORM
from .store.workspaces import lock_workspace, require_workspace, timezone_of

log = logging.getLogger(__name__)

#: Where each day begins first.
_EARLIEST = timezone(timedelta(hours=14))
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to an accepted quote. ``duplicate``: this quote was here before; the runs are the first's.

    ``corrected``: it was here before, said something else, and the change was taken. The runs begin anew, unless an
    invoice is final: then what is still to be done is done with the correction.
    """

    quote_id: str
    duplicate: bool
    run_ids: tuple[str, ...]
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one host."""

    store: Store
    engine: Engine
    plugins: Plugins
    settings: WorkspaceSettings
    contexts: Contexts
    clock: Clock
    attempts: Attempts
    refusals: Refusals

    # -- what starts a run -----------------------------------------------------------------------

    def accept(self, workspace: str, document: Any) -> Accepted:
        """Store an accepted quote and queue one run per enabled plugin: both, or neither.

        Raises: NotFound for the workspace, InvalidInput for the quote; then nothing is stored.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
        now = self.clock.now()
        quote = load_quote(document, workspace_id=workspace, received_at=now)
        with self.store.write() as db:
            is_new = quotes.add(db, quote, document, now)
            corrected = not is_new and self._correct(db, quote, document)
            stored = replace(quote, version=quotes.version(db, workspace, quote.id))
            for plugin in self.settings.enabled_plugins(workspace):
                # A plugin that was enabled later still gets the quote: once. One that does not load gets a run, too:
                # it fails, visibly, and can be retried when the plugin is mended.
                if not self.plugins.is_loaded(plugin) or self.plugins.implements(plugin, "on_quote_accepted"):
                    self._start(db, plugin, stored)
            found = rows.of_quote(db, workspace, quote.id, kind="quote_accepted")
        return Accepted(quote.id, not is_new and not corrected, tuple(row["id"] for row in found), corrected)

    def _correct(self, db: Connection, quote: Quote, document: Any) -> bool:
        """Take a changed quote in the place of the stored one, as far as nothing final was made of that.

        A final invoice says what was signed, so a change of that is a note on the runs and nothing else. What was not
        signed is taken at any time, and the version stays: the invoice is not touched, and what is still to be done is
        done with it (ADR 0060).
        """
        quotes.lock(db, quote.workspace_id, quote.id)
        stored = quotes.get(db, quote.workspace_id, quote.id)
        quote, changes = replace(quote, timezone=stored.timezone), stored.unsigned_changes(quote)
        if stored.is_as_signed(quote) and not changes:
            return False
        records = records_of_quote(self.store, quote.workspace_id, quote.id)
        final = next((record.invoice for record in records.values() if record.is_final), None)
        if stored.is_as_signed(quote) and (final is not None or changes == ("owner",)):
            quotes.replace_unsigned(db, quote, document)
            self._note_taken(db, quote, changes)
            for row in rows.of_quote(db, quote.workspace_id, quote.id):
                if row["status"] == "running" and row["kind"] in {"quote_accepted", "installment"}:
                    self.attempts.resume(db, row)  # what is at work was handed the quote as it was
            return True
        if final is None:
            quotes.correct(db, quote, document)
            return True
        self._note_change(db, quote, f"Invoice {final.id} is {final.status} already.")
        return False

    def _note_taken(self, db: Connection, quote: Quote, changes: Sequence[str]) -> None:
        """Say on the quote's runs what was corrected."""
        day = self._today(db, quote.workspace_id, quote).isoformat()
        said = {
            "contacts": f"The contacts were corrected on {day}: what is still to be sent goes to the corrected ones.",
            "language": f"The language was corrected on {day}: what is still to be sent is written in it.",
            "owner": f"The owner's e-mail address was corrected on {day}: answers to later mails go there.",
        }
        for change in changes:
            for row in rows.of_quote(db, quote.workspace_id, quote.id, kind="quote_accepted"):
                self._note(db, row, said[change])

    def _note_change(self, db: Connection, quote: Quote, why: str) -> None:
        """Say on the quote's runs that a change came too late; once, however often it comes."""
        day = self._today(db, quote.workspace_id, quote).isoformat()
        total = f", over {quote.totals.total_amount:f} {quote.currency}" if quote.totals else ""
        undone = f"{why} Nothing was changed: correct it there, or by a new quote."
        note = f"A changed quote arrived on {day}{total}. {undone}"
        for row in rows.of_quote(db, quote.workspace_id, quote.id, kind="quote_accepted"):
            if not any(_DAY.sub("", note) == _DAY.sub("", known) for known in row["facts"].get("changes", [])):
                self._note(db, row, note)

    def _note(self, db: Connection, row: RowMapping, note: str) -> None:
        """Add a note of a change to a run; it stays there, whichever attempt ends."""
        shown = row["outcome"] and {**row["outcome"], "notes": [*row["outcome"]["notes"], note]}
        changes = [*row["facts"].get("changes", []), note]
        rows.change(db, row["id"], facts={**row["facts"], "changes": changes}, outcome=shown)

    def _start(self, db: Connection, plugin: str, quote: Quote) -> None:
        """Let a plugin work on this version of the quote, unless it does or did so already."""
        workspace, facts = quote.workspace_id, {"version": quote.version}
        if self._add(db, workspace, plugin, "quote_accepted", quote.id, subject=quote.id, facts=facts):
            return
        row = next(r for r in rows.of_quote(db, workspace, quote.id, kind="quote_accepted") if r["plugin"] == plugin)
        if row["facts"].get("version", "") != quote.version:
            # How it had ended before the correction, or that it was on its way ({}): the way back leads there.
            before = row["facts"].get("before")
            if before is None:
                names = ("status", "outcome", "error") if row["status"] in rows.FINISHED else ()
                before = {name: row[name] for name in names}
            rows.change(db, row["id"], facts={**row["facts"], **facts, "before": before})
            self.attempts.begin_anew(db, row)

    def put_back(self, row: RowMapping, why: str) -> bool:
        """Go back to the version that something final was made of; False when there is none to go back to.

        What the correction says of contacts, language and owner stays taken, if it changes nothing else.
        """
        workspace, quote_id = row["workspace"], row["quote_id"]
        with self.store.write() as db:
            quotes.lock(db, workspace, quote_id)
            if not rows.is_current(db, row["id"], row["attempt"]):
                return True  # another correction has come: its attempt finds out by itself
            late, document = quotes.get(db, workspace, quote_id), quotes.document(db, workspace, quote_id)
            if not quotes.put_back(db, workspace, quote_id):
                return False
            kept = quotes.get(db, workspace, quote_id)
            if kept.is_as_signed(late):
                quotes.replace_unsigned(db, late, document)
                self._note_taken(db, late, kept.unsigned_changes(late))
            else:
                self._note_change(db, late, why)
            for other in rows.of_quote(db, workspace, quote_id, kind="quote_accepted"):
                if other["id"] == row["id"] or other["status"] == "queued":
                    self._return(db, other, kept)
                else:
                    self._start(db, other["plugin"], kept)
            if row["kind"] != "quote_accepted":
                self.attempts.begin_anew(db, row)
        return True

    def _return(self, db: Connection, row: RowMapping, quote: Quote) -> None:
        """Let a run be as it was before the correction: ended, or on its way with the earlier version."""
        ended = row["facts"].get("before")
        if not ended or row["facts"].get("version") == quote.version:
            self._start(db, row["plugin"], quote)
            return
        now, notes = self.clock.now(), ended["outcome"]["notes"]
        record = records_of_quote(self.store, quote.workspace_id, quote.id).get(row["plugin"])
        changes = [note for note in row["facts"].get("changes", []) if note not in notes]
        outcome = {**ended["outcome"], **outcome_of(record, now), "notes": [*notes, *changes]}
        facts = {**row["facts"], "version": quote.version, "before": None}
        rows.change(db, row["id"], **{**ended, "outcome": outcome}, facts=facts, finished_at=now)

    def request_installment(
        self, workspace: str, quote_id: str, number: int | None, *, look_first: bool = False
    ) -> str:
        """Queue the sending of an installment (the lowest unpaid one without a number); give the run's id.

        With ``look_first`` the record alone refuses nothing that may have changed at the service meanwhile: the run
        looks there and decides. Raises: NotFound; ActionRefused when it cannot be sent now, and why.
        """
        with self.store.write() as db:
            quotes.lock(db, workspace, quote_id)
            plugin, record = self._installments(workspace, quote_id)
            (may_be_asked_for if look_first else pick_installment)(record, number, self.clock.now())
            for row in rows.of_quote(db, workspace, quote_id):
                if row["kind"] == "installment" and row["status"] not in rows.FINISHED:
                    raise ActionRefused(
                        f"An installment of this quote is being sent by run {row['id']}.", hint=_way_out(row)
                    )
            # Without a number the plugin picks again, once it knows what was paid meanwhile.
            subject, facts = uuid4().hex, {"number": number}
            added = self._add(db, workspace, plugin, "installment", quote_id, subject=subject, facts=facts)
            audit.note(db, workspace, "installment.asked_for", quote_id, self.clock.now())
        assert added is not None, "its subject is its own"
        return added

    def request_due_installments(self) -> list[str]:
        """Queue the sending of every later installment whose day has come where the quote's days are counted.

        Only where the plugin wants that.
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
                # One integration's bug is not the others'.
                log.exception("installments.not_requested", extra={"workspace": workspace, "plugin": plugin})
        return [run_id for run_id in asked if run_id]

    def _sends_due_installments(self, workspace: str, plugin: str) -> bool:
        if not self.settings.is_enabled(workspace, plugin) or not self.plugins.is_loaded(plugin):
            return False
        ctx = self.contexts.make(workspace, plugin, self.settings.effective(workspace, plugin))
        return self.plugins.sends_due_installments(plugin, ctx)

    def _request_due(self, workspace: str, plugin: str, quote_id: str) -> str | None:
        """One try a day while another link is in the way; what was tried and did not work is left to people."""
        with self.store.write() as db:
            quotes.lock(db, workspace, quote_id)
            record = records_of_quote(self.store, workspace, quote_id)[plugin]
            today = self._today(db, workspace, quotes.get(db, workspace, quote_id))
            number = due_installment(record, today)
            before = [row for row in rows.of_quote(db, workspace, quote_id) if row["plugin"] == plugin]
            if number is None or any(row["status"] not in rows.FINISHED or _tried(row, number) for row in before):
                return None
            try:
                pick_installment(record, number, self.clock.now())
            except ActionRefused:
                return None
            subject, facts = f"due:{number}:{today.isoformat()}:{quote_id}", {"number": number}
            return self._add(db, workspace, plugin, "installment", quote_id, subject=subject, facts=facts)

    def _today(self, db: Connection, workspace: str, quote: Quote | None = None) -> date:
        """Which day it is for a quote, or for the workspace as a whole, whose days without a time zone are UTC's."""
        zone = quote.timezone if quote else timezone_of(db, workspace) or UTC
        return self.clock.now().astimezone(zone).date()

    def request_upkeep(
        self, workspace: str, plugin: str, *, roll_secrets: bool = False, unless_within: timedelta | None = None
    ) -> str | None:
        """Queue an upkeep of a plugin's connection; give the run's id, or None if one began ``unless_within`` or works.

        Without ``unless_within`` somebody asks for it. Raises: ActionRefused then, while one has not ended.
        """
        with self.store.write() as db:
            lock_workspace(db, workspace)
            last, now = rows.last_upkeep(db, workspace, plugin), self.clock.now()
            if last is not None and last["status"] not in rows.FINISHED:
                if unless_within is None:
                    raise ActionRefused(f"Run {last['id']} looks after it now.", hint="Wait for that run to end.")
                return None
            if last is not None and unless_within is not None and now - last["created_at"] < unless_within:
                return None
            if last is not None and last["status"] in {"needs_attention", "failed"}:
                # What is still wrong is said by the new one: one run of them stands open, not one an hour.
                notes = [*last["outcome"]["notes"], "A later upkeep took its place."]
                rows.change(db, last["id"], status="dismissed", outcome={**last["outcome"], "notes": notes})
            facts = {"roll_secrets": roll_secrets}
            return self._add(db, workspace, plugin, rows.UPKEEP, "", subject=uuid4().hex, facts=facts)

    def request_fetch(self, workspace: str, quote_id: str, *, event_id: str, event_type: str) -> str:
        """Queue the fetching of a quote that the workspace's platform told of, once per event; give the run's id."""
        facts = {"event_id": event_id, "type": event_type}
        with self.store.write() as db:
            added = self._add(db, workspace, PLATFORM, rows.PLATFORM_EVENT, quote_id, subject=event_id, facts=facts)
        assert added is not None, "an event is stored once, together with its run"
        return added

    def receive_found(self, workspace: str, plugin: str, events: Sequence[WebhookEvent]) -> dict[str, WebhookEvent]:
        """Store and queue what an upkeep found, as if it had been delivered; give what is new, by its run's id."""
        new: dict[str, WebhookEvent] = {}
        for event in events:
            _, run_id = self._store_event(workspace, plugin, event, json.dumps(event.payload).encode(), found=True)
            if run_id is not None:
                new[run_id] = event
        return new

    def receive_webhook(self, workspace: str, plugin: str, request: WebhookRequest) -> str:
        """Authenticate, store, queue: give ``stored``, ``duplicate`` or ``ignored`` (nothing of ours).

        Raises: NotFound for an unknown address, WebhookRejected, HostError while the plugin is not loaded (the
        service comes again); then nothing is stored, and it is counted where the integration is switched on.
        """
        settings = self.settings.if_enabled(workspace, plugin)
        if settings is None:
            raise NotFound("There is no such webhook address.")
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
            raise HostError(title, hint="`qwoty-host plugin list` says why.", code="plugin_not_loaded")
        if not self.plugins.implements(plugin, "on_webhook"):
            raise NotFound("There is no such webhook address.")
        ctx = self.contexts.make(workspace, plugin, settings())
        return self.plugins.authenticate_webhook(plugin, ctx, request)

    def retry(self, run_id: str) -> str:
        """Queue a new attempt of a run that did not succeed, or waits; it resumes at the step that failed.

        Raises: NotFound; ActionRefused when the run succeeded or has not ended.
        """
        with self.store.write() as db:
            row = rows.require(db, run_id)
            quotes.lock(db, row["workspace"], row["quote_id"])
            row = rows.require(db, run_id)
            waits = row["status"] == "waiting"
            ended = waits or row["status"] in rows.FINISHED or self.engine.ended(job_id(run_id, row["attempt"]))
            if not ended:
                raise ActionRefused(f"Run {run_id} has not ended: it is {row['status']}.")
            if row["status"] == "succeeded":
                raise ActionRefused(f"Run {run_id} succeeded: there is nothing to retry.")
            if row["error"] and row["error"]["code"] == "mail_unsure":
                mails.settle_unsure(db, row["workspace"], row["plugin"], row["quote_id"])
            again = self.attempts.resume if waits or row["resumable"] else self.attempts.begin_anew
            again(db, row)
            audit.note(db, row["workspace"], "run.retried", run_id, self.clock.now())
        return run_id

    def retry_fetches(self, workspace: str) -> list[str]:
        """Queue a new attempt of every fetch of a quote that needs attention, since its platform was set anew.

        Gives the runs' ids.
        """
        with self.store.read() as db:
            stopped = rows.stopped_fetches(db, workspace)
        return [self.retry(run_id) for run_id in stopped]

    def retry_all_failed(self, workspace: str | None = None) -> list[str]:
        """Queue a new attempt of every run that failed (retries exhausted, a bug, set aside); give their ids.

        Of one workspace, or of all.
        """
        with self.store.read() as db:
            failed = rows.failed(db, workspace)
        return [self.retry(run_id) for run_id in failed]

    def replay(self, workspace: str, plugin: str, event_id: str) -> str:
        """Queue the work on a stored event again, by its own run, whose id is given; one that waits goes on at once.

        Raises: NotFound; ActionRefused when no run works it, it is being worked, or its body is no longer kept.
        """
        with self.store.write() as db:
            event = webhooks.find(db, workspace, plugin, event_id)
            row = rows.of_event(db, workspace, plugin, event_id)
            if row is None:
                raise ActionRefused("The event concerned no quote of this workspace, so there is nothing to work.")
            if not event["body"]:
                raise ActionRefused("What the service said then is no longer kept.", hint="Look at the service itself.")
            quotes.lock(db, workspace, row["quote_id"])
            row = rows.require(db, row["id"])
            if row["status"] != "succeeded":
                return self.retry(row["id"])
            self.attempts.begin_anew(db, row)
            audit.note(db, workspace, "run.retried", row["id"], self.clock.now())
        return str(row["id"])

    def request_undo(self, run_id: str) -> str:
        """Queue the taking back of what a run's integration made of the quote; give the new run's id.

        What waits to make more of the quote is dismissed; what waits to note a payment is not.
        Raises: NotFound; ActionRefused while a run of the quote works, or when the integration cannot take back.
        """
        with self.store.write() as db:
            row = rows.require(db, run_id)
            workspace, plugin, quote_id = row["workspace"], row["plugin"], row["quote_id"]
            if row["kind"] in {rows.UPKEEP, rows.PLATFORM_EVENT}:
                raise ActionRefused("This run makes nothing of a quote: there is nothing to take back.")
            quotes.lock(db, workspace, quote_id)
            if not self.settings.is_enabled(workspace, plugin) or not self.plugins.implements(plugin, "undo_quote"):
                raise ActionRefused("The integration is switched off here, or cannot take back what it made.")
            for other in rows.of_quote(db, workspace, quote_id):
                if other["plugin"] != plugin or other["status"] in rows.FINISHED:
                    continue
                if other["status"] != "waiting":
                    raise ActionRefused(f"Run {other['id']} of this quote has not ended.", hint=_way_out(other))
                if other["kind"] != "webhook":
                    self._dismiss(db, other, "the quote is undone")
            added = self._add(db, workspace, plugin, "undo", quote_id, subject=uuid4().hex)
            audit.note(db, workspace, "run.undone", run_id, self.clock.now())
        assert added is not None, "its subject is its own"
        return added

    def dismiss(self, run_id: str, reason: str) -> str:
        """Note that a person has dealt with a run that needed attention, failed or waits; it can still be retried.

        Raises: NotFound; ActionRefused when there is nothing to dismiss.
        """
        with self.store.write() as db:
            row = rows.require(db, run_id)
            quotes.lock(db, row["workspace"], row["quote_id"])
            row = rows.require(db, run_id)
            if row["status"] not in {"needs_attention", "failed", "waiting"}:
                raise ActionRefused(f"Run {run_id} is {row['status']}: there is nothing to dismiss.")
            self._dismiss(db, row, reason)
            audit.note(db, row["workspace"], "run.dismissed", run_id, self.clock.now())
        return run_id

    def _dismiss(self, db: Connection, row: RowMapping, reason: str) -> None:
        now = self.clock.now()
        day = self._today(db, row["workspace"]).isoformat()
        note = f"Dismissed on {day}: {' '.join(reason.split())[:500]}"
        outcome = {**row["outcome"], "notes": [*row["outcome"]["notes"], note]}
        # One that waited is tried again, if a person wants that, with what it had done.
        resumable = row["resumable"] or row["status"] == "waiting"
        finished = row["finished_at"] or now
        rows.change(db, row["id"], status="dismissed", outcome=outcome, resumable=resumable, finished_at=finished)

    def _store_event(
        self, workspace: str, plugin: str, event: WebhookEvent, body: bytes, *, found: bool = False
    ) -> tuple[str, str | None]:
        """Give what is answered, and the id of the run that works it, if one does."""
        place = {"workspace": workspace, "plugin": plugin, "event_id": event.id}
        whence = {"account": event.account or None, "found": found, "received_at": self.clock.now()}
        row = {**place, **whence, "type": event.type, "body": body}
        with self.store.write() as db:
            if not webhooks.add(db, row):
                if not found:
                    webhooks.came_again(db, row)
                return "duplicate", None
            if event.quote_id is None or not quotes.exists(db, workspace, event.quote_id):
                return "ignored", None
            facts = {"event_id": event.id, "type": event.type}
            return "stored", self._add(db, workspace, plugin, "webhook", event.quote_id, subject=event.id, facts=facts)

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
        """Store a run with its job and give its id; None when there is one of this kind and subject."""
        run_id = uuid4().hex
        row = {
            "id": run_id,
            "workspace": workspace,
            "plugin": plugin,
            "kind": kind,
            "quote_id": quote_id,
            "subject": subject,
            "facts": dict(facts or {}),
            "status": "queued",
            "attempt": 1,
            "resumable": False,
            "created_at": self.clock.now(),
        }
        if not rows.add(db, row):
            return None
        self.engine.enqueue(db, job_id(run_id, 1), partition=workspace)
        return run_id

    def _installments(self, workspace: str, quote_id: str) -> tuple[str, QuoteRecord]:
        with self.store.read() as db:
            require_workspace(db, workspace)
            if not quotes.exists(db, workspace, quote_id):
                raise no_such_quote(workspace, quote_id)
        for plugin, record in records_of_quote(self.store, workspace, quote_id).items():
            if self.settings.is_enabled(workspace, plugin) and self.plugins.implements(plugin, "on_installment_due"):
                return plugin, record
        raise ActionRefused("No enabled integration has made an invoice for this quote.")


def _way_out(row: RowMapping) -> str:
    """What a person can do about a run that stands in the way."""
    if row["status"] != "waiting":
        return "Wait for that run to end."
    command = f"qwoty-host run retry {row['id']}"
    return f"It waits: {row['error']['title']} `{command}` tries it at once, `run dismiss` gives it up."


def _tried(row: RowMapping, number: int) -> bool:
    """Whether this run asked for the installment, and was not merely refused because something stood in the way."""
    is_its_own = row["kind"] == "installment" and row["facts"]["number"] == number
    return is_its_own and not (row["status"] == "skipped" and row["error"])
