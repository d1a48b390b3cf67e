"""Quotes as they were accepted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, func, select

from ..contract.exact_json import parse_json
from ..contract.quote import Quote
from ..contract.quote_document import load_heading, load_quote
from ..errors import NotFound
from ..quotes.stops import Stops
from . import search
from . import tables as t
from .pagination import find_place, newest_first
from .search import Wanted
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
    #: The code of why it has no invoice although nothing works on it; None for all others.


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
        search.touch(db, quote.workspace_id, quote.id)
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


def correct(db: Connection, quote: Quote, document: Any, *, was_worked: bool) -> None:
    """Put a corrected quote in the place of the stored one, which is kept beside it.

    Of several corrections in a row, those are kept that something may have been made of: ``was_worked``.
    """
    here = _here(quote.workspace_id, quote.id)
    before = db.execute(select(t.quotes).where(here)).mappings().one()
    present = {name: before[name] for name in ("number", "document", "version")}
    kept = before["replaced"] or present
    if before["replaced"] and was_worked:
        kept = {**kept, "later": [*kept.get("later", ()), present]}
    values = {"number": quote.number, "document": _text(document), "replaced": kept}
    values["version"] = _version(before["version"] or "", document)
    db.execute(t.quotes.update().where(here).values(values))
    _reword(db, quote.workspace_id, quote.id, quote.number, _text(document))


def replace_unsigned(db: Connection, quote: Quote, document: Any) -> None:
    """Put a quote in the place of the stored one, of which the customer signed the same: it keeps the version."""
    db.execute(t.quotes.update().where(_here(quote.workspace_id, quote.id)).values(document=_text(document)))
    _reword(db, quote.workspace_id, quote.id, quote.number, _text(document))


def put_back(db: Connection, workspace: str, quote_id: str, version: str) -> bool:
    """Undo the corrections since this version, or all where it is not kept; False when there is nothing to put back."""
    here = _here(workspace, quote_id)
    first = db.execute(select(t.quotes.c.replaced).where(here)).scalar()
    if not first:
        return False
    later = first.pop("later", [])
    before = next((one for one in later if one["version"] == version), first)
    db.execute(t.quotes.update().where(here).values({**before, "replaced": None}))
    _reword(db, workspace, quote_id, before["number"], before["document"])
    return True


def _reword(db: Connection, workspace: str, quote_id: str, number: str, document: str) -> None:
    words = search.words_of_document(number, document)
    search.touch(db, workspace, quote_id, {search.SIGNED: words})


def settle(db: Connection, workspace: str, quote_id: str) -> None:
    """Forget the version before the last correction."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(replaced=None))


def stops(db: Connection, workspace: str, quote_id: str) -> Stops:
    """Why nothing more is made of a quote, if anything stands in its way."""
    wanted = select(t.quotes.c.cancelled, t.quotes.c.undone).where(_here(workspace, quote_id))
    row = db.execute(wanted).mappings().first()
    return Stops() if row is None else Stops.of(dict(row))


def cancel(db: Connection, workspace: str, quote_id: str, cancellation: Mapping[str, str]) -> None:
    """Write down that a quote is cancelled."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(cancelled=dict(cancellation)))
    search.touch(db, workspace, quote_id)


def undo(db: Connection, workspace: str, quote_id: str, plugin: str, undone: Mapping[str, str]) -> None:
    """Write down that what a plugin made of a quote is undone."""
    known = stops(db, workspace, quote_id).undone
    values = {"undone": {**known, plugin: dict(undone)}}
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(values))
    search.touch(db, workspace, quote_id)


def lift_stops(db: Connection, workspace: str, quote_id: str) -> None:
    """Let a quote begin anew."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(cancelled=None, undone=None))
    search.touch(db, workspace, quote_id)


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
    found = search.ids(db, workspace, wanted, behind=place, limit=limit)
    rows = {row["id"]: row for row in db.execute(whose.where(t.quotes.c.id.in_(found))).mappings()}
    return [_heading(rows[quote_id]) for quote_id in found]


def why_without_invoice(db: Connection, workspace: str, quote_id: str) -> str | None:
    """The code of why a quote has no invoice; None when nothing is missing."""
    return db.execute(select(t.quotes.c.without_invoice).where(_here(workspace, quote_id))).scalar()


def note_without_invoice(db: Connection, workspace: str, quote_id: str, code: str | None) -> None:
    """Keep why a quote has no invoice; None when nothing is missing any more."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(without_invoice=code))
    search.touch(db, workspace, quote_id)


def note_never_invoiced(db: Connection, workspace: str, makers: Collection[str], code: str) -> None:
    """Keep a code with every quote that no integration of these was given, and that has no code yet."""
    quote, run = t.quotes.c, t.runs.c
    accepted = (run.workspace == quote.workspace) & (run.quote_id == quote.id) & (run.kind == "quote_accepted")
    never = (
        quote.without_invoice.is_(None)
        & quote.cancelled.is_(None)
        & ~select(run.id).where(accepted & run.plugin.in_(makers)).exists()
    )
    these = (quote.workspace == workspace) & never
    # However many they are, two statements: nothing works on them, so that only what was settled turns into this.
    search.lack_an_invoice(db, workspace, select(quote.id).where(these))
    db.execute(t.quotes.update().where(these).values(without_invoice=code))


def without_invoice(db: Connection, workspace: str, code: str | None = None) -> Sequence[RowMapping]:
    """What names each quote without an invoice (``id``, ``received_at``), oldest first; of one code, or of all."""
    quote = t.quotes.c
    wanted = select(quote.id, quote.received_at).where(_lacking(workspace, code))
    return db.execute(wanted.order_by(quote.received_at, quote.id)).mappings().all()


def count_without_invoice(db: Connection, workspace: str, code: str | None = None) -> int:
    """How many quotes have no invoice although nothing works on them; of one code, or of all."""
    return db.execute(select(func.count()).select_from(t.quotes).where(_lacking(workspace, code))).scalar_one()


def _lacking(workspace: str, code: str | None) -> ColumnElement[bool]:
    quote = t.quotes.c
    lacking = (quote.workspace == workspace) & quote.without_invoice.is_not(None)
    return lacking if code is None else lacking & (quote.without_invoice == code)


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


def unknown(workspace: str, quote_id: str) -> NotFound:
    """The answer about a quote that was never accepted here."""
    return NotFound(
        f"There is no quote {quote_id!r} in workspace {workspace!r}.",
        hint="Look for it in the list of quotes, by a part of its number or by its customer.",
    )


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
