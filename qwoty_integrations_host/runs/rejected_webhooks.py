"""Counts rejected webhooks, so that people see them.

Anybody can call a webhook address, as often as they like. So a rejection is only counted in memory, and the schedule
writes the counts to the database every few seconds: one row per day, plugin and reason. The number of rows does not
grow with the number of requests, and no request waits for a write. A process that dies loses the counts of its last
seconds.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock

from ..clock import Clock
from ..errors import DatabaseUnavailable
from ..store import rejected_webhooks as rows
from ..store.database import Store

log = logging.getLogger(__name__)

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,62}")
_UNNAMED = "webhook_rejected"
#: The most reasons that are counted apart per workspace and plugin between two writes; a plugin has a handful.
_MOST_REASONS = 20

_Place = tuple[str, str, str, date]


@dataclass(slots=True)
class _Count:
    times: int
    first_at: datetime
    last_at: datetime


class RejectedWebhooks:
    """The counts of the webhooks that one host rejected."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock, self._lock = store, clock, Lock()
        self._counted: dict[_Place, _Count] = {}

    def note(self, workspace: str, plugin: str, reason: str) -> None:
        """Count a rejected webhook. The workspace and plugin must exist; ``reason`` is an error code."""
        now = self._clock.now()
        with self._lock:
            place = (workspace, plugin, self._known(workspace, plugin, reason), now.date())
            count = self._counted.setdefault(place, _Count(0, now, now))
            count.times += 1
            count.last_at = now

    def write_down(self) -> None:
        """Write the counts since the last write to the database."""
        with self._lock:
            counted, self._counted = self._counted, {}
        if not counted:
            return
        try:
            with self._store.write() as db:
                for (workspace, plugin, reason, _), count in counted.items():
                    rows.add(
                        db,
                        workspace=workspace,
                        plugin=plugin,
                        reason=reason,
                        times=count.times,
                        first_at=count.first_at,
                        last_at=count.last_at,
                    )
        except DatabaseUnavailable:
            log.warning("refusals.lost", extra={"times": sum(count.times for count in counted.values())})

    def _known(self, workspace: str, plugin: str, reason: str) -> str:
        """Return the reason, or a general one if it is no slug or one of too many: a sender may have invented it."""
        if not _SLUG.fullmatch(reason):
            return _UNNAMED
        others = {known for ws, its, known, _ in self._counted if (ws, its) == (workspace, plugin)}
        return reason if reason in others or len(others) < _MOST_REASONS else _UNNAMED
