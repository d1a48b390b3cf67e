"""The sent-once ledger of mails: ``sending`` is written before a mail leaves, ``sent`` after.

A mail that is ``sending`` belongs to the epoch of the hold under which it is sent, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from . import tables as t
from .upsert import insert_or_ignore

#: Of an escaped quote id, a character of which may take twelve: the table's names have 512.
_LONGEST_ID = 400


def name_for(quote_id: str, name: str) -> str:
    """The ledger's name of a quote's mail; no other quote's name begins like it."""
    whose = quote(quote_id, safe="")
    if len(whose) > _LONGEST_ID:  # no escaped id has a "%" before these letters
        whose = f"%sha256-{sha256(quote_id.encode()).hexdigest()}"
    return f"{whose}/{name}"


def state(db: Connection, workspace: str, plugin: str, name: str) -> str | None:
    """``sending``, ``sent`` or None."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.name == name)
    return db.execute(select(table.state).where(here)).scalar()


@dataclass(frozen=True, slots=True)
class Sending:
    """One mail that is about to leave, and whose it is."""

    workspace: str
    plugin: str
    name: str
    message_id: str
    epoch: int

    def begin(self, db: Connection, now: datetime, *, again: bool) -> bool:
        """Write that it is ours to send; False when it is another's, or has left.

        ``again``: to send it a second time makes no second mail, so what another one has begun may be begun anew.
        """
        if insert_or_ignore(db, t.mails, self._row("sending", now)):
            return True
        return again and self._change(db, t.mails.c.state == "sending", self._row("sending", now))

    def has_left(self, db: Connection, now: datetime) -> None:
        """Write that it is gone, unless somebody else is sending it by now."""
        if not self._change(db, t.mails.c.epoch == self.epoch, self._row("sent", now)):
            insert_or_ignore(db, t.mails, self._row("sent", now))

    def forget(self, db: Connection) -> None:
        """Take back that it is being sent: it certainly did not leave."""
        ours = (t.mails.c.state == "sending") & (t.mails.c.epoch == self.epoch)
        db.execute(t.mails.delete().where(self._here & ours))

    def _change(self, db: Connection, only: ColumnElement[bool], row: Mapping[str, Any]) -> bool:
        changed = t.mails.update().where(self._here & only).values(row).returning(t.mails.c.name)
        return db.execute(changed).first() is not None

    def _row(self, state: str, now: datetime) -> dict[str, Any]:
        return {**asdict(self), "state": state, "changed_at": now}

    @property
    def _here(self) -> ColumnElement[bool]:
        table = t.mails.c
        return (table.workspace == self.workspace) & (table.plugin == self.plugin) & (table.name == self.name)


def of_quote(db: Connection, workspace: str, plugin: str, quote_id: str) -> Sequence[RowMapping]:
    """A quote's mails, oldest first."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin)
    named = table.name.startswith(name_for(quote_id, ""), autoescape=True)
    wanted = select(t.mails).where(here & named).order_by(table.changed_at, table.name)
    return db.execute(wanted).mappings().all()


def settle_unsure(db: Connection, workspace: str, plugin: str, quote_id: str) -> None:
    """A person asked for the run again: mails of which it was not known whether they left may leave again."""
    table = t.mails.c
    here = (table.workspace == workspace) & (table.plugin == plugin) & (table.state == "sending")
    db.execute(t.mails.delete().where(here & table.name.startswith(name_for(quote_id, ""), autoescape=True)))
