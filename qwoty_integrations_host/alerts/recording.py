"""Recording alerts, in the transaction of what happened. Each subject is recorded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..quotes.run import OPEN, Run, RunKind
from ..store import alerts as alerts_table
from ..store import quotes
from ..store.database import Store
from ..workspaces.connections import record_problem_of_run
from .alert import alert_facts, run_alert_type, short_hash

#: The errors of a run that waits because a customer's mail was not sent.
MAIL_WAITS = {"mail_unreachable", "mail_deferred"}
#: A mail server may defer a mail for a while; only later is it worth an alert.
_MAIL_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Alerts:
    """Records the alerts of one host."""

    store: Store
    clock: Clock

    def add(self, db: Connection, workspace: str, subject: str, alert: Mapping[str, Any]) -> bool:
        """Record an alert in the caller's transaction; False when its subject is known, or nobody receives alerts."""
        if alerts_table.recipients(db, workspace) is None:
            return False
        document = {**alert, "told": [], "trouble": ""}
        run = {"workspace": workspace, "subject": subject, "code": alert["code"], "document": document}
        return alerts_table.add(db, {**run, "created_at": self.clock.now(), "tries": 0})

    def run_ended(
        self, db: Connection, run: Run, status: str, error: Mapping[str, Any] | None, *, refused: bool
    ) -> None:
        """Record the alert about a run's end, in the run's own transaction; ``refused``: the service refused the key.

        A refused key is one alert for all runs, until a test succeeds or the settings change.
        """
        if status not in OPEN or error is None:
            return
        workspace, plugin, now = run.workspace, run.plugin, self.clock.now()
        refs: dict[str, str | None] = {"plugin": plugin, "run_id": run.id}
        refs["command"] = f"qwoty-host run show {run.id}"
        if refused:
            since = record_problem_of_run(db, workspace, plugin, run.id, error, now)["since"]
            repair = (
                f"platform set {workspace}"
                if run.kind == RunKind.PLATFORM_EVENT
                else f"test-connection {workspace} {plugin}"
            )
            refs["command"] = f"qwoty-host {repair}"
            subject = f"connection:{plugin}:{since}:{(run.settings_digest or '')[:12]}"
            self.add(db, workspace, subject, alert_facts("connection.needs_attention", error, **refs))
            return
        if run.kind == RunKind.UPKEEP:
            # Upkeep runs every hour: once a day is enough for a lasting problem.
            subject = f"upkeep:{plugin}:{error['code']}:{now.date().isoformat()}"
        else:
            subject = f"run:{run.id}:{run.attempt}"
            refs |= {"quote_id": run.quote_id, "quote_number": quotes.number(db, workspace, run.quote_id)}
        self.add(db, workspace, subject, alert_facts(run_alert_type(status, error["code"]), error, **refs))

    def quote_without_invoice(self, db: Connection, workspace: str, quote_id: str, why: Mapping[str, Any]) -> None:
        """Record that a signed quote has no invoice, and why: once for each cause."""
        refs = {
            **{name: why[name] for name in ("plugin", "run_id")},
            "quote_id": quote_id,
            "quote_number": quotes.number(db, workspace, quote_id),
            "command": f"qwoty-host quote show {workspace} {quote_id}",
        }
        subject = f"without_invoice:{short_hash(quote_id)}:{why['code'][:128]}"
        self.add(db, workspace, subject, alert_facts("quote.without_invoice", why, **refs))

    def plugin_stuck(self, db: Connection, run: Run, error: Mapping[str, Any]) -> None:
        """Record that runs wait for an integration that is missing or hangs: once a day for all runs."""
        refs = {"run_id": run.id, "command": f"qwoty-host run show {run.id}"}
        self._add_daily(db, run.workspace, run.plugin, alert_facts("run.waits", error, plugin=run.plugin, **refs))

    def settings_unfit(self, workspace: str, plugin: str, error: Mapping[str, Any]) -> None:
        """Record that an integration cannot work with its settings, whether a run waits for them or not."""
        command = f"qwoty-host settings show {workspace} {plugin}"
        alert = alert_facts("connection.needs_attention", error, plugin=plugin, command=command)
        with self.store.write() as db:
            self._add_daily(db, workspace, plugin, alert)

    def mail_waits(self, db: Connection, run: Run, error: Mapping[str, Any], since: datetime) -> None:
        """Record that a customer's mail has waited for an hour or longer: once a day for all mails."""
        now = self.clock.now()
        if now - since < _MAIL_PATIENCE:
            return
        subject = f"mail:{run.plugin}:{error['code']}:{now.date().isoformat()}"
        refs: dict[str, str | None] = {"plugin": run.plugin, "run_id": run.id}
        refs["command"] = f"qwoty-host run show {run.id}"
        refs |= {"quote_id": run.quote_id, "quote_number": quotes.number(db, run.workspace, run.quote_id)}
        self.add(db, run.workspace, subject, alert_facts("mail.not_sent", error, **refs))

    def _add_daily(self, db: Connection, workspace: str, plugin: str, alert: Mapping[str, Any]) -> None:
        subject = f"plugin:{plugin}:{alert['code']}:{self.clock.now().date().isoformat()}"
        self.add(db, workspace, subject, alert)
