"""The search index of quotes: the words and the state of each quote (ADR 0066).

Code that changes a quote, its runs or its records calls ``touch``. At the end of the transaction, ``update_touched``
updates the index once per touched quote.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    bindparam,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from ..contract.quote_document import load_heading
from ..quotes.expiry import change_by_time
from ..quotes.search_words import Term, words_of_quote, words_of_record
from . import tables as t
from .standings import facts_of

#: The source of the words in the signed quote. Each other source is a plugin, whose record has the words.
SIGNED = ""
#: If at most this many quotes have a word, these quotes are searched; otherwise the newest quotes are.
FEW = 3000
_FILLED_AT_ONCE = 500
_TOUCHED = "qwoty_touched"
_SETTLED = ("done", "dismissed", "nothing_to_do")

_KEY = (t.standings.c.workspace == bindparam("in_workspace")) & (t.standings.c.quote_id == bindparam("of_quote"))
# Every run executes these. They are built once, because building costs more (docs/performance.md).
_KNOWN = select(t.standings).where(_KEY).with_for_update()
_CHANGE = t.standings.update().where(_KEY)
_WORDS_OF = (t.quote_words.c.workspace == bindparam("in_workspace")) & (
    t.quote_words.c.quote_id == bindparam("of_quote")
)
_Q = t.quotes.c
_OF_QUOTE = select(_Q.workspace, _Q.id, _Q.number, _Q.document, _Q.received_at)
_STORED = _OF_QUOTE.where((_Q.workspace == bindparam("in_workspace")) & (_Q.id == bindparam("of_quote")))
_FORGET_WORDS = t.quote_words.delete().where(_WORDS_OF & (t.quote_words.c.source == bindparam("of_source")))


# -- updating ---------------------------------------------------------------------------------------


def begin(db: Connection) -> None:
    """Begin to collect the quotes that a transaction touches."""
    db.info[_TOUCHED] = {}


@dataclass(slots=True)
class _Touch:
    """The changes of one quote: its new words by source, and whether its state may change."""

    words: dict[str, Sequence[str]] = field(default_factory=dict)
    #: The sources that also lose words.
    reworded: set[str] = field(default_factory=set)
    state: bool = False


def touch(
    db: Connection,
    workspace: str,
    quote_id: str,
    words: Mapping[str, Sequence[str]] | None = None,
    *,
    lost: bool = True,
    only_words: bool = False,
) -> None:
    """Note that a quote, or one of its runs or records, changes in this transaction.

    ``words``: the quote's new words, by source; ``lost``: whether any of its earlier ones is not among them.
    ``only_words``: the caller touches the quote again once its state counts.
    """
    if quote_id:
        found: _Touch = db.info[_TOUCHED].setdefault((workspace, quote_id), _Touch())
        found.words.update(words or {})
        found.reworded |= (words or {}).keys() if lost else set()
        found.state |= not only_words


def update_touched(db: Connection) -> None:
    """Update the index for the touched quotes. A transaction does this last."""
    touched: Mapping[tuple[str, str], _Touch] = db.info.pop(_TOUCHED)
    # Sorted, so that two transactions that touch the same quotes lock them in one order and cannot deadlock.
    for workspace, quote_id in sorted(touched):
        _update(db, workspace, quote_id, touched[workspace, quote_id])


def _update(db: Connection, workspace: str, quote_id: str, touch: _Touch) -> None:
    place = {"in_workspace": workspace, "of_quote": quote_id}
    if touch.state:
        # Lock the row before reading the facts, so that a second transaction sees what the first has written.
        known = db.execute(_KNOWN, place).mappings().first()
        if known is None:
            _fill(db, workspace, db.execute(_STORED, place).mappings().all())
            return
        by_time = asdict(change_by_time(facts_of(db, workspace, [quote_id])[quote_id]))
        if any(known[name] != value for name, value in by_time.items()):
            db.execute(_CHANGE, {**place, **by_time})
    for source, words in touch.words.items():
        if source in touch.reworded:
            db.execute(_FORGET_WORDS, {**place, "of_source": source})
        _add_words(db, workspace, {(quote_id, source): words})


def mark_without_invoice(db: Connection, workspace: str, quote_ids: Any) -> None:
    """Change the state of these quotes to ``no_invoice`` if their present state is a settled one, in one statement."""
    found = t.standings.c
    here = (found.workspace == workspace) & found.quote_id.in_(quote_ids) & found.state.in_(_SETTLED)
    db.execute(t.standings.update().where(here).values(state="no_invoice"))


def fill(db: Connection) -> None:
    """Index the quotes that an earlier release stored, some hundreds at a time."""
    there = t.standings.c
    unknown = _OF_QUOTE.outerjoin(t.standings, (there.workspace == _Q.workspace) & (there.quote_id == _Q.id))
    unknown = unknown.where(there.quote_id.is_(None)).order_by(_Q.workspace, _Q.id).limit(_FILLED_AT_ONCE)
    place = ("", "")
    while rows := db.execute(unknown.where(tuple_(_Q.workspace, _Q.id) > place)).mappings().all():
        for workspace in dict.fromkeys(row["workspace"] for row in rows):
            _fill(db, workspace, [row for row in rows if row["workspace"] == workspace])
        place = (rows[-1]["workspace"], rows[-1]["id"])


def _fill(db: Connection, workspace: str, rows: Sequence[RowMapping]) -> None:
    """Index quotes for the first time. ``rows`` is empty if the platform announced the quote but it is not stored."""
    if not rows:
        return
    known = facts_of(db, workspace, [row["id"] for row in rows])
    courses = [
        {
            "workspace": workspace,
            "quote_id": row["id"],
            "received_at": row["received_at"],
            **asdict(change_by_time(known[row["id"]])),
        }
        for row in rows
    ]
    words = {(row["id"], SIGNED): words_of_document(row["number"], row["document"]) for row in rows}
    for quote_id, facts in known.items():
        words |= {(quote_id, plugin): words_of_record(record) for plugin, record in facts.records.items()}
    db.execute(_inserting(db.dialect.name, t.standings), courses)
    _add_words(db, workspace, words)


def _add_words(db: Connection, workspace: str, words: Mapping[tuple[str, str], Sequence[str]]) -> None:
    rows = [
        {"workspace": workspace, "quote_id": quote_id, "source": source, "word": word}
        for (quote_id, source), found in words.items()
        for word in found
    ]
    if rows:
        db.execute(_inserting(db.dialect.name, t.quote_words), rows)


@cache
def _inserting(dialect: str, table: Table) -> Any:
    # A worker of an earlier release leaves its quotes unindexed. Two workers of this release may index one of them at
    # the same time, so the second one must ignore the conflict.
    return (postgresql if dialect == "postgresql" else sqlite).insert(table).on_conflict_do_nothing()


def words_of_document(number: str, document: str) -> tuple[str, ...]:
    """Return the words of a stored quote's document."""
    said = json.loads(document, parse_float=Decimal)
    customer, currency, totals = load_heading(said)
    emails = [one["email"] for one in said["customer"]["contacts"] if isinstance(one.get("email"), str)]
    total = totals.total_amount if totals else None
    return words_of_quote(number=number, customer=customer, emails=emails, currency=currency, total=total)


# -- searching --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSearch:
    """A search: quotes that have all of the words, are in one of the states, and were received within a time.

    ``words``: None matches every quote, an empty sequence none. ``now``, and ``today`` in the workspace's time zone,
    decide which states have changed by time alone.
    """

    now: datetime
    today: date
    words: Sequence[Term] | None = None
    #: Empty for any state.
    states: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    #: Only signed quotes that have no invoice although no run is at work on them.
    without_invoice: bool = False

    @property
    def is_everything(self) -> bool:
        asked = (self.words, self.since, self.until)
        return asked == (None, None, None) and not self.states and not self.without_invoice


def ids(
    db: Connection, workspace: str, wanted: QuoteSearch, *, behind: tuple[datetime, str] | None, limit: int
) -> Sequence[str]:
    """Return the ids of the newest matching quotes behind a place in the list: (received_at, id)."""
    if wanted.words is not None and not wanted.words:
        return []
    found = t.standings.c
    here = [found.workspace == workspace]
    here += [found.received_at >= wanted.since] if wanted.since else []
    here += [found.received_at < wanted.until] if wanted.until else []
    if behind is not None:
        here.append(tuple_(found.received_at, found.quote_id) < tuple_(*_literals(behind)))
    if wanted.without_invoice:
        lacking = (_Q.workspace == workspace) & _Q.without_invoice.is_not(None)
        here.append(found.quote_id.in_(select(_Q.id).where(lacking)))
    here += _conditions_of_words(db, workspace, wanted.words or ())
    parts = [
        select(found.received_at, found.quote_id)
        .where(*here, *states)
        .order_by(found.received_at.desc(), found.quote_id.desc())
        .limit(limit)
        for states in _in_state(wanted)
    ]
    rows = [row for part in parts for row in db.execute(part).all()]
    return [row.quote_id for row in sorted(rows, key=lambda row: (row.received_at, row.quote_id), reverse=True)[:limit]]


def count_in_states(db: Connection, workspace: str, wanted: QuoteSearch) -> int:
    """Return how many quotes are in one of the wanted states. The other criteria do not count."""
    here = t.standings.c.workspace == workspace
    parts = [select(func.count()).select_from(t.standings).where(here, *states) for states in _in_state(wanted)]
    return sum(db.execute(part).scalar_one() for part in parts)


def _literals(place: tuple[datetime, str]) -> tuple[ColumnElement[Any], ...]:
    return literal(place[0], t.standings.c.received_at.type), literal(place[1], t.standings.c.quote_id.type)


def _in_state(wanted: QuoteSearch) -> list[list[ColumnElement[bool]]]:
    """Return the conditions of each query for the wanted states.

    One query finds quotes whose stored state is wanted and still true. The other finds quotes that time has changed
    into a wanted state. An index returns the rows of each query in order; it could not do that for both in one query.
    """
    if not wanted.states:
        return [[]]
    found = t.standings.c
    # PostgreSQL checks one expression along the index; for two, it would collect the rows and sort them.
    over = func.coalesce(found.turns_at <= wanted.now, found.turns_on <= wanted.today, false())
    return [[found.state.in_(wanted.states), ~over], [found.turns_into.in_(wanted.states), over]]


def _conditions_of_words(db: Connection, workspace: str, words: Sequence[Term]) -> list[ColumnElement[bool]]:
    """Return the conditions that a quote has all of these words.

    If few quotes have the rarest word, only those quotes are searched. Otherwise the newest quotes are checked one
    after the other until enough of them match. That is quick if many quotes have all of the words.
    """
    if not words:
        return []
    counts = {word: _count_rows(db, workspace, word) for word in words}
    rarest = min(words, key=lambda word: counts[word])
    asked = [word for word in words if word != rarest or counts[word] > FEW]
    conditions = [_condition_of_word(word) for word in asked]
    if rarest not in asked:
        conditions.insert(0, t.standings.c.quote_id.in_(_quotes_with(workspace, rarest)))
    return conditions


def _count_rows(db: Connection, workspace: str, word: Term) -> int:
    """Return how many rows match the word, counting no further than ``FEW`` + 1."""
    some = _quotes_with(workspace, word).limit(FEW + 1).subquery()
    return int(db.execute(select(func.count()).select_from(some)).scalar_one())


def _quotes_with(workspace: str, word: Term) -> Any:
    """Select the ids of the quotes with a word."""
    there = t.quote_words.c
    parts: list[Select[Any]] = [
        select(there.quote_id).where(there.workspace == workspace, matches) for matches in _matching(word)
    ]
    return parts[0] if len(parts) == 1 else union_all(*parts)


def _condition_of_word(word: Term) -> ColumnElement[bool]:
    """Return the condition that a quote has a word.

    It is a scalar subquery for one quote, so that no database collects all quotes with the word first.
    """
    there, found = t.quote_words.c, t.standings.c
    here = (there.workspace == found.workspace) & (there.quote_id == found.quote_id)
    return or_(
        *(
            select(literal(1)).where(here, matches).correlate(t.standings).limit(1).scalar_subquery().is_not(None)
            for matches in _matching(word)
        )
    )


def _matching(word: Term) -> Iterable[ColumnElement[bool]]:
    """Yield the conditions under which a stored word matches: each alone is enough, and can use the index."""
    there = t.quote_words.c.word
    yield (there >= word.beginning) & (there < word.end)
    if word.amounts:
        yield there.in_(word.amounts)
