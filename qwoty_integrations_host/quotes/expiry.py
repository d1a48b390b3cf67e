"""What time alone makes of where a quote stands: a link expires, a day goes by without its payment. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from .standing import Facts, standing_of

#: Before every link and every day: nothing has expired, and nothing is overdue.
_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Course:
    """The name of the state in which a quote is, and the one into which it turns by itself.

    It turns at a moment, or when a day begins where the workspace's days are counted; at most one of both is there.
    """

    state: str
    turns_into: str | None = None
    turns_at: datetime | None = None
    turns_on: date | None = None


def course_of(known: Facts) -> Course:
    """The last turn that time brings, and the state before it; so it holds at any moment, and needs no clock."""
    turns: list[tuple[datetime, date | None]] = []
    for record in known.records.values():
        turns += [(part.expires_at, None) for part in record.installments if part.expires_at]
        days = [part.due_date for part in record.installments]
        for due in [*days, record.invoice.due_date if record.invoice else None]:
            if due is not None:
                after = due + timedelta(days=1)
                turns.append((datetime.combine(after, time(), known.zone), after))
    found = Course(standing_of(known, _BEFORE).state.name)
    now = found.state
    for moment, day in sorted(turns, key=lambda turn: turn[0]):
        name = standing_of(known, moment).state.name
        if name != now:
            found, now = Course(now, name, None if day else moment, day), name
    return found
