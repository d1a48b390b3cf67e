"""Missing webhooks: a payment link has ended, and its service has sent no webhook since."""

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
from ..store import alerts as alerts_table
from ..store import webhooks
from ..store.database import Store
from ..store.plugin_storage import records_awaiting_payment
from ..workspaces.integration import Integration, Integrations
from . import alert
from .recipients import SILENT_AFTER_HOURS
from .recording import Alerts

log = logging.getLogger(__name__)

#: So many open invoices are checked; one link that ended without a webhook is enough.
_MOST = 500


@dataclass(frozen=True, slots=True)
class SilentAccount:
    """An account that sends no webhooks: the subject and facts of its alert, and since when it counts as silent."""

    subject: str
    facts: dict[str, Any]
    since: datetime


@dataclass(frozen=True, slots=True)
class MissingWebhooks:
    """Records alerts about accounts that send no webhooks, in workspaces with alert recipients.

    An account is silent when the payment link of an open invoice ended ``silent_after_hours`` ago or longer, and no
    webhook of the account arrived since: a service reports the end of each link.
    """

    store: Store
    integrations: Integrations
    clock: Clock
    alerts: Alerts

    def record_new(self) -> list[str]:
        """Record an alert for every newly silent account; return the alerts' subjects."""
        with self.store.read() as db:
            workspaces = sorted(alerts_table.all_recipients(db))
        new: list[str] = []
        for workspace in workspaces:
            for account in self.silent_accounts(workspace):
                with self.store.write() as db:
                    if self.alerts.add(db, workspace, account.subject, account.facts):
                        new.append(account.subject)
        return new

    def silent_accounts(self, workspace: str) -> list[SilentAccount]:
        """Return the accounts of a workspace that are silent now."""
        with self.store.read() as db:
            hours = (alerts_table.recipients(db, workspace) or {}).get("silent_after_hours", SILENT_AFTER_HOURS)
        accounts: list[SilentAccount] = []
        for one in self.integrations.enabled(workspace):
            if one.is_loaded:
                try:
                    accounts += self._silent_accounts(one, timedelta(hours=hours))
                except IntegrationError:
                    log.exception("silence.not_looked", extra={"workspace": workspace, "plugin": one.plugin})
        return accounts

    def _silent_accounts(self, one: Integration, patience: timedelta) -> list[SilentAccount]:
        if one.unfit:
            return []
        workspace, plugin = one.workspace, one.plugin
        endpoints = self.integrations.plugins.webhook_endpoints(plugin, one.context())
        records = records_awaiting_payment(self.store, workspace, plugin, limit=_MOST) if endpoints else []
        accounts = (self._silent_account(workspace, plugin, each, records, patience) for each in endpoints)
        return [account for account in accounts if account]

    def _silent_account(
        self,
        workspace: str,
        plugin: str,
        endpoint: WebhookEndpoint,
        records: Iterable[QuoteRecord],
        patience: timedelta,
    ) -> SilentAccount | None:
        with self.store.read() as db:
            last = webhooks.last_received(db, workspace, plugin, endpoint.account)
        ends = [end for record in records for end in _unreported_ends(record, endpoint.account, last)]
        if not ends or self.clock.now() - min(ends) < patience:
            return None
        since = f"since {last:%Y-%m-%d %H:%M} UTC" if last else "so far"
        error = {
            "code": "webhooks_silent",
            "title": f"No webhook has come {since}, though a payment link ended at {min(ends):%Y-%m-%d %H:%M} UTC.",
            "hint": "Does the service reach QWOTY_HOST_PUBLIC_URL? Meanwhile payments are found late, by the upkeep.",
        }
        subject = f"silence:{plugin}:{endpoint.account}:{last.isoformat() if last else 'never'}"
        facts = alert.missing_webhooks(plugin, error, f"qwoty-host webhook status {workspace}")
        return SilentAccount(subject, facts, min(ends) + patience)


def _unreported_ends(record: QuoteRecord, account: str, last: datetime | None) -> Iterable[datetime]:
    """Return when links ended that no webhook reported as paid or expired."""
    if record.invoice is None or record.invoice.account != account:
        return []
    ends = (part.expires_at for part in record.installments if part.status in {"sent", "expired"} and part.expires_at)
    return [end for end in ends if last is None or end > last]
