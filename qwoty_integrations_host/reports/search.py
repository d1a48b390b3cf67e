"""Searching quotes: one by its id or number, or all that match a filter."""

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
from ..store.search import QuoteSearch, count_in_states
from ..store.workspaces import require_workspace, timezone_of

#: The states that a filter may name; quotes that are not fetched are in no list.
QUOTE_STATES = tuple(name for name in STATES if name not in {"fetching", "not_fetched"})
#: An error names at most so many quotes with the same number.
_CANDIDATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteFilter:
    """A filter of quotes: search words, a state of ``QUOTE_STATES``, and the days of their arrival.

    Days are those of the workspace's time zone; the last one is included.
    """

    search: str | None = None
    state: str | None = None
    first: date | None = None
    last: date | None = None
    #: Only quotes that wait for a person.
    asking: bool = False
    #: Only signed quotes that have no invoice and no run at work.
    without_invoice: bool = False


def to_search(db: Connection, workspace: str, quote_filter: QuoteFilter, now: datetime) -> QuoteSearch | None:
    """Return the store's search for a filter; None when the filter excludes nothing."""
    zone = timezone_of(db, workspace)
    search = QuoteSearch(
        now=now,
        today=now.astimezone(zone or UTC).date(),
        words=terms_of(quote_filter.search) if quote_filter.search and quote_filter.search.strip() else None,
        states=(quote_filter.state,) if quote_filter.state else ASKING if quote_filter.asking else (),
        since=begins(quote_filter.first, zone) if quote_filter.first else None,
        until=begins(quote_filter.last, zone) + timedelta(days=1) if quote_filter.last else None,
        without_invoice=quote_filter.without_invoice,
    )
    return None if search.is_everything else search


def count_asking(db: Connection, workspace: str, now: datetime) -> int:
    """Return how many quotes of a workspace wait for a person."""
    today = now.astimezone(timezone_of(db, workspace) or UTC).date()
    return count_in_states(db, workspace, QuoteSearch(now=now, today=today, states=ASKING))


def quote_id_of(store: Store, workspace: str, name: str) -> str:
    """Return the id of the quote with this id, or else with this number; the name itself when there is none.

    Raises: ActionRefused, which names the quotes, when several have the number.
    """
    with store.read() as db:
        ids = [quote_id for _, quote_id in quotes.named(db, name, workspace)]
        if len(ids) < 2:
            return ids[0] if ids else name
        shown = quotes.headings(db, workspace, ids[:_CANDIDATES])
    each = "; ".join(f"{one.id} ({one.customer_name}, {one.received_at:%Y-%m-%d})" for one in shown)
    more = "; …" if len(ids) > len(shown) else ""
    title = f"{len(ids)} quotes have the number {name!r}."
    raise ActionRefused(title, hint=f"Name the one that you mean by its id: {each}{more}.", code="ambiguous_number")


def stored_document(store: Store, workspace: str, name: str) -> Any:
    """Return a quote's document as it was received, by its id or number. Raises: NotFound, ActionRefused."""
    with store.read() as db:
        require_workspace(db, workspace)
        quote_id = quote_id_of(store, workspace, name)
        if not quotes.exists(db, workspace, quote_id):
            raise quotes.unknown(workspace, name)
        quotes.stops(db, workspace, quote_id).refuse()
        return quotes.document(db, workspace, quote_id)
