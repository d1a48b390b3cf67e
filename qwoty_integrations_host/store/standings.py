"""Loads the facts about quotes from which their states are derived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from ..contract.record import QuoteRecord, from_document
from ..quotes.run import Run
from ..quotes.standing import Facts
from ..quotes.stops import Stops
from ..quotes.without_invoice import explanation_of
from . import settings
from . import tables as t
from .workspaces import timezone_of


def facts_of(db: Connection, workspace: str, quote_ids: Sequence[str]) -> dict[str, Facts]:
    """Return the facts about each of these quotes. The number of queries does not grow with the number of quotes."""
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    records: defaultdict[str, dict[str, QuoteRecord]] = defaultdict(dict)
    run, record, quote = t.runs.c, t.records.c, t.quotes.c
    wanted = select(t.runs).where((run.workspace == workspace) & run.quote_id.in_(quote_ids))
    for row in db.execute(wanted.order_by(run.created_at, run.id)).mappings():
        runs[row["quote_id"]].append(Run.of(row))
    kept = select(t.records).where((record.workspace == workspace) & record.quote_id.in_(quote_ids))
    for row in db.execute(kept.order_by(record.plugin)).mappings():
        records[row["quote_id"]][row["plugin"]] = from_document(row["document"])
    stored = select(quote.id, quote.cancelled, quote.undone, quote.without_invoice).where(
        (quote.workspace == workspace) & quote.id.in_(quote_ids)
    )
    found = {row["id"]: row for row in db.execute(stored).mappings()}
    zone = timezone_of(db, workspace) or UTC
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


def _lacking(quote: RowMapping | None, runs: Sequence[Run], enabled: Collection[str]) -> Mapping[str, Any] | None:
    """Return why a quote has no invoice; None when nothing is known to be missing."""
    code = quote["without_invoice"] if quote else None
    return explanation_of(code, runs, enabled=enabled) if code else None
