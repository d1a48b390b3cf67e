"""Accepts quotes: stores each with one run per enabled plugin, and starts what a stored quote still lacks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..contract.quote import Quote
from ..contract.quote_document import id_of, load_quote
from ..errors import ActionRefused
from ..quotes.run import TAKING_BACK, Run, RunKind, RunStatus
from ..store import audit, quotes
from ..store import runs as rows
from ..store import steps as step_rows
from ..store.database import Store
from ..store.workspaces import require_workspace
from ..workspaces.integration import Integrations, WithIntegrations
from .cancellation import Cancellation
from .control import RunControl, way_out
from .corrections import Corrections
from .queue import RunQueue
from .without_invoice import QuotesWithoutInvoice


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
class Acceptance(WithIntegrations):
    """Accepts the quotes of one host."""

    store: Store
    integrations: Integrations
    clock: Clock
    queue: RunQueue
    control: RunControl
    corrections: Corrections
    cancellation: Cancellation
    without_invoice: QuotesWithoutInvoice

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
            ended = self.cancellation.cancel(workspace, id_of(document, workspace_id=workspace), how=status)
            return Accepted(ended.quote_id, ended.duplicate, ended.run_ids, cancelled=True)
        now = self.clock.now()
        quote = load_quote(document, workspace_id=workspace, received_at=now)
        with self.store.write() as db:
            is_new = quotes.add(db, quote, document, now)
            if not is_new and told_at is not None and quotes.stops(db, workspace, quote.id).since(told_at):
                there = rows.of_quote(db, workspace, quote.id, kind=RunKind.QUOTE_ACCEPTED)
                return Accepted(quote.id, True, tuple(run.id for run in there))
            anew = not is_new and self._lift_stops(db, quote)
            corrected = not is_new and self.corrections.correct(db, quote, document, anew=anew)
            stored = replace(quote, version=quotes.version(db, workspace, quote.id))
            for plugin in self._takers(workspace):
                # A plugin that was enabled since gets the quote, too, but only once.
                self.corrections.start(db, plugin, stored)
            found = rows.of_quote(db, workspace, quote.id, kind=RunKind.QUOTE_ACCEPTED)
            if not found or not is_new:
                self.without_invoice.note_cause(db, workspace, quote.id)
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
            if run.kind == RunKind.QUOTE_ACCEPTED and stops.block(run.plugin):
                step_rows.renew_keys(db, run.id, self.clock.now())
                # ``put_back`` must not restore how the run ended before the stop.
                rows.change(db, run.id, facts={**run.facts, "before": {}})
            elif run.kind in TAKING_BACK and not run.is_dealt_with:
                self.queue.mark_dismissed(db, run, "the quote is accepted again")
        return True

    def _takers(self, workspace: str) -> list[str]:
        """Return the enabled plugins that take accepted quotes.

        A plugin that does not load is among them: its run waits, visibly, and goes on when the plugin loads.
        """
        enabled, can = self.settings.enabled_plugins(workspace), self.plugins
        return [one for one in enabled if not can.is_loaded(one) or can.implements(one, "on_quote_accepted")]

    def run(self, workspace: str, quote_id: str, plugin: str | None = None) -> list[str]:
        """Queue the work that a stored quote still lacks, by one plugin or by all enabled ones; return the runs' ids.

        An existing run is retried, unless it is queued, running or succeeded.
        Raises: NotFound; ActionRefused, with the reason, when nothing can be queued.
        """
        begun: list[str] = []
        with self.store.write() as db:
            quotes.require(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            there = {run.plugin: run for run in rows.of_quote(db, workspace, quote_id, kind=RunKind.QUOTE_ACCEPTED)}
            takers = self.takers(workspace, plugin)
            stops = quotes.stops(db, workspace, quote_id)
            for one in takers:
                stops.refuse(one)
                if one not in there:
                    self.corrections.start(db, one, quotes.get(db, workspace, quote_id))
                elif there[one].status not in {RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.SUCCEEDED}:
                    self.control.retry(there[one].id)
                else:
                    continue
                begun.append(one)
            if not begun:
                raise _done_already(there[takers[0]])
            audit.note(db, workspace, "quote.run", quote_id, self.clock.now())
            self.without_invoice.note_cause(db, workspace, quote_id)
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

    def run_all(self, workspace: str, plugin: str | None = None) -> list[str]:
        """Run each quote, oldest first, by one plugin or by all that are enabled; return the runs' ids.

        Raises: NotFound; ActionRefused when the plugin, or every plugin, is switched off.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
        self.takers(workspace, plugin)
        begun: list[str] = []
        for quote in self.without_invoice.waiting(workspace, plugin):
            with suppress(ActionRefused):  # somebody else has run it meanwhile
                begun += self.run(workspace, quote.id, plugin)
        return begun


def _done_already(run: Run) -> ActionRefused:
    """Return why a quote has nothing to begin: its run has succeeded, or has not ended."""
    if run.status != RunStatus.SUCCEEDED:
        return ActionRefused(f"Run {run.id} of this quote has not ended.", hint=way_out(run))
    if run.facts.get("version", "") is None:
        title = f"What run {run.id} made of this quote was undone."
        return ActionRefused(title, hint="Accept the quote again: then it is worked on anew.")
    title = f"Run {run.id} of this quote succeeded: there is nothing left to do."
    return ActionRefused(title, hint="Correct the quote and accept it again: then the change is worked on.")
