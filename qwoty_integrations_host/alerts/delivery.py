"""Delivering recorded alerts to a workspace's recipients.

Delivery is at least once: after a crash an alert may be sent again, under the same Message-ID or ``webhook-id``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from ..clock import Clock
from ..concurrency.locks import Locks
from ..errors import DatabaseUnavailable, IntegrationError
from ..mail.message import build
from ..mail.transports import Transport
from ..plugins.catalogs import Catalogs
from ..store import alerts as alerts_table
from ..store.database import Store
from . import webhook
from .alert import ATTEMPTS_DUE, FACTS, alert_facts, console_page, console_url, short_hash
from .mail import alert_mail
from .recipients import AlertRecipients

log = logging.getLogger(__name__)

_WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """Delivers the alerts of one host."""

    store: Store
    clock: Clock
    locks: Locks
    transport: Transport
    catalogs: Catalogs
    recipients: AlertRecipients

    def test(self, workspace: str) -> dict[str, Any]:
        """Send every recipient a test at once: ``{"workspace", "data": [{"to", "delivered", "trouble"}]}``.

        Raises: as ``AlertRecipients.require``.
        """
        recipients = self.recipients.require(workspace)
        now = self.clock.now()
        test = alert_facts("test", {"code": "test", "title": "A test of the alerts.", "hint": ""})
        alert = {"subject": f"test:{now.isoformat()}", "created_at": now, **test}
        data = []
        for channel in _channels(recipients):
            error = self._send(workspace, recipients, channel, [alert])
            to = recipients["webhook_url"] if channel == _WEBHOOK else channel
            data.append({"to": to, "delivered": error is None, "trouble": error.title if error else ""})
        return {"workspace": workspace, "data": data}

    def deliver(self) -> int:
        """Deliver the alerts that are due; return how many reached every recipient."""
        with self.store.read() as db:
            workspaces = alerts_table.waiting_workspaces(db, tries=len(ATTEMPTS_DUE))
        delivered = 0
        for workspace in workspaces:
            with self.locks.hold(f"alerts/{workspace}"):
                delivered += self._deliver(workspace)
        return delivered

    def _deliver(self, workspace: str) -> int:
        now = self.clock.now()
        with self.store.read() as db:
            recipients = alerts_table.recipients(db, workspace) or {}
            undelivered = alerts_table.undelivered(db, workspace, tries=len(ATTEMPTS_DUE))
        due = {row["subject"]: row for row in undelivered if row["created_at"] + ATTEMPTS_DUE[row["tries"]] <= now}
        channels = _channels(recipients)
        documents = {subject: {**row["document"], "trouble": ""} for subject, row in due.items()}
        is_mail_down = False
        for channel in channels:
            # After one timeout of the mail server, no other address waits for it.
            if channel == _WEBHOOK or not is_mail_down:
                error = self._deliver_to(workspace, recipients, channel, due, documents)
                is_mail_down = error is not None and error.code == "mail_unreachable"
        done = {subject for subject, document in documents.items() if set(channels) <= set(document["told"])}
        with self.store.write() as db:
            for subject, row in due.items():
                values = {"delivered_at": now} if subject in done and channels else {}
                # Without recipients an alert is given up.
                tries = row["tries"] + 1 if channels else len(ATTEMPTS_DUE)
                alerts_table.change(db, workspace, subject, document=documents[subject], tries=tries, **values)
        return len(done) if channels else 0

    def _deliver_to(
        self,
        workspace: str,
        recipients: Mapping[str, Any],
        channel: str,
        due: Mapping[str, RowMapping],
        documents: dict[str, dict[str, Any]],
    ) -> IntegrationError | None:
        """Deliver to one channel what it lacks; return the first error, after which nothing else is sent there."""
        subjects = [subject for subject, document in documents.items() if channel not in document["told"]]
        # One mail has all alerts; a webhook has one.
        batches = [[subject] for subject in subjects] if channel == _WEBHOOK else [subjects]
        for batch in filter(None, batches):
            alerts = [{"subject": s, "created_at": due[s]["created_at"], **documents[s]} for s in batch]
            error = self._send(workspace, recipients, channel, alerts)
            with self.store.write() as db:
                for subject in batch:
                    document = documents[subject]
                    document |= {"trouble": error.title} if error else {"told": [*document["told"], channel]}
                    alerts_table.change(db, workspace, subject, document=document)
            if error:
                return error
        return None

    def _send(
        self, workspace: str, recipients: Mapping[str, Any], channel: str, alerts: Sequence[Mapping[str, Any]]
    ) -> IntegrationError | None:
        """Send alerts to one channel; return the error, None on success."""
        try:
            if channel == _WEBHOOK:
                self._post(workspace, recipients["webhook_url"], alerts[0])
            else:
                self._mail(workspace, channel, recipients["language"], alerts)
        except DatabaseUnavailable:
            raise
        except IntegrationError as error:
            log.warning("alert.not_delivered", extra={"workspace": workspace, "code": error.code})
            return error
        return None

    def _mail(self, workspace: str, address: str, language: str, alerts: Sequence[Mapping[str, Any]]) -> None:
        translated = [self._translated(alert, language) for alert in alerts]
        settings_url = console_page(self.recipients.public_url, "alerts")
        message = alert_mail(workspace, translated, to=address, language=language, settings=settings_url)
        name = short_hash(workspace, address, *(alert["subject"] for alert in alerts))
        domain = self.transport.sender.rsplit("@", 1)[-1].strip("<> ") or "localhost"
        mail = build(
            message, sender=self.transport.sender, message_id=f"<{name}@{domain}>", now=alerts[0]["created_at"]
        )
        self.transport.deliver(mail, lambda: None)

    def _translated(self, alert: Mapping[str, Any], language: str) -> dict[str, Any]:
        texts = {name: self.catalogs.say(alert[name], language, alert["plugin"] or "") for name in ("title", "hint")}
        listed = [self._translated(one, language) for one in alert.get("open", ())]
        return {**alert, **texts, "open": listed, "url": console_url(self.recipients.public_url, alert)}

    def _post(self, workspace: str, url: str, alert: Mapping[str, Any]) -> None:
        secret = self.recipients.webhook_secret(workspace)
        assert secret is not None, "a webhook URL is stored together with its secret"
        names = [*FACTS[1:], *(name for name in ("open", "left_out") if name in alert)]
        page = console_url(self.recipients.public_url, alert)
        data = {"workspace": workspace, **{name: alert[name] for name in names}, "url": page}
        document = {"type": alert["type"], "timestamp": alert["created_at"].isoformat(), "data": data}
        message_id = "msg_" + short_hash(workspace, alert["subject"])
        allow_private = self.recipients.allow_private
        webhook.post(url, secret, message_id, document, self.clock.now(), allow_private=allow_private)


def _channels(recipients: Mapping[str, Any]) -> list[str]:
    """Return the mail addresses, and the webhook."""
    return [*recipients.get("mails", ()), *([_WEBHOOK] if recipients.get("webhook_url") else [])]
