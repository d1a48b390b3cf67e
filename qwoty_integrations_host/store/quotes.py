"""Rows of accepted quotes."""

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
from ..contract.stored_quote import dump_quote, parse_quote
from ..errors import NotFound
from ..quotes.run import RunKind
from ..quotes.stops import Stops
from . import search
from . import tables as t
from .pagination import find_place, newest_first
from .search import QuoteSearch
from .upsert import insert_or_ignore
from .workspaces import require_workspace

# Every webhook and attempt executes these. They are built once, because building costs more (docs/performance.md).
_EXISTS = select(t.quotes.c.id).filter_by(workspace=bindparam("workspace"), id=bindparam("id"))
_ONE = _EXISTS.with_only_columns(t.quotes, t.workspaces.c.timezone).join(t.workspaces)
_LOCK = _EXISTS.with_for_update()
_WHICH_EXIST = select(t.quotes.c.workspace, t.quotes.c.id).where(
    t.quotes.c.workspace.in_(bindparam("workspaces", expanding=True))
    & t.quotes.c.id.in_(bindparam("ids", expanding=True))
)
_VERSION = _EXISTS.with_only_columns(t.quotes.c.version)
_FORGET_EARLIER = (
    t.quotes.update()
    .where((t.quotes.c.workspace == bindparam("in_workspace")) & (t.quotes.c.id == bindparam("of_quote")))
    .values(replaced=None)
)
_HEADINGS = select(t.quotes.c.id, t.quotes.c.number, t.quotes.c.document, t.quotes.c.received_at)


@dataclass(frozen=True, slots=True)
class Heading:
    """What a list shows of a quote. Loading whole quotes, with their lines, takes forty times as long."""

    id: str
    number: str
    customer_name: str
    currency: str
    #: In major units; None if the document has no signed total.
    signed_total: Decimal | None
    received_at: datetime


def add(db: Connection, quote: Quote, document: Any, received_at: datetime) -> bool:
    """Store an accepted quote. If the workspace has it already, change nothing and return False."""
    row = {
        "workspace": quote.workspace_id,
        "id": quote.id,
        "number": quote.number,
        "document": (text := _text(document)),
        "loaded": dump_quote(quote, text),
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


def which_exist(db: Connection, quotes: Collection[tuple[str, str | None]]) -> set[tuple[str, str]]:
    """Return (workspace, id) of those of these quotes that there are, and perhaps of others; an id may be None."""
    known = [(workspace, quote_id) for workspace, quote_id in quotes if quote_id is not None]
    if not known:
        return set()
    workspaces, ids = (sorted(set(part)) for part in zip(*known, strict=True))
    return {(row.workspace, row.id) for row in db.execute(_WHICH_EXIST, {"workspaces": workspaces, "ids": ids})}


def number(db: Connection, workspace: str, quote_id: str) -> str | None:
    """Return the quote's number, by which people know it; None if there is no such quote."""
    return db.execute(select(t.quotes.c.number).where(_here(workspace, quote_id))).scalar()


def version(db: Connection, workspace: str, quote_id: str) -> str:
    """Return the version of the stored quote, which identifies its acceptance; empty if it has no version."""
    return db.execute(_VERSION, {"workspace": workspace, "id": quote_id}).scalar() or ""


def document(db: Connection, workspace: str, quote_id: str) -> Any:
    """Return the stored quote's document as it was sent."""
    return parse_json(db.execute(select(t.quotes.c.document).where(_here(workspace, quote_id))).scalar_one())


def correct(db: Connection, quote: Quote, document: Any, *, was_worked: bool) -> None:
    """Replace the stored quote by a corrected one, and keep the first version beside it.

    If the replaced version is itself a correction, it is kept only if runs have begun to work on it (``was_worked``).
    """
    here = _here(quote.workspace_id, quote.id)
    before = db.execute(select(t.quotes).where(here)).mappings().one()
    present = {name: before[name] for name in ("number", "document", "version")}
    kept = before["replaced"] or present
    if before["replaced"] and was_worked:
        kept = {**kept, "later": [*kept.get("later", ()), present]}
    values = {"number": quote.number, "document": _text(document), "loaded": None, "replaced": kept}
    values["version"] = _version(before["version"] or "", document)
    db.execute(t.quotes.update().where(here).values(values))
    _reword(db, quote.workspace_id, quote.id, quote.number, _text(document))


def replace_unsigned(db: Connection, quote: Quote, document: Any) -> None:
    """Replace the stored quote by one with the same signed content. The version stays."""
    values = {"document": _text(document), "loaded": None}
    db.execute(t.quotes.update().where(_here(quote.workspace_id, quote.id)).values(values))
    _reword(db, quote.workspace_id, quote.id, quote.number, _text(document))


def put_back(db: Connection, workspace: str, quote_id: str, version: str) -> bool:
    """Restore this version, or the first version if this one is not kept; return False if no version is kept."""
    here = _here(workspace, quote_id)
    first = db.execute(select(t.quotes.c.replaced).where(here)).scalar()
    if not first:
        return False
    later = first.pop("later", [])
    before = next((one for one in later if one["version"] == version), first)
    db.execute(t.quotes.update().where(here).values({**before, "loaded": None, "replaced": None}))
    _reword(db, workspace, quote_id, before["number"], before["document"])
    return True


def _reword(db: Connection, workspace: str, quote_id: str, number: str, document: str) -> None:
    words = search.words_of_document(number, document)
    search.touch(db, workspace, quote_id, {search.SIGNED: words})


def forget_earlier_version(db: Connection, workspace: str, quote_id: str) -> None:
    """Delete the kept earlier versions: the corrections are final."""
    db.execute(_FORGET_EARLIER, {"in_workspace": workspace, "of_quote": quote_id})


def stops(db: Connection, workspace: str, quote_id: str) -> Stops:
    """Return what blocks a quote: its cancellation and what was undone, if any."""
    wanted = select(t.quotes.c.cancelled, t.quotes.c.undone).where(_here(workspace, quote_id))
    row = db.execute(wanted).mappings().first()
    return Stops() if row is None else Stops.of(dict(row))


def cancel(db: Connection, workspace: str, quote_id: str, cancellation: Mapping[str, str]) -> None:
    """Record that a quote is cancelled."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(cancelled=dict(cancellation)))
    search.touch(db, workspace, quote_id)


def undo(db: Connection, workspace: str, quote_id: str, plugin: str, undone: Mapping[str, str]) -> None:
    """Record that what a plugin created for a quote is undone."""
    known = stops(db, workspace, quote_id).undone
    values = {"undone": {**known, plugin: dict(undone)}}
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(values))
    search.touch(db, workspace, quote_id)


def lift_stops(db: Connection, workspace: str, quote_id: str) -> None:
    """Remove everything that blocks a quote, so that it can begin anew."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(cancelled=None, undone=None))
    search.touch(db, workspace, quote_id)


def lock(db: Connection, workspace: str, quote_id: str) -> None:
    """Lock the quote's row until the transaction ends, so that decisions about the quote are made one at a time."""
    db.execute(_LOCK, {"workspace": workspace, "id": quote_id})


def _here(workspace: str, quote_id: str) -> ColumnElement[bool]:
    return (t.quotes.c.workspace == workspace) & (t.quotes.c.id == quote_id)


def find(db: Connection, workspace: str, quote_id: str) -> Quote | None:
    """Return a stored quote; None if there is none."""
    row = db.execute(_ONE, {"workspace": workspace, "id": quote_id}).mappings().first()
    return None if row is None else _loaded(row)


def newest(
    db: Connection, workspace: str, *, limit: int, after: str | None = None, wanted: QuoteSearch | None = None
) -> Sequence[Heading]:
    """Return the headings of a workspace's quotes, newest first; with ``wanted``, of those that match.

    Raises: InvalidInput for an unknown ``after``.
    """
    whose, order = _HEADINGS.where(t.quotes.c.workspace == workspace), (t.quotes.c.received_at, t.quotes.c.id)
    if wanted is None:
        return [_heading(row) for row in newest_first(db, whose, order, after=after, limit=limit)]
    place = find_place(db, [(whose, order)], after)
    found = search.ids(db, workspace, wanted, behind=place, limit=limit)
    rows = {row["id"]: row for row in db.execute(whose.where(t.quotes.c.id.in_(found))).mappings()}
    return [_heading(rows[quote_id]) for quote_id in found]


def why_without_invoice(db: Connection, workspace: str, quote_id: str) -> str | None:
    """Return the code of why a quote has no invoice; None when nothing is missing."""
    return db.execute(select(t.quotes.c.without_invoice).where(_here(workspace, quote_id))).scalar()


def note_without_invoice(db: Connection, workspace: str, quote_id: str, code: str | None) -> None:
    """Store the code of why a quote has no invoice; None when nothing is missing any more."""
    db.execute(t.quotes.update().where(_here(workspace, quote_id)).values(without_invoice=code))
    search.touch(db, workspace, quote_id)


def note_never_invoiced(db: Connection, workspace: str, makers: Collection[str], code: str) -> None:
    """Store ``code`` with each quote that has no code, is not cancelled, and was given to none of the ``makers``."""
    quote, run = t.quotes.c, t.runs.c
    accepted = (run.workspace == quote.workspace) & (run.quote_id == quote.id) & (run.kind == RunKind.QUOTE_ACCEPTED)
    never = (
        quote.without_invoice.is_(None)
        & quote.cancelled.is_(None)
        & ~select(run.id).where(accepted & run.plugin.in_(makers)).exists()
    )
    these = (quote.workspace == workspace) & never
    # Two statements, however many quotes there are. Only quotes in a settled state get the new state.
    search.mark_without_invoice(db, workspace, select(quote.id).where(these))
    db.execute(t.quotes.update().where(these).values(without_invoice=code))


def without_invoice(db: Connection, workspace: str, code: str | None = None) -> Sequence[RowMapping]:
    """Return ``id`` and ``received_at`` of quotes without an invoice, oldest first; ``code`` selects one reason."""
    quote = t.quotes.c
    wanted = select(quote.id, quote.received_at).where(_lacking(workspace, code))
    return db.execute(wanted.order_by(quote.received_at, quote.id)).mappings().all()


def count_without_invoice(db: Connection, workspace: str, code: str | None = None) -> int:
    """Return how many quotes have no invoice although no run is at work on them; ``code`` selects one reason."""
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
    """Return the (workspace, id) of quotes with this id, else of those with this number, newest first.

    Without a ``workspace``, search all workspaces.
    """
    quote = t.quotes.c
    # The indexes begin with the workspace.
    whose = quote.workspace.in_(select(t.workspaces.c.id)) if workspace is None else quote.workspace == workspace
    for column in (quote.id, quote.number):
        here = (whose, column == name)
        wanted = select(quote.workspace, quote.id).where(*here).order_by(quote.received_at.desc(), quote.id)
        if found := [(row.workspace, row.id) for row in db.execute(wanted).all()]:
            return found
    return []


def headings(db: Connection, workspace: str, quote_ids: Collection[str]) -> Sequence[Heading]:
    """Return the headings of these quotes, newest first."""
    here = (t.quotes.c.workspace == workspace) & t.quotes.c.id.in_(quote_ids)
    return [
        _heading(row) for row in db.execute(_HEADINGS.where(here).order_by(t.quotes.c.received_at.desc())).mappings()
    ]


def numbers(db: Connection, workspace: str, quote_ids: Collection[str]) -> dict[str, str]:
    """Return the numbers of quotes, by id."""
    here = (t.quotes.c.workspace == workspace) & t.quotes.c.id.in_(quote_ids)
    return {row.id: row.number for row in db.execute(select(t.quotes.c.id, t.quotes.c.number).where(here))}


def unknown(workspace: str, quote_id: str) -> NotFound:
    """Return the error for a quote that was never accepted here."""
    return NotFound(
        f"There is no quote {quote_id!r} in workspace {workspace!r}.",
        hint="Look for it in the list of quotes, by a part of its number or by its customer.",
    )


def require(db: Connection, workspace: str, quote_id: str) -> None:
    """Raises: NotFound for the workspace, or for a quote that was never accepted in it."""
    require_workspace(db, workspace)
    if not exists(db, workspace, quote_id):
        raise unknown(workspace, quote_id)


def get(db: Connection, workspace: str, quote_id: str) -> Quote:
    """Return a quote that is known to be stored, such as a run's."""
    quote = find(db, workspace, quote_id)
    assert quote is not None, "a run is stored together with its quote"
    return quote


def recent(db: Connection, workspace: str, *, limit: int) -> list[Quote]:
    """Return the newest quotes of a workspace, newest first."""
    whose = select(t.quotes, t.workspaces.c.timezone).join(t.workspaces).where(t.quotes.c.workspace == workspace)
    newest_rows = whose.order_by(t.quotes.c.received_at.desc(), t.quotes.c.id.desc()).limit(limit)
    return [_loaded(row) for row in db.execute(newest_rows).mappings()]


def _loaded(row: RowMapping) -> Quote:
    quote = parse_quote(row["loaded"], row["document"])
    if quote is None:
        document = parse_json(row["document"])
        quote = load_quote(document, workspace_id=row["workspace"], received_at=row["received_at"], stored=True)
    zone = ZoneInfo(row["timezone"]) if row["timezone"] else quote.timezone
    return replace(quote, version=row["version"] or "", timezone=zone)


def _version(before: str, document: Any) -> str:
    """Return an id for an acceptance, made from the document and the id of the acceptance ``before``.

    Because of ``before``, a quote that returns to earlier content gets a new id.
    """
    return hashlib.sha256(f"{before}|{_text(document)}".encode()).hexdigest()[:16]


def _text(document: Any) -> str:
    return json.dumps(document, default=str)  # Decimals become strings, which load exactly
