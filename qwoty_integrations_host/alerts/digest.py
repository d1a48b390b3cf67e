"""What is still open, told once a day: at eight in the workspace's time zone, and only where something is.

It tells what was open at eight, so that it says the same whenever somebody looks, and no alert of the same morning
again. Its row in the table of alerts is its lock: of many workers one inserts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..quotes.standing import ASKING, standing_of
from ..store import alerts as rows
from ..store import connections, quotes, runs
from ..store.database import Store
from ..store.search import Wanted
from ..store.standings import facts_of
from ..store.workspaces import timezone_of
from .missing_webhooks import Silence
from .service import Alerts, digest, kind_of_run

#: Where the workspace's days are counted; without a time zone, in UTC.
AT = time(8)
#: A person acts on these, and no run of theirs is in trouble.
_TOLD_BY_NOTHING_ELSE = tuple(
    name for name in ASKING if name not in {"needs_attention", "failed", "no_invoice", "waiting_for_integration"}
)
#: So many quotes of these are looked through for one digest.
_MOST_QUOTES = 200
#: More than a person reads; the rest is counted.
_MOST = 20


@dataclass(frozen=True, slots=True)
class Digest:
    """The daily digests of one host."""

    store: Store
    clock: Clock
    alerts: Alerts
    silence: Silence

    def look(self) -> list[str]:
        """Tell each workspace that wants it what is open, once a day; give the workspaces that are told now."""
        with self.store.read() as db:
            wanting = [each for each, wanted in rows.all_targets(db).items() if wanted.get("daily_digest", True)]
        return [workspace for workspace in sorted(wanting) if self._tell(workspace)]

    def _tell(self, workspace: str) -> bool:
        now = self.clock.now()
        with self.store.read() as db:
            zone = timezone_of(db, workspace) or UTC
            today = now.astimezone(zone).date()
            subject, eight = f"digest:{today.isoformat()}", datetime.combine(today, AT, zone)
            if now < eight or rows.is_stored(db, workspace, subject):
                return False
        found = self.open_since(workspace, eight)
        if not found:
            return False
        with self.store.write() as db:
            return self.alerts.add(db, workspace, subject, digest(found[:_MOST], len(found)))

    def open_since(self, workspace: str, before: datetime) -> list[Mapping[str, Any]]:
        """What a person has to do in a workspace that was there before a moment: facts of alerts, the gravest first."""
        silent = [one.facts for one in self.silence.silent(workspace) if one.since < before]
        with self.store.read() as db:
            lacking = _without_invoice(db, workspace, before)
            asking = _asking(db, workspace, before)
            return [*_connections(db, workspace, before), *silent, *_runs(db, workspace, before), *lacking, *asking]


def _connections(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    for plugin, problem in connections.problems(db, workspace).items():
        if datetime.fromisoformat(problem["since"]) < before:
            yield {
                "type": "connection.needs_attention",
                **_said(problem),
                "plugin": plugin,
                "run_id": problem["run_id"],
            }


def _runs(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    found = runs.open_since(db, workspace, before)
    numbers = quotes.numbers(db, workspace, {row.quote_id for row in found})
    for row in found:
        error = row.error or {"code": row.status, "title": "", "hint": ""}
        about: dict[str, str | None] = {
            "plugin": row.plugin,
            "run_id": row.id,
            "command": f"qwoty-host run show {row.id}",
        }
        about |= {"quote_id": row.quote_id or None, "quote_number": numbers.get(row.quote_id)}
        yield {"type": kind_of_run(row.status, error["code"]), **_said(error), **about}


def _without_invoice(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    """The signed quotes without an invoice, oldest first; those that no digest shows only counted."""
    lacking = [row["id"] for row in quotes.without_invoice(db, workspace) if row["received_at"] < before]
    shown = lacking[:_MOST]
    known, numbers = facts_of(db, workspace, shown), quotes.numbers(db, workspace, shown)
    for quote_id in shown:
        why = known[quote_id].without_invoice
        assert why is not None, "it is kept with the quote"
        about = {"quote_id": quote_id, "quote_number": numbers[quote_id]}
        about |= {"plugin": why["plugin"], "run_id": why["run_id"]}
        command = f"qwoty-host quote show {workspace} {quote_id}"
        yield {"type": "quote.without_invoice", **_said(why), **about, "command": command}
    yield from ({"type": "quote.without_invoice", "quote_id": quote_id} for quote_id in lacking[_MOST:])


def _asking(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    """The quotes that stay as they are until a person acts, of which neither a run nor a missing invoice tells."""
    zone = timezone_of(db, workspace) or UTC
    wanted = Wanted(now=before, today=before.astimezone(zone).date(), states=_TOLD_BY_NOTHING_ELSE)
    found = quotes.newest(db, workspace, limit=_MOST_QUOTES, wanted=wanted)
    known = facts_of(db, workspace, [quote.id for quote in found])
    for quote in found:
        standing = standing_of(known[quote.id], before)
        said = {"code": standing.state.name, "title": standing.sentence, "hint": standing.hint}
        about = {"plugin": standing.plugin or None, "run_id": None, "quote_id": quote.id, "quote_number": quote.number}
        yield {"type": "quote.asks", **said, **about, "command": f"qwoty-host quote show {workspace} {quote.id}"}


def _said(error: Mapping[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("code", "title", "hint")}
