"""The daily digest: at eight in the workspace's time zone, what is still open; no digest when nothing is.

It lists what was open at eight, so that a late digest is the same, and repeats no alert of the same morning. Its row in
the table of alerts is its lock: of many workers one inserts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..quotes.standing import ASKING, standing_of
from ..store import alerts as alerts_table
from ..store import connections, quotes, runs
from ..store.database import Store
from ..store.search import QuoteSearch
from ..store.standings import facts_of
from ..store.workspaces import timezone_of
from .alert import digest, run_alert_type
from .missing_webhooks import MissingWebhooks
from .recording import Alerts

#: In the workspace's time zone; without one, in UTC.
AT = time(8)
#: The states in which a quote waits for a person, and neither a run nor a missing invoice is listed for it.
_STATES_OF_QUOTES = tuple(
    name for name in ASKING if name not in {"needs_attention", "failed", "no_invoice", "waiting_for_integration"}
)
#: A digest checks so many quotes in these states.
_MOST_QUOTES = 200
#: A digest lists so many things, and counts the rest.
_MOST = 20


@dataclass(frozen=True, slots=True)
class DailyDigest:
    """The daily digests of one host."""

    store: Store
    clock: Clock
    alerts: Alerts
    missing_webhooks: MissingWebhooks

    def record_due(self) -> list[str]:
        """Record today's digest for each workspace that receives one; return the workspaces with a new digest."""
        with self.store.read() as db:
            all_recipients = alerts_table.all_recipients(db)
        receiving = [each for each, recipients in all_recipients.items() if recipients.get("daily_digest", True)]
        return [workspace for workspace in sorted(receiving) if self._record(workspace)]

    def _record(self, workspace: str) -> bool:
        now = self.clock.now()
        with self.store.read() as db:
            zone = timezone_of(db, workspace) or UTC
            today = now.astimezone(zone).date()
            subject, eight = f"digest:{today.isoformat()}", datetime.combine(today, AT, zone)
            if now < eight or alerts_table.is_stored(db, workspace, subject):
                return False
        things = self.open_since(workspace, eight)
        if not things:
            return False
        with self.store.write() as db:
            return self.alerts.add(db, workspace, subject, digest(things[:_MOST], len(things)))

    def open_since(self, workspace: str, before: datetime) -> list[Mapping[str, Any]]:
        """Return the facts of what has waited for a person since before a moment, the gravest first."""
        accounts = self.missing_webhooks.silent_accounts(workspace)
        silent = [account.facts for account in accounts if account.since < before]
        with self.store.read() as db:
            return [
                *_connections(db, workspace, before),
                *silent,
                *_runs(db, workspace, before),
                *_without_invoice(db, workspace, before),
                *_quotes(db, workspace, before),
            ]


def _connections(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    for plugin, problem in connections.problems(db, workspace).items():
        if datetime.fromisoformat(problem["since"]) < before:
            yield {
                "type": "connection.needs_attention",
                **_texts(problem),
                "plugin": plugin,
                "run_id": problem["run_id"],
            }


def _runs(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    rows = runs.open_since(db, workspace, before)
    numbers = quotes.numbers(db, workspace, {row.quote_id for row in rows})
    for row in rows:
        error = row.error or {"code": row.status, "title": "", "hint": ""}
        refs: dict[str, str | None] = {"plugin": row.plugin, "run_id": row.id}
        refs["command"] = f"qwoty-host run show {row.id}"
        refs |= {"quote_id": row.quote_id or None, "quote_number": numbers.get(row.quote_id)}
        yield {"type": run_alert_type(row.status, error["code"]), **_texts(error), **refs}


def _without_invoice(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield the signed quotes without an invoice, oldest first; beyond the digest's length without details."""
    ids = [row["id"] for row in quotes.without_invoice(db, workspace) if row["received_at"] < before]
    listed = ids[:_MOST]
    facts, numbers = facts_of(db, workspace, listed), quotes.numbers(db, workspace, listed)
    for quote_id in listed:
        why = facts[quote_id].without_invoice
        assert why is not None, "it is stored with the quote"
        refs = {"quote_id": quote_id, "quote_number": numbers[quote_id]}
        refs |= {"plugin": why["plugin"], "run_id": why["run_id"]}
        command = f"qwoty-host quote show {workspace} {quote_id}"
        yield {"type": "quote.without_invoice", **_texts(why), **refs, "command": command}
    yield from ({"type": "quote.without_invoice", "quote_id": quote_id} for quote_id in ids[_MOST:])


def _quotes(db: Connection, workspace: str, before: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield the quotes that wait for a person and are not listed by a run or a missing invoice."""
    zone = timezone_of(db, workspace) or UTC
    search = QuoteSearch(now=before, today=before.astimezone(zone).date(), states=_STATES_OF_QUOTES)
    headings = quotes.newest(db, workspace, limit=_MOST_QUOTES, wanted=search)
    facts = facts_of(db, workspace, [quote.id for quote in headings])
    for quote in headings:
        standing = standing_of(facts[quote.id], before)
        texts = {"code": standing.state.name, "title": standing.sentence, "hint": standing.hint}
        refs = {"plugin": standing.plugin or None, "run_id": None, "quote_id": quote.id, "quote_number": quote.number}
        yield {"type": "quote.asks", **texts, **refs, "command": f"qwoty-host quote show {workspace} {quote.id}"}


def _texts(error: Mapping[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("code", "title", "hint")}
