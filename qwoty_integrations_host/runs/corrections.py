"""Takes the correction of an accepted quote, or puts it back when an invoice has become final meanwhile (ADR 0060)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..contract.quote import Quote
from ..engine.attempts import Attempts
from ..quotes.run import MAKING, Run, RunKind, RunStatus
from ..reports.runs import outcome_of
from ..store import quotes
from ..store import runs as rows
from ..store.database import Store
from ..store.plugin_storage import records_of_quote
from .queue import RunQueue, today

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections of one host's quotes."""

    store: Store
    clock: Clock
    attempts: Attempts
    queue: RunQueue

    def correct(self, db: Connection, quote: Quote, document: Any, *, anew: bool) -> bool:
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
                if run.status == RunStatus.RUNNING and run.kind in MAKING:
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

    def start(self, db: Connection, plugin: str, quote: Quote) -> None:
        """Queue a plugin's work on this version of the quote, unless its run already has this version."""
        workspace, facts = quote.workspace_id, {"version": quote.version}
        if self.queue.add(db, workspace, plugin, RunKind.QUOTE_ACCEPTED, quote.id, subject=quote.id, facts=facts):
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
                    self.start(db, other.plugin, kept)
            if run.kind != RunKind.QUOTE_ACCEPTED:
                self.attempts.begin_anew(db, run)
        return True

    def _return(self, db: Connection, run: Run, quote: Quote) -> None:
        """Restore a run to its state before the correction: ended, or queued with the earlier version."""
        ended = run.facts.get("before")
        if not ended or run.facts.get("version") == quote.version:
            self.start(db, run.plugin, quote)
            return
        now, notes = self.clock.now(), ended["outcome"]["notes"]
        record = records_of_quote(self.store, quote.workspace_id, quote.id).get(run.plugin)
        changes = [note for note in run.facts.get("changes", []) if note not in notes]
        outcome = {**ended["outcome"], **outcome_of(record, now), "notes": [*notes, *changes]}
        facts = {**run.facts, "version": quote.version, "before": None}
        rows.change(db, run.id, **{**ended, "outcome": outcome}, facts=facts, finished_at=now)

    def _note_taken(self, db: Connection, quote: Quote, changes: Sequence[str]) -> None:
        """Add a note to the quote's runs for each correction."""
        day = today(db, self.clock, quote.workspace_id, quote).isoformat()
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
        day = today(db, self.clock, quote.workspace_id, quote).isoformat()
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
