"""Quotes as they were accepted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, select

from ..exact_json import parse_json
from ..quote import Quote
from ..quote_schema import load_heading, load_quote
from . import finding
from . import tables as t
from .cursors import find_place, newest_first
from .finding import Wanted
from .upsert import insert_or_ignore

# Every webhook and every attempt asks these: built once, since that costs more than to ask (docs/performance.md).
_EXISTS = select(t.quotes.c.id).filter_by(workspace=bindparam("workspace"), id=bindparam("id"))
_ONE = _EXISTS.with_only_columns(t.quotes, t.workspaces.c.timezone).join(t.workspaces)


@dataclass(frozen=True, slots=True)
class Heading:
    """What a list shows of a quote: to load each one whole, with all its lines, takes forty times as long."""

    id: str
    number: str
    customer_name: str
    currency: str
    #: In major units; None where nothing was signed to compare with.
    signed_total: Decimal | None
    received_at: datetime


def add(db: Connection, quote: Quote, document: Any, received_at: datetime) -> bool:
    """Store an accepted quote; False when this workspace has it already (the stored one stays)."""
    row = {
        "workspace": quote.workspace_id,
        "id": quote.id,
        "number": quote.number,
        "document": _text(document),
        "version": _version("", document),
        "received_at": received_at,
    }
    added = insert_or_ignore(db, t.quotes, row)
    if added:
        finding.touch(db, quote.workspace_id, quote.id)
    return added


def exists(db: Connection, workspace: str, quote_id: str) -> bool:
    """Whether this workspace has the quote."""
    return db.execute(_EXISTS, {"workspace": workspace, "id": quote_id}).first() is not None


def number(db: Connection, workspace: str, quote_id: str) -> str | None:
    """What people call the quote."""
    return db.execute(select(t.quotes.c.number).where(_here(workspace, quote_id))).scalar()


def version(db: Connection, workspace: str, quote_id: str) -> str:
    """Which acceptance of the quote is stored."""
    return db.execute(select(t.quotes.c.version).where(_here(workspace, quote_id))).scalar() or ""


def document(db: Connection, workspace: str, quote_id: str) -> Any:
    """The stored quote as it was sent."""
    return parse_json(db.execute(select(t.quotes.c.document).where(_here(workspace, quote_id))).scalar_one())


def correct(db: Connection, quote: Quote, document: Any) -> None:
    """Put a corrected quote in the place of the stored one, which is kept beside it."""
    here = _here(quote.workspace_id, quote.id)
    before = db.execute(select(t.quotes).where(here)).mappings().one()
    # Of several corrections in a row, the way back leads to the one that was worked on.
    kept = before["replaced"] or {name: before[name] for name in ("number", "document", "version")}
    values = {"number": quote.number, "document": _text(document), "replaced": kept}
    values["version"] = _version(before["version"] or "", document)
    db.execute(t.quotes.update().where(here).values(values))
    _reword(db, quote.workspace_id, quote.id, quote.number, _text(document))


def replace_unsigned(db: Connection, quote: Quote, document: Any) -> None:
    """Put a quote in the place of the stored one, of which the customer signed the same: it keeps the version."""
    db.execute(t.quotes.update().where(_here(quote.workspace_id, quote.id)).values(document=_text(document)))
    _reword(db, quote.workspace_id, quote.id, quote.number, _text(document))


def put_back(db: Connection, workspace: str, quote_id: str) -> bool:
    """Undo the last correction; False when there is nothing to put back."""
    here = _here(workspace, quote_id)
    before = db.execute(select(t.quotes.c.replaced).where(here)).scalar()
    if before:
        db.execute(t.quotes.update().where(here).values({**before, "replaced": None}))
        _reword(db, workspace, quote_id, before["number"], before["document"])
    return bool(before)


def _reword(db: Connection, workspace: str, quote_id: str, number: str, document: str) -> None:
    words = finding.words_of_document(number, document)
    finding.touch(db, workspace, quote_id, {finding.SIGNED: words})


def settle(db: Connection, workspace: str, quote_id: str) -> None:
    """Forget the version before the last correction."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(replaced=None))


def lock(db: Connection, workspace: str, quote_id: str) -> None:
    """Let nobody else decide about this quote before the transaction ends."""
    db.execute(select(t.quotes.c.id).where(_here(workspace, quote_id)).with_for_update())


def _here(workspace: str, quote_id: str) -> ColumnElement[bool]:
    return (t.quotes.c.workspace == workspace) & (t.quotes.c.id == quote_id)


def find(db: Connection, workspace: str, quote_id: str) -> Quote | None:
    """Load a stored quote."""
    row = db.execute(_ONE, {"workspace": workspace, "id": quote_id}).mappings().first()
    return None if row is None else _loaded(row)


def newest(
    db: Connection, workspace: str, *, limit: int, after: str | None = None, wanted: Wanted | None = None
) -> Sequence[Heading]:
    """The headings of a workspace's quotes, or of those that are wanted, newest first.

    Raises: InvalidInput for an unknown ``after``.
    """
    whose, order = select(t.quotes).where(t.quotes.c.workspace == workspace), (t.quotes.c.received_at, t.quotes.c.id)
    if wanted is None:
        return [_heading(row) for row in newest_first(db, whose, order, after=after, limit=limit)]
    place = find_place(db, [(whose, order)], after)
    found = finding.ids(db, workspace, wanted, behind=place, limit=limit)
    rows = {row["id"]: row for row in db.execute(whose.where(t.quotes.c.id.in_(found))).mappings()}
    return [_heading(rows[quote_id]) for quote_id in found]


def _heading(row: RowMapping) -> Heading:
    customer, currency, totals = load_heading(json.loads(row["document"], parse_float=Decimal))
    return Heading(
        id=row["id"],
        number=row["number"],
        customer_name=customer,
        currency=currency,
        signed_total=totals.total_amount if totals else None,
        received_at=row["received_at"],
    )


def named(db: Connection, name: str, workspace: str | None = None) -> Sequence[tuple[str, str]]:
    """The (workspace, id) of quotes with this id, or else with this number, newest first; of a workspace or of all."""
    quote = t.quotes.c
    for column in (quote.id, quote.number):
        here = [column == name, *([quote.workspace == workspace] if workspace is not None else [])]
        wanted = select(quote.workspace, quote.id).where(*here).order_by(quote.received_at.desc(), quote.id)
        if found := [(row.workspace, row.id) for row in db.execute(wanted).all()]:
            return found
    return []


def headings(db: Connection, workspace: str, quote_ids: Collection[str]) -> Sequence[Heading]:
    """What a list shows of these quotes, newest first."""
    here = (t.quotes.c.workspace == workspace) & t.quotes.c.id.in_(quote_ids)
    return [
        _heading(row)
        for row in db.execute(select(t.quotes).where(here).order_by(t.quotes.c.received_at.desc())).mappings()
    ]


def numbers(db: Connection, workspace: str, quote_ids: Collection[str]) -> dict[str, str]:
    """The numbers of quotes, by id."""
    here = (t.quotes.c.workspace == workspace) & t.quotes.c.id.in_(quote_ids)
    return {row.id: row.number for row in db.execute(select(t.quotes.c.id, t.quotes.c.number).where(here))}


def get(db: Connection, workspace: str, quote_id: str) -> Quote:
    """Load a quote that is known to be stored, such as a run's."""
    quote = find(db, workspace, quote_id)
    assert quote is not None, "a run is stored together with its quote"
    return quote


def _loaded(row: RowMapping) -> Quote:
    document = parse_json(row["document"])
    quote = load_quote(document, workspace_id=row["workspace"], received_at=row["received_at"], stored=True)
    zone = ZoneInfo(row["timezone"]) if row["timezone"] else quote.timezone
    return replace(quote, version=row["version"] or "", timezone=zone)


def _version(before: str, document: Any) -> str:
    """A word for this acceptance: going back to what was said earlier is another one."""
    return hashlib.sha256(f"{before}|{_text(document)}".encode()).hexdigest()[:16]


def _text(document: Any) -> str:
    return json.dumps(document, default=str)  # Decimals become strings, which load again exactly
