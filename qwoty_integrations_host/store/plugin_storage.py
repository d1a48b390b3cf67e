"""Implements a plugin's storage in one workspace: its state, its secrets and its records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ..contract import record as r
from ..observability.leaks import KnownSecrets
from ..quotes.search_words import words_of_record
from ..vault import Vault
from . import search, secrets
from . import tables as t
from .database import Store
from .holds import Hold, held
from .upsert import put


def _place(table: Any) -> Any:
    return (table.workspace == bindparam("workspace")) & (table.plugin == bindparam("plugin"))


# Every step and every webhook executes these. They are built once, because building costs more (docs/performance.md).
_VALUE = select(t.plugin_state.c.value).where(_place(t.plugin_state.c) & (t.plugin_state.c.name == bindparam("name")))
_RECORD = select(t.records.c.document).where(_place(t.records.c) & (t.records.c.quote_id == bindparam("quote_id")))
_RECORD_LOCKED = _RECORD.with_for_update()

_UNREAD: Any = object()


class PluginState:
    """Implements ``context.State``."""

    def __init__(self, store: Store, workspace: str, plugin: str, known: KnownSecrets) -> None:
        self._store, self._place, self._known = store, {"workspace": workspace, "plugin": plugin}, known

    def get(self, name: str) -> Any:
        with self._store.read() as db:
            return db.execute(_VALUE, {**self._place, "name": name}).scalar()

    def set(self, name: str, value: Any) -> None:
        self._known.refuse([name, value], "it puts into its state")
        with self._store.write() as db:
            put(db, t.plugin_state, {**self._place, "name": name, "value": value})

    def forget(self, name: str) -> None:
        table = t.plugin_state.c
        here = (table.workspace == self._place["workspace"]) & (table.plugin == self._place["plugin"])
        with self._store.write() as db:
            db.execute(t.plugin_state.delete().where(here & (table.name == name)))


class PluginSecrets:
    """Implements ``context.Secrets``."""

    def __init__(self, store: Store, vault: Vault, workspace: str, plugin: str, known: KnownSecrets) -> None:
        self._store, self._vault, self._workspace, self._plugin = store, vault, workspace, plugin
        #: Collects the secrets that are read or written here, so that a leak of one elsewhere is found.
        self.known = known

    def get(self, name: str) -> str | None:
        with self._store.read() as db:
            found = secrets.get(db, self._vault, self._workspace, self._plugin, "kept/" + name)
        return None if found is None else self.known.keep(name, found)

    def set(self, name: str, value: str) -> None:
        self.known.refuse(name, "it names a secret by")
        self.known.keep(name, value)
        with self._store.write() as db:
            secrets.put(db, self._vault, self._workspace, self._plugin, "kept/" + name, value)

    def forget(self, name: str) -> None:
        with self._store.write() as db:
            secrets.forget(db, self._workspace, self._plugin, "kept/" + name)


class PluginRecords:
    """Implements ``context.Records``."""

    def __init__(self, store: Store, workspace: str, plugin: str, known: KnownSecrets) -> None:
        self._store, self._workspace, self._plugin, self._known = store, workspace, plugin, known
        #: The record of the held quote, under the hold's epoch: nobody else writes it meanwhile (store/holds.py).
        self._kept: dict[Hold | None, r.QuoteRecord | None] = {}

    def get(self, quote_id: str) -> r.QuoteRecord | None:
        hold = self._hold_on(quote_id)
        found: r.QuoteRecord | None = self._kept.get(hold, _UNREAD)
        if found is _UNREAD:
            with self._store.read() as db:
                found = self._load(db, quote_id)
                self._keep(hold, found)
        return found

    def update(self, quote_id: str, change: Callable[[r.QuoteRecord | None], r.QuoteRecord]) -> r.QuoteRecord:
        hold = self._hold_on(quote_id)
        if hold is None:
            self._kept.clear()  # a thread that the plugin has started knows no hold
        with self._store.write() as db:
            # Taken out until the commit: if this transaction fails, the record is read again.
            before = self._kept.pop(hold, _UNREAD)
            if before is _UNREAD:
                before = self._load(db, quote_id, lock=True)
            changed = change(before)
            document = r.to_document(changed)
            self._known.refuse([quote_id, document], "it puts into its record")
            row = {"workspace": self._workspace, "plugin": self._plugin, "quote_id": quote_id}
            looked_for = {"next_due": changed.next_due, "awaits_payment": changed.awaits_payment}
            put(db, t.records, {**row, "document": document, **looked_for})
            self._keep(hold, r.from_document(document))
            if changed != before:
                words, known = words_of_record(changed), words_of_record(before)
                new, lost = ({self._plugin: words} if words != known else {}), not set(known) <= set(words)
                # The run touches its quote once more when it ends or waits, but not after a hook that it left behind.
                only_words = hold is not None and not hold.deferred.is_given_up
                search.touch(db, self._workspace, quote_id, new, lost=lost, only_words=only_words)
        return changed

    def _hold_on(self, quote_id: str) -> Hold | None:
        """Return the current run's hold if it is one on this quote."""
        hold = held()
        here = (self._workspace, self._plugin, quote_id)
        return hold if hold is not None and (hold.workspace, hold.plugin, hold.quote_id) == here else None

    def _keep(self, hold: Hold | None, record: r.QuoteRecord | None) -> None:
        """Keep the held quote's record once the transaction, if there is one, has committed."""
        if hold is not None:
            self._store.afterwards(lambda: self._kept.update({hold: record}))

    def awaiting_payment(self, *, after: str, limit: int) -> list[str]:
        table = t.records.c
        here = (table.workspace == self._workspace) & (table.plugin == self._plugin)
        wanted = select(table.quote_id).where(here & (table.quote_id > after), t.MAY_AWAIT_PAYMENT)
        with self._store.read() as db:
            return list(db.execute(wanted.order_by(table.quote_id).limit(limit)).scalars())

    def _load(self, db: Connection, quote_id: str, *, lock: bool = False) -> r.QuoteRecord | None:
        place = {"workspace": self._workspace, "plugin": self._plugin, "quote_id": quote_id}
        found = db.execute(_RECORD_LOCKED if lock else _RECORD, place).scalar()
        return None if found is None else r.from_document(found)


def quotes_due(store: Store, today: date) -> dict[tuple[str, str], list[str]]:
    """Return the ids of quotes with an installment that is due by ``today``, by (workspace, plugin)."""
    table = t.records.c
    wanted = select(table.workspace, table.plugin, table.quote_id).where(table.next_due <= today)
    found: dict[tuple[str, str], list[str]] = {}
    with store.read() as db:
        for row in db.execute(wanted.order_by(table.next_due, table.quote_id)):
            found.setdefault((row.workspace, row.plugin), []).append(row.quote_id)
    return found


def records_awaiting_payment(store: Store, workspace: str, plugin: str, *, limit: int) -> list[r.QuoteRecord]:
    """Return the records that may await a payment, by quote id in descending order."""
    table = t.records.c
    here = (table.workspace == workspace) & (table.plugin == plugin)
    wanted = select(table.document).where(here, t.MAY_AWAIT_PAYMENT).order_by(table.quote_id.desc()).limit(limit)
    with store.read() as db:
        return [r.from_document(found) for found in db.execute(wanted).scalars()]


def records_of_quote(store: Store, workspace: str, quote_id: str) -> dict[str, r.QuoteRecord]:
    """Return the records of one quote, by plugin."""
    return records_of_quotes(store, workspace, [quote_id]).get(quote_id, {})


def records_of_quotes(store: Store, workspace: str, quote_ids: Sequence[str]) -> dict[str, dict[str, r.QuoteRecord]]:
    """Return the records of each quote that has any, by quote id and plugin."""
    table = t.records.c
    here = (table.workspace == workspace) & table.quote_id.in_(quote_ids)
    found: defaultdict[str, dict[str, r.QuoteRecord]] = defaultdict(dict)
    with store.read() as db:
        for row in db.execute(select(t.records).where(here).order_by(table.plugin)):
            found[row.quote_id][row.plugin] = r.from_document(row.document)
    return found
