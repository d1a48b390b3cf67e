"""Loads the facts about quotes from which their states are derived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, bindparam, select

from ..contract.record import QuoteRecord, from_document
from ..quotes.run import Run
from ..quotes.standing import Facts
from ..quotes.stops import Stops
from ..quotes.without_invoice import explanation_of
from . import settings
from . import tables as t
from .workspaces import timezone_of

# Every change of a quote executes these. They are built once, because building costs more (docs/performance.md).
_WORKSPACE: Any = bindparam("in_workspace")
_IDS: Any = bindparam("quote_ids", expanding=True)
# The rows are sorted here: to spare itself that, SQLite would read all rows of the workspace in the wanted order.
_RUNS = select(t.runs).where((t.runs.c.workspace == _WORKSPACE) & t.runs.c.quote_id.in_(_IDS))
_RECORDS = select(t.records.c.quote_id, t.records.c.plugin, t.records.c.document).where(
    (t.records.c.workspace == _WORKSPACE) & t.records.c.quote_id.in_(_IDS)
)
_QUOTES = (
    select(t.quotes.c.id, t.quotes.c.cancelled, t.quotes.c.undone, t.quotes.c.without_invoice, t.workspaces.c.timezone)
    .join(t.workspaces)
    .where((t.quotes.c.workspace == _WORKSPACE) & t.quotes.c.id.in_(_IDS))
)


def facts_of(db: Connection, workspace: str, quote_ids: Sequence[str]) -> dict[str, Facts]:
    """Return the facts about each of these quotes. The number of queries does not grow with the number of quotes."""
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    records: defaultdict[str, dict[str, QuoteRecord]] = defaultdict(dict)
    these = {"in_workspace": workspace, "quote_ids": list(quote_ids)}
    found_runs = (Run.of(row) for row in db.execute(_RUNS, these).mappings())
    for run in sorted(found_runs, key=lambda run: (run.created_at, run.id)):
        runs[run.quote_id].append(run)
    for row in sorted(db.execute(_RECORDS, these).mappings(), key=lambda row: str(row["plugin"])):
        records[row["quote_id"]][row["plugin"]] = from_document(row["document"])
    found = {row["id"]: row for row in db.execute(_QUOTES, these).mappings()}
    zone = _zone(db, workspace, found)
    is_lacking = any(row["without_invoice"] for row in found.values())
    enabled = settings.enabled_plugins(db, workspace) if is_lacking else ()
    return {
        quote_id: Facts(
            runs=runs[quote_id],
            records=records[quote_id],
            without_invoice=_lacking(found.get(quote_id), runs[quote_id], enabled),
            stops=Stops.of(dict(found[quote_id])) if quote_id in found else Stops(),
            is_stored=quote_id in found,
            zone=zone,
        )
        for quote_id in quote_ids
    }


def _zone(db: Connection, workspace: str, found: Mapping[str, RowMapping]) -> tzinfo:
    """Return the workspace's time zone, from one of its quotes if there is one."""
    quote = next(iter(found.values()), None)
    if quote is None:
        return timezone_of(db, workspace) or UTC
    return ZoneInfo(quote["timezone"]) if quote["timezone"] else UTC


def _lacking(quote: RowMapping | None, runs: Sequence[Run], enabled: Collection[str]) -> Mapping[str, Any] | None:
    """Return why a quote has no invoice; None when nothing is known to be missing."""
    code = quote["without_invoice"] if quote else None
    return explanation_of(code, runs, enabled=enabled) if code else None
