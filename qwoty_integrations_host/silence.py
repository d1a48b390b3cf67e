"""Noticing that a service tells nothing any more: people pay, and no webhook comes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .alerts import Alerts, silence
from .clock import Clock
from .contexts import Contexts
from .errors import IntegrationError
from .hook_types import WebhookEndpoint
from .plugins import Plugins
from .record import QuoteRecord
from .settings import WorkspaceSettings
from .store import alerts as rows
from .store import webhooks
from .store.database import Store
from .store.kept import records_awaiting_payment

log = logging.getLogger(__name__)

#: So many open invoices are looked at; one whose link ended unheard is enough.
_MOST = 500


@dataclass(frozen=True, slots=True)
class Silence:
    """Looks where somebody wants to be told.

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
            patience = {
                ws: timedelta(hours=wanted["silent_after_hours"]) for ws, wanted in rows.all_targets(db).items()
            }
        new: list[str] = []
        for workspace, plugin in self.settings.enabled_everywhere():
            if workspace in patience and self.plugins.is_loaded(plugin):
                try:
                    new += self._look(workspace, plugin, patience[workspace])
                except IntegrationError:
                    log.exception("silence.not_looked", extra={"workspace": workspace, "plugin": plugin})
        return new

    def _look(self, workspace: str, plugin: str, patience: timedelta) -> list[str]:
        ctx = self.contexts.make(workspace, plugin, self.settings.effective(workspace, plugin))
        endpoints = self.plugins.webhook_endpoints(plugin, ctx)
        records = records_awaiting_payment(self.store, workspace, plugin, limit=_MOST) if endpoints else []
        found = (self._tell_if_silent(workspace, plugin, one, records, patience) for one in endpoints)
        return [subject for subject in found if subject]

    def _tell_if_silent(
        self,
        workspace: str,
        plugin: str,
        endpoint: WebhookEndpoint,
        records: Iterable[QuoteRecord],
        patience: timedelta,
    ) -> str | None:
        with self.store.read() as db:
            last = webhooks.last_received(db, workspace, plugin, endpoint.account)
        ends = [end for record in records for end in _unheard_ends(record, endpoint.account, last)]
        if not ends or self.clock.now() - min(ends) < patience:
            return None
        since = f"since {last:%Y-%m-%d %H:%M} UTC" if last else "so far"
        error = {
            "code": "webhooks_silent",
            "title": f"No webhook has come {since}, though a payment link ended at {min(ends):%Y-%m-%d %H:%M} UTC.",
            "hint": "Does the service reach QWOTY_HOST_PUBLIC_URL? Meanwhile payments are found late, by the upkeep; "
            f"`qwoty-host webhook check {workspace} --wait` looks at once.",
        }
        subject = f"silence:{plugin}:{endpoint.account}:{last.isoformat() if last else 'never'}"
        with self.store.write() as db:
            facts = silence(plugin, error, f"qwoty-host webhook status {workspace}")
            return subject if self.alerts.add(db, workspace, subject, facts) else None


def _unheard_ends(record: QuoteRecord, account: str, last: datetime | None) -> Iterable[datetime]:
    """When links ended of which nothing was heard: neither a payment nor their end."""
    if record.invoice is None or record.invoice.account != account:
        return []
    ends = (part.expires_at for part in record.installments if part.status in {"sent", "expired"} and part.expires_at)
    return [end for end in ends if last is None or end > last]
