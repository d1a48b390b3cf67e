"""Noticing that a service tells nothing any more: people pay, and no webhook comes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..clock import Clock
from ..contract.hook_types import WebhookEndpoint
from ..contract.record import QuoteRecord
from ..errors import IntegrationError
from ..plugins.contexts import Contexts
from ..plugins.manager import Plugins
from ..store import alerts as rows
from ..store import webhooks
from ..store.database import Store
from ..store.plugin_storage import records_awaiting_payment
from ..workspaces.settings import WorkspaceSettings
from .service import SILENT_AFTER_HOURS, Alerts, silence

log = logging.getLogger(__name__)

#: So many open invoices are looked at; one whose link ended unheard is enough.
_MOST = 500


@dataclass(frozen=True, slots=True)
class Silent:
    """An account that has fallen silent: ``facts`` of the alert, and since when it counts as silent."""

    subject: str
    facts: dict[str, Any]
    since: datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """Tells where somebody wants to be told.

    An account is silent when the payment link of an open invoice ended ``silent_after_hours`` ago or longer, and
    nothing was delivered by that account since: a service tells of each link how it ended.
    """

    store: Store
    plugins: Plugins
    settings: WorkspaceSettings
    contexts: Contexts
    clock: Clock
    alerts: Alerts

    def look(self) -> list[str]:
        """Tell of every account that has fallen silent, once; give the subjects of what is new."""
        with self.store.read() as db:
            workspaces = sorted(rows.all_targets(db))
        new: list[str] = []
        for workspace in workspaces:
            for found in self.silent(workspace):
                with self.store.write() as db:
                    if self.alerts.add(db, workspace, found.subject, found.facts):
                        new.append(found.subject)
        return new

    def silent(self, workspace: str) -> list[Silent]:
        """The accounts of a workspace that are silent now."""
        with self.store.read() as db:
            hours = (rows.targets(db, workspace) or {}).get("silent_after_hours", SILENT_AFTER_HOURS)
        found: list[Silent] = []
        for plugin in self.settings.enabled_plugins(workspace):
            if self.plugins.is_loaded(plugin):
                try:
                    found += self._silent(workspace, plugin, timedelta(hours=hours))
                except IntegrationError:
                    log.exception("silence.not_looked", extra={"workspace": workspace, "plugin": plugin})
        return found

    def _silent(self, workspace: str, plugin: str, patience: timedelta) -> Iterable[Silent]:
        if self.settings.unfit(workspace, plugin):
            return []
        ctx = self.contexts.make(workspace, plugin, self.settings.effective(workspace, plugin))
        endpoints = self.plugins.webhook_endpoints(plugin, ctx)
        records = records_awaiting_payment(self.store, workspace, plugin, limit=_MOST) if endpoints else []
        found = (self._if_silent(workspace, plugin, one, records, patience) for one in endpoints)
        return [one for one in found if one]

    def _if_silent(
        self,
        workspace: str,
        plugin: str,
        endpoint: WebhookEndpoint,
        records: Iterable[QuoteRecord],
        patience: timedelta,
    ) -> Silent | None:
        with self.store.read() as db:
            last = webhooks.last_received(db, workspace, plugin, endpoint.account)
        ends = [end for record in records for end in _unheard_ends(record, endpoint.account, last)]
        if not ends or self.clock.now() - min(ends) < patience:
            return None
        since = f"since {last:%Y-%m-%d %H:%M} UTC" if last else "so far"
        error = {
            "code": "webhooks_silent",
            "title": f"No webhook has come {since}, though a payment link ended at {min(ends):%Y-%m-%d %H:%M} UTC.",
            "hint": "Does the service reach QWOTY_HOST_PUBLIC_URL? Meanwhile payments are found late, by the upkeep.",
        }
        subject = f"silence:{plugin}:{endpoint.account}:{last.isoformat() if last else 'never'}"
        facts = silence(plugin, error, f"qwoty-host webhook status {workspace}")
        return Silent(subject, facts, min(ends) + patience)


def _unheard_ends(record: QuoteRecord, account: str, last: datetime | None) -> Iterable[datetime]:
    """When links ended of which nothing was heard: neither a payment nor their end."""
    if record.invoice is None or record.invoice.account != account:
        return []
    ends = (part.expires_at for part in record.installments if part.status in {"sent", "expired"} and part.expires_at)
    return [end for end in ends if last is None or end > last]
