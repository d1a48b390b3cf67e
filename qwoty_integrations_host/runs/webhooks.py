"""Receives the webhooks of services: authenticates, stores and queues them, and replays a stored one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..clock import Clock
from ..contract.exact_json import parse_json
from ..contract.hook_types import WebhookEvent, WebhookRequest
from ..engine.attempts import Attempts
from ..errors import (
    ActionRefused,
    HostError,
    IntegrationError,
    MalformedInput,
    NotFound,
    SettingsIncomplete,
    WebhookRejected,
)
from ..quotes.run import RunKind, RunStatus
from ..store import audit, quotes, webhooks
from ..store import runs as rows
from ..store.database import Store
from ..workspaces.integration import Integrations, WithIntegrations
from .control import RunControl
from .queue import RunQueue
from .rejected_webhooks import RejectedWebhooks


@dataclass(frozen=True, slots=True)
class Webhooks(WithIntegrations):
    """The webhooks of one host."""

    store: Store
    integrations: Integrations
    clock: Clock
    attempts: Attempts
    queue: RunQueue
    control: RunControl
    rejected: RejectedWebhooks

    def receive(self, workspace: str, plugin: str, request: WebhookRequest) -> str:
        """Authenticate, store and queue a webhook; return ``stored``, ``duplicate``, or ``ignored`` (no quote of ours).

        Raises: NotFound for an unknown address; WebhookRejected, also for a body that is not JSON; HostError while the
        plugin is not loaded or its settings do not fit, so that the service delivers it again. Then nothing is stored,
        and the rejection is counted if the integration is enabled.
        """
        settings = self.settings.if_enabled(workspace, plugin)
        if settings is None:
            raise _unknown_address()
        try:
            event = self._authenticated(workspace, plugin, settings, request)
        except IntegrationError as error:
            self.rejected.note(workspace, plugin, error.code)
            raise
        answer, _ = self._store_event(workspace, plugin, event, request.body)
        return answer

    def receive_found(self, workspace: str, plugin: str, events: Sequence[WebhookEvent]) -> dict[str, WebhookEvent]:
        """Store and queue the events that an upkeep found, as if delivered; return the new ones by their runs' ids."""
        new: dict[str, WebhookEvent] = {}
        for event in events:
            _, run_id = self._store_event(workspace, plugin, event, json.dumps(event.payload).encode(), found=True)
            if run_id is not None:
                new[run_id] = event
        return new

    def replay(self, workspace: str, plugin: str, event_id: str) -> str:
        """Queue the run of a stored event again and return its id; a run that waits goes on at once.

        Raises: NotFound; ActionRefused when the event has no run, its run is under way, or its body is no longer kept.
        """
        with self.store.write() as db:
            event = webhooks.find(db, workspace, plugin, event_id)
            run = rows.of_event(db, workspace, plugin, event_id)
            if run is None:
                raise ActionRefused(
                    "The event concerned no quote of this workspace, so there is nothing to work.",
                    hint="Was the quote accepted in another workspace?",
                )
            if not event["body"]:
                raise ActionRefused("What the service said then is no longer kept.", hint="Look at the service itself.")
            quotes.lock(db, workspace, run.quote_id)
            run = rows.require(db, run.id)
            if run.status != RunStatus.SUCCEEDED:
                return self.control.retry(run.id)
            self.attempts.begin_anew(db, run)
            audit.note(db, workspace, "run.retried", run.id, self.clock.now())
        return str(run.id)

    def _authenticated(
        self, workspace: str, plugin: str, settings: Callable[[], Mapping[str, Any]], request: WebhookRequest
    ) -> WebhookEvent:
        if not self.plugins.is_loaded(plugin):
            title = f"The integration {plugin!r} is not loaded at the moment: come again."
            raise HostError(title, hint="The list of integrations says why.", code="plugin_not_loaded")
        if not self.plugins.implements(plugin, "on_webhook"):
            raise _unknown_address()
        try:
            ctx = self.contexts.make(workspace, plugin, settings())
        except SettingsIncomplete as error:
            raise HostError(error.title, hint=error.hint, code=error.code) from error
        event = self.plugins.authenticate_webhook(plugin, ctx, request)
        try:
            if event.quote_id is not None:
                parse_json(request.body)  # its run will parse the body, too
        except MalformedInput as error:
            raise WebhookRejected("The webhook's body is no JSON that can be kept.", code="no_event") from error
        return event

    def _store_event(
        self, workspace: str, plugin: str, event: WebhookEvent, body: bytes, *, found: bool = False
    ) -> tuple[str, str | None]:
        """Store an event, queue its run, and return the answer and the run's id, None without a run."""
        place = {"workspace": workspace, "plugin": plugin, "event_id": event.id}
        whence = {"account": event.account or None, "found": found, "received_at": self.clock.now()}
        row = {**place, **whence, "type": event.type, "body": body}
        with self.store.write() as db:
            if not webhooks.add(db, row):
                if not found:
                    webhooks.count_redelivery(db, row)
                return "duplicate", None
            if event.quote_id is None or not quotes.exists(db, workspace, event.quote_id):
                return "ignored", None
            facts = {"event_id": event.id, "type": event.type}
            return "stored", self.queue.add(
                db, workspace, plugin, RunKind.WEBHOOK, event.quote_id, subject=event.id, facts=facts
            )


def _unknown_address() -> NotFound:
    return NotFound(
        "There is no such webhook address.", hint="Switch the integration on, or delete the webhook at the service."
    )
