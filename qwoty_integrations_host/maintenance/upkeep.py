"""Upkeep: checks and repairs each integration's webhook endpoints, hourly and after each start."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from ..alerts.recording import Alerts
from ..clock import Clock
from ..contract.hook_types import WebhookEndpoint
from ..errors import ActionRefused, IntegrationError
from ..quotes.run import RunKind, RunStatus
from ..runs.queue import RunQueue
from ..store import runs as rows
from ..store import webhooks
from ..store.database import Store
from ..store.plugin_storage import records_awaiting_payment
from ..store.workspaces import lock_workspace, require_workspace
from ..workspaces.integration import Integration, Integrations

log = logging.getLogger(__name__)

#: How often each workspace's integrations get an upkeep.
EVERY = timedelta(hours=1)
#: Several workers that start together request one upkeep.
_AFTER_A_START = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Requests upkeep runs, and reports the webhook endpoints of a workspace."""

    store: Store
    integrations: Integrations
    clock: Clock
    queue: RunQueue
    alerts: Alerts

    def request_due(self) -> list[str]:
        """Request an upkeep wherever the last one is an hour old; return the runs' ids."""
        return self._request_everywhere(EVERY)

    def request_after_start(self) -> list[str]:
        """Request an upkeep everywhere, since webhooks may have been missed while the host was down."""
        return self._request_everywhere(_AFTER_A_START)

    def request(self, workspace: str, *, roll_secrets: bool = False) -> list[str]:
        """Request an upkeep of every integration of a workspace now; return the runs' ids.

        Raises: NotFound; ActionRefused when no integration needs one, or an upkeep has not ended.
        """
        with self.store.read() as db:
            require_workspace(db, workspace)
        plugins = [one.plugin for one in self.integrations.enabled(workspace) if self._is_needed(one)]
        if not plugins:
            raise ActionRefused(
                "No integration of this workspace has a webhook endpoint or an open invoice.",
                hint="An invoice is made when a quote is accepted, an endpoint with the first payment link.",
            )
        run_ids = (self.request_for(workspace, plugin, roll_secrets=roll_secrets) for plugin in plugins)
        return [run_id for run_id in run_ids if run_id]

    def request_for(
        self, workspace: str, plugin: str, *, roll_secrets: bool = False, unless_within: timedelta | None = None
    ) -> str | None:
        """Queue an upkeep of a plugin's connection and return the run's id.

        With ``unless_within``, return None if an upkeep is under way or began within that time. Without it, raise
        ActionRefused while an upkeep is under way.
        """
        with self.store.write() as db:
            lock_workspace(db, workspace)
            last, now = rows.last_upkeep(db, workspace, plugin), self.clock.now()
            if last is not None and not last.is_finished:
                if unless_within is None:
                    raise ActionRefused(f"Run {last.id} looks after it now.", hint="Wait for that run to end.")
                return None
            if last is not None and unless_within is not None and now - last.created_at < unless_within:
                return None
            if last is not None and last.is_open:
                # The new upkeep will report what is still wrong. So one upkeep is open at most, not one per hour.
                outcome = last.outcome or {}
                notes = [*outcome["notes"], "A later upkeep took its place."]
                rows.change(db, last.id, status=RunStatus.DISMISSED, outcome={**outcome, "notes": notes})
            facts = {"roll_secrets": roll_secrets}
            return self.queue.add(db, workspace, plugin, RunKind.UPKEEP, "", subject=uuid4().hex, facts=facts)

    def status(self, workspace: str) -> dict[str, Any]:
        """Report each endpoint of a workspace as ``{"workspace", "data"}``; ages in whole seconds. Raises: NotFound."""
        with self.store.read() as db:
            require_workspace(db, workspace)
        data = [
            self._report(workspace, one.plugin, endpoint)
            for one in self.integrations.enabled(workspace)
            for endpoint in self._endpoints(one)
        ]
        return {"workspace": workspace, "data": data}

    def _request_everywhere(self, unless_within: timedelta) -> list[str]:
        run_ids: list[str | None] = []
        for one in self.integrations.enabled_everywhere():
            workspace, plugin = one.workspace, one.plugin
            try:
                if one.is_loaded and (unfit := one.unfit):
                    error = {"code": unfit.code, "title": unfit.title, "hint": unfit.hint}
                    self.alerts.settings_unfit(workspace, plugin, error)
                elif self._is_needed(one):
                    run_ids.append(self.request_for(workspace, plugin, unless_within=unless_within))
            except IntegrationError:
                # An error of one workspace (an unreadable secret, a plugin's bug) must not stop the others.
                log.exception("upkeep.not_requested", extra={"workspace": workspace, "plugin": plugin})
        return [run_id for run_id in run_ids if run_id]

    def _is_needed(self, one: Integration) -> bool:
        """Return whether there is an endpoint to check, or an open invoice whose payment no webhook may report."""
        if self._endpoints(one):
            return True
        awaits_payment = one.supports("on_upkeep") and records_awaiting_payment(
            self.store, one.workspace, one.plugin, limit=1
        )
        return bool(awaits_payment)

    def _endpoints(self, one: Integration) -> Sequence[WebhookEndpoint]:
        if not one.supports("on_upkeep") or one.unfit:
            return []
        return self.integrations.plugins.webhook_endpoints(one.plugin, one.context())

    def _report(self, workspace: str, plugin: str, endpoint: WebhookEndpoint) -> dict[str, Any]:
        with self.store.read() as db:
            last = webhooks.last_received(db, workspace, plugin, endpoint.account)
            run = rows.last_upkeep(db, workspace, plugin)
        return {
            "plugin": plugin,
            "account": endpoint.account,
            "mode": endpoint.mode,
            "endpoint_id": endpoint.id,
            "url": _masked(endpoint.url),
            "last_event_at": last.isoformat() if last else None,
            "last_event_age": round((self.clock.now() - last).total_seconds()) if last else None,
            "last_upkeep": run
            and {
                "run_id": run.id,
                "status": run.status,
                "created_at": run.created_at.isoformat(),
                "finished_at": run.finished_at.isoformat() if run.finished_at else None,
                "error": run.error,
                "notes": (run.outcome or {}).get("notes", []),
            },
        }


def _masked(url: str) -> str:
    """Return the URL without the middle of its token, which only the service and the host know."""
    base, _, token = url.rpartition("/")
    return f"{base}/{token[:4]}…{token[-4:]}" if len(token) >= 16 else f"{base}/…"
