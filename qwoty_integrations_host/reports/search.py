"""Which quotes a person means: one by its id or its number, or those that fit what is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ..contract.timezones import begins
from ..errors import ActionRefused
from ..quotes.search_words import terms_of
from ..quotes.standing import ASKING, STATES
from ..store import quotes
from ..store.database import Store
from ..store.search import Wanted, count
from ..store.workspaces import require_workspace, timezone_of

#: The states by which quotes are listed; one that could not be fetched is in no list.
QUOTE_STATES = tuple(name for name in STATES if name not in {"fetching", "not_fetched"})
#: So many quotes with one number are named.
_CANDIDATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which quotes a person looks for: words of them, a state of ``QUOTE_STATES``, and the days on which they came.

    The days are those of the workspace's time zone, the last one included.
    """

    search: str | None = None
    state: str | None = None
    first: date | None = None
    last: date | None = None
    #: Only those that stay as they are until a person acts.
    asking: bool = False
    #: Only signed quotes that have no invoice although nothing works on them.
    without_invoice: bool = False


def wanted(db: Connection, workspace: str, asked: Asked, now: datetime) -> Wanted | None:
    """What the store is asked for; None where every quote is wanted."""
    zone = timezone_of(db, workspace)
    found = Wanted(
        now=now,
        today=now.astimezone(zone or UTC).date(),
        words=terms_of(asked.search) if asked.search and asked.search.strip() else None,
        states=(asked.state,) if asked.state else ASKING if asked.asking else (),
        since=begins(asked.first, zone) if asked.first else None,
        until=begins(asked.last, zone) + timedelta(days=1) if asked.last else None,
        without_invoice=asked.without_invoice,
    )
    return None if found.is_everything else found


def count_asking(db: Connection, workspace: str, now: datetime) -> int:
    """How many quotes of a workspace stay as they are until a person acts."""
    today = now.astimezone(timezone_of(db, workspace) or UTC).date()
    return count(db, workspace, Wanted(now=now, today=today, states=ASKING))


def quote_id_of(store: Store, workspace: str, name: str) -> str:
    """Give the id of the quote that has this id, or else this number; the name itself where no quote has it.

    Raises: ActionRefused where several have the number, and names them.
    """
    with store.read() as db:
        found = [quote_id for _, quote_id in quotes.named(db, name, workspace)]
        if len(found) < 2:
            return found[0] if found else name
        shown = quotes.headings(db, workspace, found[:_CANDIDATES])
    each = "; ".join(f"{one.id} ({one.customer_name}, {one.received_at:%Y-%m-%d})" for one in shown)
    more = "; …" if len(found) > len(shown) else ""
    title = f"{len(found)} quotes have the number {name!r}."
    raise ActionRefused(title, hint=f"Name the one that you mean by its id: {each}{more}.", code="ambiguous_number")


def stored_document(store: Store, workspace: str, name: str) -> Any:
    """Give a quote as it was sent, by its id or its number. Raises: NotFound, ActionRefused."""
    with store.read() as db:
        require_workspace(db, workspace)
        quote_id = quote_id_of(store, workspace, name)
        if not quotes.exists(db, workspace, quote_id):
            raise quotes.unknown(workspace, name)
        quotes.stops(db, workspace, quote_id).refuse()
        return quotes.document(db, workspace, quote_id)
