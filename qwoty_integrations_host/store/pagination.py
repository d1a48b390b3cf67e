"""Keyset pagination, newest first: a page begins after the last item of the page before.

Items that were added in the meantime do not shift the pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, literal, tuple_

from ..errors import FieldProblem, InvalidInput

Order = Sequence[ColumnElement[Any]]
#: A row's position in a list: its values of the columns in the list's order.
Place = tuple[Any, ...]


def newest_first(
    db: Connection,
    whose: Select[Any],
    order: Order,
    *,
    after: str | None,
    limit: int,
    only: Sequence[ColumnElement[bool]] = (),
) -> Sequence[RowMapping]:
    """Return the rows that follow the one with the id ``after``, newest first.

    ``order``: a column with a time, then columns that order rows of the same time; the last column is the id.
    ``only``: filters. The row ``after`` does not have to pass them. Raises: InvalidInput when the list has no such row.
    """
    place = find_place(db, [(whose, order)], after)
    return newest_behind(db, whose, order, place, limit=limit, only=only)


def find_place(db: Connection, lists: Iterable[tuple[Select[Any], Order]], after: str | None) -> Place | None:
    """Search the lists for the row with this id, and return its place; None without an id. Raises: InvalidInput."""
    if after is None:
        return None
    for whose, order in lists:
        found = db.execute(whose.with_only_columns(*order).where(order[-1] == after)).first()
        if found is not None:
            return tuple(found)
    problem = FieldProblem(("starting_after",), "Is not an item of this list, or not any more.")
    raise InvalidInput("There is no such place in the list.", [problem], hint="Begin at its start again.")


def newest_behind(
    db: Connection,
    whose: Select[Any],
    order: Order,
    place: Place | None,
    *,
    limit: int,
    only: Sequence[ColumnElement[bool]] = (),
) -> Sequence[RowMapping]:
    """Return the rows behind a place, newest first."""
    wanted = whose.where(*only)
    if place is not None:
        values = (literal(value, column.type) for value, column in zip(place, order, strict=True))
        wanted = wanted.where(tuple_(*order) < tuple_(*values))
    newest = wanted.order_by(*(column.desc() for column in order)).limit(limit)
    return db.execute(newest).mappings().all()
