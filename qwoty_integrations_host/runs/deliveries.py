"""Stores authentic webhooks and queues their runs; those that arrive at the same moment share one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..contract.hook_types import WebhookEvent
from ..quotes.run import RunKind
from ..store import quotes, webhooks
from ..store.database import Store
from ..store.grouped_writes import GroupedWrites
from ..workspaces.kept_integrations import Kept
from .queue import RunQueue

#: The answer for a delivery that was authenticated by what is no longer so. Nothing of it is stored.
OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An authentic event. ``found``: it was not delivered, but an upkeep found it at the service."""

    workspace: str
    plugin: str
    event: WebhookEvent
    body: bytes
    found: bool = False
    #: What it was authenticated by, if that was kept and not read for this delivery.
    by: Kept | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What distinguishes it from other events."""
        return (self.workspace, self.plugin, self.event.id)


@dataclass(frozen=True, slots=True)
class Stored:
    """``answer`` is ``stored``, ``duplicate``, ``ignored`` (no quote of ours) or OUTDATED."""

    answer: str
    run_id: str | None = None


class Deliveries:
    """Stores the webhooks of one host."""

    def __init__(self, store: Store, clock: Clock, queue: RunQueue) -> None:
        self._store, self._clock, self._queue = store, clock, queue
        self._grouped = GroupedWrites(store, self._store_all)

    def store(self, delivery: Delivery) -> Stored:
        """Store a delivery, together with others that arrive now. Returns after the commit."""
        return self._grouped.write(delivery)

    def store_found(self, delivery: Delivery) -> Stored:
        """Store an event that an upkeep found, in its run's transaction."""
        with self._store.write() as db:
            return self._store_all(db, [delivery])[0]

    def _store_all(self, db: Connection, deliveries: Sequence[Delivery]) -> list[Stored]:
        kept = {id(one.by): one.by for one in deliveries if one.by is not None}
        outdated = {key for key, by in kept.items() if not by.is_current(db)}
        taken = [one for one in deliveries if id(one.by) not in outdated]
        # The first of those with the same key; the others are its duplicates.
        rows = {one.key: self._row(one) for one in reversed(taken)}
        new = webhooks.add_all(db, list(rows.values()))
        ours = quotes.which_exist(db, {(one.workspace, one.event.quote_id) for one in taken if one.key in new})
        answers: dict[int, Stored] = {}
        # In one order everywhere, so that two transactions with the same events cannot deadlock.
        for one in sorted(taken, key=lambda one: one.key):
            if one.key not in new:
                if not one.found:
                    webhooks.count_redelivery(db, rows[one.key])
                answers[id(one)] = Stored("duplicate")
                continue
            new.remove(one.key)
            is_ours = (one.workspace, one.event.quote_id) in ours
            answers[id(one)] = Stored("stored", self._queued(db, one)) if is_ours else Stored("ignored")
        return [answers.get(id(one), Stored(OUTDATED)) for one in deliveries]

    def _row(self, one: Delivery) -> dict[str, Any]:
        place = {"workspace": one.workspace, "plugin": one.plugin, "event_id": one.event.id}
        whence = {"account": one.event.account or None, "found": one.found, "received_at": self._clock.now()}
        return {**place, **whence, "type": one.event.type, "body": one.body}

    def _queued(self, db: Connection, one: Delivery) -> str | None:
        event = one.event
        facts = {"event_id": event.id, "type": event.type}
        return self._queue.add(
            db, one.workspace, one.plugin, RunKind.WEBHOOK, str(event.quote_id), subject=event.id, facts=facts
        )
