"""Receives the webhooks of services: authenticates, stores and queues them, and replays a stored one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..clock import Clock
from ..contract.context import HookContext
from ..contract.exact_json import parse_json
from ..contract.hook_types import WebhookEvent, WebhookRequest
from ..engine.attempts import Attempts
from ..errors import (
    ActionRefused,
    HostError,
    IntegrationError,
    MalformedInput,
    NotFound,
    PluginHangs,
    SettingsIncomplete,
    WebhookRejected,
)
from ..quotes.run import RunStatus
from ..store import audit, quotes, webhooks
from ..store import runs as rows
from ..store.database import Store
from ..workspaces.integration import Integrations, WithIntegrations
from ..workspaces.kept_integrations import Address, AskAnew, Kept, KeptIntegrations, NotedState
from .control import RunControl
from .deliveries import OUTDATED, Deliveries, Delivery
from .rejected_webhooks import RejectedWebhooks


@dataclass(frozen=True, slots=True)
class Webhooks(WithIntegrations):
    """The webhooks of one host."""

    store: Store
    integrations: Integrations
    clock: Clock
    attempts: Attempts
    control: RunControl
    rejected: RejectedWebhooks
    deliveries: Deliveries
    kept: KeptIntegrations

    def receive(self, workspace: str, plugin: str, request: WebhookRequest) -> str:
        """Authenticate, store and queue a webhook; return ``stored``, ``duplicate``, or ``ignored`` (no quote of ours).

        Raises: NotFound for an unknown address; WebhookRejected, also for a body that is not JSON; HostError while the
        plugin is not loaded or its settings do not fit, so that the service delivers it again. Then nothing is stored,
        and the rejection is counted if the integration is enabled.
        """
        address = Address(workspace, plugin, request.token)
        kept = self.kept.find(address)
        if kept is not None and (answer := self._by_what_is_kept(kept, request)) is not None:
            return answer
        settings = self.kept.read(workspace, plugin)
        if settings is None:
            raise _unknown_address()
        try:
            ctx = self._context(workspace, plugin, settings)
            state = NotedState(ctx.state)
            event = self._authenticated(replace(ctx, state=state), request)
        except IntegrationError as error:
            self.rejected.note(workspace, plugin, error.code)
            raise
        answer = self.deliveries.store(Delivery(workspace, plugin, event, request.body)).answer
        self.kept.keep(address, state.names)
        return answer

    def _by_what_is_kept(self, kept: Kept, request: WebhookRequest) -> str | None:
        """Return the answer as ``receive``; None if the plugin has to be asked with everything read anew."""
        workspace, plugin = kept.address.workspace, kept.address.plugin
        try:
            event = self._authenticated(self.kept.context(kept), request)
        except PluginHangs as error:  # it would hang once more
            self.rejected.note(workspace, plugin, error.code)
            raise
        except (IntegrationError, AskAnew):
            return None
        answer = self.deliveries.store(Delivery(workspace, plugin, event, request.body, by=kept)).answer
        return None if answer == OUTDATED else answer

    def receive_found(self, workspace: str, plugin: str, events: Sequence[WebhookEvent]) -> dict[str, WebhookEvent]:
        """Store and queue the events that an upkeep found, as if delivered; return the new ones by their runs' ids."""
        new: dict[str, WebhookEvent] = {}
        for event in events:
            body = json.dumps(event.payload).encode()
            run_id = self.deliveries.store_found(Delivery(workspace, plugin, event, body, found=True)).run_id
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

    def _context(self, workspace: str, plugin: str, settings: Callable[[], Mapping[str, Any]]) -> HookContext:
        if not self.plugins.is_loaded(plugin):
            title = f"The integration {plugin!r} is not loaded at the moment: come again."
            raise HostError(title, hint="The list of integrations says why.", code="plugin_not_loaded")
        if not self.plugins.implements(plugin, "on_webhook"):
            raise _unknown_address()
        try:
            return self.contexts.make(workspace, plugin, settings())
        except SettingsIncomplete as error:
            raise HostError(error.title, hint=error.hint, code=error.code) from error

    def _authenticated(self, ctx: HookContext, request: WebhookRequest) -> WebhookEvent:
        event = self.plugins.authenticate_webhook(ctx.plugin, ctx, request)
        try:
            if event.quote_id is not None:
                parse_json(request.body)  # its run will parse the body, too
        except MalformedInput as error:
            raise WebhookRejected("The webhook's body is no JSON that can be kept.", code="no_event") from error
        return event


def _unknown_address() -> NotFound:
    return NotFound(
        "There is no such webhook address.", hint="Switch the integration on, or delete the webhook at the service."
    )
