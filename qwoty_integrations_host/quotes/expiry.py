"""Works out when a quote's state changes by time alone: a link expires, or a due date passes. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from .standing import Facts, standing_of

#: A moment before everything: nothing has expired and nothing is overdue.
_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChangeByTime:
    """The name of a quote's state, and of the state into which it changes by time alone.

    It changes at a moment (``turns_at``), or when a day begins in the workspace's time zone (``turns_on``). At most one
    of the two is set.
    """

    state: str
    turns_into: str | None = None
    turns_at: datetime | None = None
    turns_on: date | None = None


def change_by_time(known: Facts) -> ChangeByTime:
    """Return the last change of the state by time alone, and the state before it.

    Nothing in the result depends on the present moment, so it stays valid until a fact changes.
    """
    turns: list[tuple[datetime, date | None]] = []
    for record in known.records.values():
        turns += [(part.expires_at, None) for part in record.installments if part.expires_at]
        days = [part.due_date for part in record.installments]
        for due in [*days, record.invoice.due_date if record.invoice else None]:
            if due is not None:
                after = due + timedelta(days=1)
                turns.append((datetime.combine(after, time(), known.zone), after))
    found = ChangeByTime(standing_of(known, _BEFORE).state.name)
    now = found.state
    for moment, day in sorted(turns, key=lambda turn: turn[0]):
        name = standing_of(known, moment).state.name
        if name != now:
            found, now = ChangeByTime(now, name, None if day else moment, day), name
    return found
