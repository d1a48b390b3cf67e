"""Requests the sending of installments: as people ask, and on the day when one is due."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta, timezone
from uuid import uuid4

from ..clock import Clock
from ..contract.installments import due_installment, may_be_asked_for, pick_installment
from ..contract.record import QuoteRecord
from ..errors import ActionRefused, DatabaseUnavailable, IntegrationError
from ..quotes.run import Run, RunKind, RunStatus
from ..store import audit, quotes
from ..store import runs as rows
from ..store.database import Store
from ..store.plugin_storage import quotes_due, records_of_quote
from ..workspaces.integration import Integrations, WithIntegrations
from .control import way_out
from .queue import RunQueue, today

log = logging.getLogger(__name__)

#: The time zone in which each day begins first.
_EARLIEST = timezone(timedelta(hours=14))


@dataclass(frozen=True, slots=True)
class Installments(WithIntegrations):
    """Requests the installments of one host's quotes."""

    store: Store
    integrations: Integrations
    clock: Clock
    queue: RunQueue

    def request(self, workspace: str, quote_id: str, number: int | None, *, look_first: bool = False) -> str:
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
                        f"An installment of this quote is being sent by run {run.id}.", hint=way_out(run)
                    )
            # Without a number, the plugin picks the installment again, when it knows what was paid meanwhile.
            subject, facts = uuid4().hex, {"number": number}
            added = self.queue.add(db, workspace, plugin, RunKind.INSTALLMENT, quote_id, subject=subject, facts=facts)
            audit.note(db, workspace, "installment.asked_for", quote_id, self.clock.now())
        assert added is not None, "its subject is its own"
        return added

    def request_due(self) -> list[str]:
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
            if quotes.stops(db, workspace, quote_id).block(plugin):
                return None
            record = records_of_quote(self.store, workspace, quote_id)[plugin]
            day = today(db, self.clock, workspace, quotes.get(db, workspace, quote_id))
            number = due_installment(record, day)
            before = [run for run in rows.of_quote(db, workspace, quote_id) if run.plugin == plugin]
            if number is None or any(not run.is_finished or _tried(run, number) for run in before):
                return None
            try:
                pick_installment(record, number, self.clock.now())
            except ActionRefused:
                return None
            subject, facts = f"due:{number}:{day.isoformat()}:{quote_id}", {"number": number}
            return self.queue.add(db, workspace, plugin, RunKind.INSTALLMENT, quote_id, subject=subject, facts=facts)

    def _installments(self, workspace: str, quote_id: str) -> tuple[str, QuoteRecord]:
        with self.store.read() as db:
            quotes.require(db, workspace, quote_id)
        for plugin, record in records_of_quote(self.store, workspace, quote_id).items():
            if (one := self.integrations.of(workspace, plugin)).is_enabled and one.supports("on_installment_due"):
                return plugin, record
        raise ActionRefused(
            "No enabled integration has made an invoice for this quote.",
            hint="Look at the quote's runs: they say why there is no invoice.",
        )


def _tried(run: Run, number: int) -> bool:
    """Return whether this run tried to send the installment.

    A run that was refused because something stood in the way does not count, and neither does a run from before the
    quote was cancelled or undone.
    """
    is_its_own = run.kind == RunKind.INSTALLMENT and run.facts["number"] == number
    is_earlier = run.facts.get("stopped", False)
    return is_its_own and not is_earlier and not (run.status == RunStatus.SKIPPED and run.error)
