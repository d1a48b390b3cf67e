"""Stops the work on a quote that is cancelled or undone, and queues the runs that take back what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection

from ..clock import Clock
from ..errors import ActionRefused
from ..observability.actor import actor
from ..quotes.run import MAKING, TAKING_BACK, Run, RunKind, RunStatus
from ..quotes.standing import is_a_mail
from ..quotes.stops import require_voidable
from ..store import audit, quotes
from ..store import runs as rows
from ..store.database import Store
from ..store.plugin_storage import records_of_quote
from ..store.workspaces import require_workspace
from ..workspaces.integration import Integrations, WithIntegrations
from .control import way_out
from .queue import RunQueue, one_line
from .without_invoice import QuotesWithoutInvoice


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer to a cancellation. ``duplicate``: the quote was cancelled before, and the runs are from then."""

    quote_id: str
    duplicate: bool
    run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cancellation(WithIntegrations):
    """The cancellations, undos and voidings of one host."""

    store: Store
    integrations: Integrations
    clock: Clock
    queue: RunQueue
    without_invoice: QuotesWithoutInvoice

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
            quotes.require(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            before = quotes.stops(db, workspace, quote_id).cancelled
            cancelled = before or {"at": now.isoformat(), "by": actor(), "reason": one_line(reason), "how": how}
            if before is None:
                quotes.cancel(db, workspace, quote_id, cancelled)
                audit.note(db, workspace, "quote.cancelled", quote_id, now)
                self._stop_work(db, workspace, quote_id, "the quote is cancelled")
                self._give_up_fetches(db, workspace, quote_id)
                self.without_invoice.note_cause(db, workspace, quote_id)
                for plugin in self._concerned(workspace, quote_id):
                    subject, facts = uuid4().hex, {"at": cancelled["at"]}
                    self.queue.add(db, workspace, plugin, RunKind.CANCEL, quote_id, subject=subject, facts=facts)
            found = rows.of_quote(db, workspace, quote_id, kind=RunKind.CANCEL)
            run_ids = tuple(run.id for run in found if run.facts["at"] == cancelled["at"])
        return Cancelled(quote_id, before is not None, run_ids)

    def undo(self, run_id: str) -> str:
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
            added = self._take_back(db, workspace, plugin, RunKind.UNDO, quote_id, "the quote is undone")
            audit.note(db, workspace, "run.undone", run_id, self.clock.now())
        return added

    def void(self, workspace: str, quote_id: str) -> str:
        """Queue the voiding of a quote's invoice; return the run's id.

        Nothing more is made or sent until the quote is accepted again, which makes a new invoice.
        Raises: NotFound; ActionRefused when it cannot be voided, or while a run of the quote is under way.
        """
        with self.store.write() as db:
            quotes.require(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            plugin = self.voiding_plugin(workspace, quote_id)
            added = self._take_back(db, workspace, plugin, RunKind.VOID, quote_id, "the invoice is voided")
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
            if is_open and (is_a_mail(other) or (how == "void" and other.kind == RunKind.CANCEL)):
                self.queue.mark_dismissed(db, other, f"the invoice is {how}")

    def _give_up_fetches(self, db: Connection, workspace: str, quote_id: str) -> bool:
        """Dismiss the runs that have yet to fetch the quote as accepted; return whether there were any."""
        given_up = False
        for run in rows.of_quote(db, workspace, quote_id, kind=RunKind.PLATFORM_EVENT):
            if run.status in {RunStatus.QUEUED, RunStatus.WAITING} or run.is_open:
                self.queue.mark_dismissed(db, run, "the quote is cancelled")
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
                continue  # a webhook's run may stay: two runs of a plugin and quote never work at once
            if other.status != RunStatus.WAITING or other.kind == RunKind.CANCEL:
                raise ActionRefused(f"Run {other.id} of this quote has not ended.", hint=way_out(other))
            if other.kind in TAKING_BACK:
                self.queue.mark_dismissed(db, other, why)
        undone = {"at": self.clock.now().isoformat(), "by": actor(), "how": kind}
        quotes.undo(db, workspace, quote_id, plugin, undone)
        self._stop_work(db, workspace, quote_id, why, plugin=plugin)
        added = self.queue.add(db, workspace, plugin, kind, quote_id, subject=uuid4().hex)
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
                    self.queue.mark_dismissed(db, run, why)
