"""Counts, explains and dismisses the signed quotes that have no invoice although all their runs have ended.

The host never runs them by itself: they may be old, and somebody may have invoiced them by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping

from ..alerts.recording import Alerts
from ..clock import Clock
from ..errors import ActionRefused
from ..quotes.run import Run, RunKind
from ..quotes.without_invoice import NO_INTEGRATION, cause, explanation_of
from ..reports.runs import outcome_of
from ..store import audit, quotes
from ..store import runs as rows
from ..store.database import Store
from ..store.workspaces import require_workspace
from ..workspaces.integration import Integrations, WithIntegrations
from .queue import RunQueue


@dataclass(frozen=True, slots=True)
class QuotesWithoutInvoice(WithIntegrations):
    """The quotes without an invoice of one host. Each quote's row says why it has none."""

    store: Store
    integrations: Integrations
    clock: Clock
    queue: RunQueue
    alerts: Alerts

    def count(self, workspace: str, plugin: str | None = None) -> int:
        """Return how many a workspace has; with a plugin, how many of them it would run. Raises: NotFound."""
        with self.store.read() as db:
            require_workspace(db, workspace)
            return quotes.count_without_invoice(db, workspace, self._only(plugin))

    def waiting(self, workspace: str, plugin: str | None = None) -> Sequence[RowMapping]:
        """Return ``id`` and ``received_at`` of the same quotes, oldest first."""
        with self.store.read() as db:
            return quotes.without_invoice(db, workspace, self._only(plugin))

    def note_cause(self, db: Connection, workspace: str, quote_id: str) -> None:
        """Store with the quote why it has no invoice, or that it lacks nothing; alert people once for each cause."""
        found = rows.of_quote(db, workspace, quote_id, kind=RunKind.QUOTE_ACCEPTED)
        enabled = self.settings.enabled_plugins(workspace)
        is_cancelled = quotes.stops(db, workspace, quote_id).cancelled is not None
        code = None if is_cancelled else cause(found, makers=self.plugins.makers(), enabled=enabled)
        quotes.note_without_invoice(db, workspace, quote_id, code)
        if code:
            self.alerts.quote_without_invoice(db, workspace, quote_id, explanation_of(code, found, enabled=enabled))

    def dismiss(self, workspace: str, quote_id: str, reason: str) -> None:
        """Note that a quote needs no invoice any more, because a person has dealt with it.

        A dismissed run stands for the quote, so the quote can still be run. Raises: NotFound; ActionRefused when the
        quote lacks nothing, or no installed integration takes quotes.
        """
        with self.store.write() as db:
            quotes.require(db, workspace, quote_id)
            quotes.lock(db, workspace, quote_id)
            if quotes.why_without_invoice(db, workspace, quote_id) is None:
                raise ActionRefused(
                    "This quote does not wait for an invoice: there is nothing to dismiss.",
                    hint="If one of its runs needs attention, dismiss that run.",
                )
            lacking = [run for run in rows.of_quote(db, workspace, quote_id) if run.lacks_something]
            for run in lacking or [self._never_begun(db, workspace, quote_id)]:
                self.queue.mark_dismissed(db, run, reason)
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
        row = self.queue.new_row(workspace, best[0], RunKind.QUOTE_ACCEPTED, quote_id, subject=quote_id, facts=facts)
        rows.add(db, {**row, "outcome": {**outcome_of(None, row["created_at"]), "notes": []}})
        return rows.require(db, row["id"])

    def _only(self, plugin: str | None) -> str | None:
        """Return the cause of the quotes that a plugin would run, or None for all causes.

        A plugin that makes no invoices gets only the quotes that no plugin got.
        """
        return None if plugin is None or plugin in self.plugins.makers() else NO_INTEGRATION
