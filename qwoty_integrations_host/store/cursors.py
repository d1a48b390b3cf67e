"""Pages of a list, newest first: each begins after the last item of the one before, whatever was added since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, literal, tuple_

from ..errors import FieldProblem, InvalidInput


def newest_first(
    db: Connection,
    whose: Select[Any],
    order: Sequence[ColumnElement[Any]],
    *,
    after: str | None,
    limit: int,
    only: Sequence[ColumnElement[bool]] = (),
) -> Sequence[RowMapping]:
    """Give the rows after the one whose id is ``after``, from the newest on.

    ``order`` is the time and what tells rows of one time apart; its last column is the id. ``only`` are the filters,
    which the row ``after`` need not pass any more. Raises: InvalidInput when the list has no such row.
    """
    wanted = whose.where(*only)
    if after is not None:
        begin = db.execute(whose.with_only_columns(*order).where(order[-1] == after)).first()
        if begin is None:
            problem = FieldProblem(("starting_after",), "Is not an item of this list, or not any more.")
            raise InvalidInput("There is no such place in the list.", [problem], hint="Begin at its start again.")
        place = (literal(value, column.type) for value, column in zip(begin, order, strict=True))
        wanted = wanted.where(tuple_(*order) < tuple_(*place))
    newest = wanted.order_by(*(column.desc() for column in order)).limit(limit)
    return db.execute(newest).mappings().all()
